/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of "nbdzram mount". */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command/base/run-file.h"

#include "area.h"
#include "file-system.h"
#include "setup-steps.h"

#define LABEL_SIZE 13           /* xfs has the shortest labels */

/* NAME.mkfs exists while a file system is being made, and after that while the
 * disk may hold a part of one.
 */
#define MAKING "mkfs"

static bool
was_interrupted (const struct swap_setup *s)
{
  json_auto_t *making = run_read (s->name, MAKING);

  return making != NULL;
}

/* Destroys what DEVICE holds. */
static int
make (struct swap_setup *s, const char *device)
{
  char label[LABEL_SIZE], why[256];
  size_t page;

  snprintf (label, sizeof label, "%.*s", LABEL_SIZE - 1, s->name);
  if (run_write (s->name, MAKING, json_pack ("{s:s}", "device", device))
      == -1)
    return setup_fail (s, "%s." MAKING ": %s", s->name, strerror (errno));
  if (file_system_make (device, s->conf.fs_type, label, why, sizeof why)
      == -1) {
    if (swap_content (device, &page) == SWAP_EMPTY)
      run_remove (s->name, MAKING);
    return setup_fail (s, "%s: %s", device, why);
  }
  run_remove (s->name, MAKING);
  printf ("made a file system on %s\n", device);
  return 0;
}

/* DEVICE holds something. */
static int
keep_or_make_again (struct swap_setup *s, const char *device)
{
  if (was_interrupted (s) && !file_system_is_complete (device))
    return make (s, device);
  run_remove (s->name, MAKING);
  return 0;                     /* setup_mount finds out whether it is one */
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
  switch (swap_content (device, &page)) {
  case SWAP_EMPTY:
    return make (s, device);
  case SWAP_OTHER:
    return keep_or_make_again (s, device);
  case -1:
    return setup_fail (s, "%s: %s", device, strerror (errno));
  default:
    return setup_fail (s, "%s is swap; to destroy it: wipefs -a %s", device,
                       device);
  }
}

/* The directories /var/tmp and /var-tmp give the same name. */
static int
check_place (struct swap_setup *s, const char *device)
{
  const char *point = s->conf.mount_point;
  char directory[PATH_MAX], real[PATH_MAX];

  if (!realpath (point, real))
    return setup_fail (s, "%s: %s", point, strerror (errno));
  switch (file_system_place (device, real)) {
  case FILE_SYSTEM_ON_TOP:
    return 0;
  case FILE_SYSTEM_COVERED:
    return setup_fail (s, "%s: another file system is mounted on top of %s",
                       point, device);
  default:
    file_system_find (device, directory);
    return setup_fail (s, "%s is mounted on %s; for another disk: "
                       "nbdzram mount OTHER-NAME mount-point=%s", device,
                       directory, point);
  }
}

int
setup_mount (struct swap_setup *s)
{
  const char *device = s->state.devices[0], *point = s->conf.mount_point;
  char directory[PATH_MAX], why[256];

  if (file_system_find (device, directory)) {
    if (check_place (s, device) == -1)
      return -1;
  } else if (file_system_mount (device, s->conf.fs_type,
                                s->conf.mount_options, point, why,
                                sizeof why) == -1)
    return setup_fail (s, "%s: %s", point, why);
  else
    s->mounted = true;
  if (s->conf.mode != CONF_KEEP && chmod (point, conf_mode (&s->conf)) == -1)
    return setup_fail (s, "%s: mode: %s", point, strerror (errno));
  printf ("%s is mounted on %s\n", device, point);
  return 0;
}

void
setup_undo_mount (struct swap_setup *s)
{
  const char *device = s->state.devices[0];
  char directory[PATH_MAX], why[256];

  if (!s->mounted || !file_system_find (device, directory))
    return;
  if (file_system_unmount (device, directory, why, sizeof why) == 0)
    printf ("undone: mount on %s\n", directory);
  else
    fprintf (stderr, "nbdzram mount: %s: %s\n", directory, why);
}
