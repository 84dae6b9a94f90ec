/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of "nbdzram mount". */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "command/base/run-file.h"

#include "area.h"
#include "file-system.h"
#include "setup-steps.h"

#define LABEL_SIZE 13           /* xfs has the shortest labels */

/* NAME.mkfs exists while a file system is being made. */
#define MAKING "mkfs"

static bool
was_interrupted (const struct swap_setup *s)
{
  json_auto_t *making = run_read (s->name, MAKING);

  return making != NULL;
}

static int
make (struct swap_setup *s, const char *device)
{
  char label[LABEL_SIZE], why[256];

  snprintf (label, sizeof label, "%.*s", LABEL_SIZE - 1, s->name);
  if (run_write (s->name, MAKING, json_pack ("{s:s}", "device", device))
      == -1)
    return setup_fail (s, "%s." MAKING ": %s", s->name, strerror (errno));
  if (file_system_make (device, s->conf.fs_type, label, why, sizeof why)
      == -1)
    return setup_fail (s, "%s: %s", device, why);
  run_remove (s->name, MAKING);
  printf ("made a file system on %s\n", device);
  return 0;
}

int
setup_make_file_system (struct swap_setup *s)
{
  const char *device = s->state.devices[0];
  char directory[PATH_MAX];
  size_t page;

  file_system_wait_programs (device);
  if (file_system_find (device, directory))
    return 0;
  if (was_interrupted (s))
    return make (s, device);
  switch (swap_content (device, &page)) {
  case SWAP_EMPTY:
    return make (s, device);
  case SWAP_OTHER:
    return 0;                   /* a file system, which mount checks */
  case -1:
    return setup_fail (s, "%s: %s", device, strerror (errno));
  default:
    return setup_fail (s, "%s is swap; to destroy it: wipefs -a %s", device,
                       device);
  }
}

int
setup_mount (struct swap_setup *s)
{
  const char *device = s->state.devices[0], *point = s->conf.mount_point;
  char directory[PATH_MAX], why[256];

  if (!file_system_find (device, directory)) {
    if (file_system_mount (device, s->conf.fs_type, s->conf.mount_options,
                           point, why, sizeof why) == -1)
      return setup_fail (s, "%s: %s", point, why);
    s->mounted = true;
    snprintf (directory, sizeof directory, "%s", point);
  }
  if (s->conf.mode != CONF_KEEP
      && chmod (directory, conf_mode (&s->conf)) == -1)
    return setup_fail (s, "%s: mode: %s", directory, strerror (errno));
  printf ("%s is mounted on %s\n", device, directory);
  return 0;
}

void
setup_undo_mount (struct swap_setup *s)
{
  char directory[PATH_MAX], why[256];

  if (!s->mounted || !file_system_find (s->state.devices[0], directory))
    return;
  if (file_system_unmount (directory, why, sizeof why) == 0)
    printf ("undone: mount on %s\n", directory);
  else
    fprintf (stderr, "nbdzram mount: %s: %s\n", directory, why);
}
