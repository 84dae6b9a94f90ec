/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "service/control-path.h"

#include "run-file.h"

const char *
run_path (char path[RUN_PATH_SIZE], const char *name, const char *suffix)
{
  char directory[RUN_PATH_SIZE - 2 * CONTROL_NAME_MAX];

  control_directory (directory, sizeof directory);
  snprintf (path, RUN_PATH_SIZE, "%s/%s.%s", directory, name, suffix);
  return path;
}

static json_t *
read_once (const char *path)
{
  FILE *f = fopen (path, "re");
  json_t *object;

  if (!f)
    return NULL;
  object = json_loadf (f, 0, NULL);
  fclose (f);
  if (object && json_is_object (object))
    return object;
  json_decref (object);
  errno = EINVAL;
  return NULL;
}

/* A watcher writes in place (command/attach/record.h).  A read in the middle
 * of that may get neither the old object nor the new one, so it is repeated.
 */
json_t *
run_read (const char *name, const char *suffix)
{
  const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
  char path[RUN_PATH_SIZE];
  json_t *object;

  run_path (path, name, suffix);
  for (int tries = 0; ; ++tries) {
    object = read_once (path);
    if (object || errno != EINVAL || tries == 5)
      return object;
    nanosleep (&pause, NULL);
  }
}

static int
write_file (const char *path, const json_t *object)
{
  FILE *f = fopen (path, "we");

  if (!f)
    return -1;
  if (json_dumpf (object, f, JSON_COMPACT) == -1
      || fputc ('\n', f) == EOF || fflush (f) == EOF) {
    fclose (f);
    errno = ENOSPC;
    return -1;
  }
  return fclose (f) == EOF ? -1 : 0;
}

int
run_write (const char *name, const char *suffix, json_t *object)
{
  char path[RUN_PATH_SIZE], new[RUN_PATH_SIZE + 8], directory[RUN_PATH_SIZE];
  int r = -1;

  if (!object) {
    errno = ENOMEM;
    return -1;
  }
  run_path (path, name, suffix);
  snprintf (new, sizeof new, "%s.new", path);
  mkdir (control_directory (directory, sizeof directory), 0700);
  if (write_file (new, object) == 0)
    r = rename (new, path);
  if (r == -1) {
    int err = errno;

    unlink (new);
    errno = err;
  }
  json_decref (object);
  return r;
}

void
run_remove (const char *name, const char *suffix)
{
  char path[RUN_PATH_SIZE];

  unlink (run_path (path, name, suffix));
}
