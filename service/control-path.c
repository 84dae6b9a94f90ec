/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "control-path.h"

bool
control_name_valid (const char *name)
{
  static const char valid[] = "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ" "0123456789" "._-";
  size_t len = strlen (name);

  return len > 0 && len <= CONTROL_NAME_MAX && strspn (name, valid) == len
    && name[0] != '.' && name[0] != '-';
}

/* Is PATH the directory of a session?  It is removed when the last session of
 * its user ends.  So a server of root does not use it: it may serve swap, and
 * services must find it, too.
 */
static bool
is_of_session (const char *path)
{
  unsigned uid;
  char more;

  return sscanf (path, "/run/user/%u%c", &uid, &more) == 1;
}

const char *
control_directory (char *buf, size_t size)
{
  const char *runtime = getenv ("XDG_RUNTIME_DIR");

  /* The specification says to ignore relative ones. */
  if (!runtime || runtime[0] != '/'
      || (geteuid () == 0 && is_of_session (runtime)))
    runtime = "/run";
  snprintf (buf, size, "%s/nbdzram", runtime);
  return buf;
}

int
control_path (char path[CONTROL_PATH_SIZE], const char *directory,
              const char *name)
{
  int len = snprintf (path, CONTROL_PATH_SIZE, "%s/%s%s", directory, name,
                      CONTROL_SUFFIX);

  if (len >= 0 && (size_t) len < CONTROL_PATH_SIZE)
    return 0;
  return fail_with (ENAMETOOLONG);
}
