/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command/attach/md-setup.h"
#include "command/attach/nbd-device.h"
#include "command/base/kernel-file.h"

#include "area.h"
#include "array.h"

static int __attribute__ ((format (printf, 3, 4)))
refuse (char *error, size_t size, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vsnprintf (error, size, format, ap);
  va_end (ap);
  return -1;
}

static const char *
kind (const struct array *a)
{
  return a->mirror ? "mirror" : "stripe";
}

/* ---- what there is ---- */

static int
load (const struct array *a, char *error, size_t size)
{
  char *const argv[] = {
    (char *) "modprobe", (char *) (a->mirror ? "raid1" : "raid0"), NULL,
  };
  char why[256], mdstat[64];

  /* Where it is built in, there is nothing to load. */
  if (run_program (argv, why, sizeof why) == 0
      || kernel_file_read ("/proc/mdstat", mdstat, sizeof mdstat) != -1)
    return 0;
  return refuse (error, size, "this kernel has no md: %s", why);
}

/* The array that has some of the devices, in a->name. */
static int
find (struct array *a, char *error, size_t size)
{
  char name[MD_NAME_SIZE], level[32];

  for (unsigned k = 0; k < a->count; ++k) {
    if (!md_find (name, a->index[k]))
      continue;
    if (a->name[0] != '\0' && strcmp (name, a->name) != 0)
      return refuse (error, size, "/dev/nbd%d belongs to /dev/%s, and "
                     "another device to /dev/%s", a->index[k], name, a->name);
    strcpy (a->name, name);
  }
  if (a->name[0] == '\0')
    return 0;
  md_level (a->name, level, sizeof level);
  if (strcmp (level, a->mirror ? "raid1" : "raid0") == 0)
    return 0;
  return refuse (error, size, "/dev/%s has one of the devices, but is not "
                 "a running %s; to stop it: mdadm --stop /dev/%s",
                 a->name, kind (a), a->name);
}

static int
must_be_empty (const char *device, char *error, size_t size)
{
  size_t page;

  switch (swap_content (device, &page)) {
  case SWAP_EMPTY:
    return 0;
  case -1:
    return refuse (error, size, "%s: %s", device, strerror (errno));
  default:
    return refuse (error, size, "%s holds something other than a member of "
                   "an array; to destroy it: wipefs -a %s", device, device);
  }
}

/* Indices of devices that have a superblock; the others must be empty.
 * How many, or -1.
 */
static int
find_superblocks (const struct array *a, int index[MD_HALVES_MAX],
                  char *error, size_t size)
{
  char device[NBD_DEVICE_PATH_SIZE];
  int count = 0;

  for (unsigned k = 0; k < a->count; ++k) {
    int has = md_has_superblock (nbd_device_path (device, a->index[k]));

    if (has == -1)
      return refuse (error, size, "%s: %s", device, strerror (errno));
    if (has == 1)
      index[count++] = a->index[k];
    else if (must_be_empty (device, error, size) == -1)
      return -1;
  }
  return count;
}

/* ---- what is done ---- */

static int
begin (struct array *a, char *error, size_t size)
{
  int index[MD_HALVES_MAX], old = find_superblocks (a, index, error, size), r;
  char why[256];                /* what mdadm said comes first */

  if (old == -1)
    return -1;
  if (old > 0 && old < (int) a->count && !a->mirror)
    return refuse (error, size, "%d of %u disks belong to a stripe, and "
                   "the others are empty", old, a->count);
  a->begun = true;
  r = old > 0 ? md_assemble (a->title, index, (unsigned) old, error, size)
    : md_create (a->title, a->mirror, a->index, a->count, a->missing, error,
                 size);
  if (find (a, r == 0 ? error : why, r == 0 ? size : sizeof why) == -1
      || r == -1)
    return -1;
  if (a->name[0] == '\0')
    return refuse (error, size, "mdadm did not make an array");
  printf ("%s /dev/%s, a %s of %u\n", old > 0 ? "assembled" : "made",
          a->name, kind (a), a->count + a->missing);
  return 0;
}

/* Halves that were not taken, being out of date, or empty.  The watcher
 * of each does the same, once it knows of the array.
 */
static int
add_missing (const struct array *a, char *error, size_t size)
{
  char why[256];

  for (unsigned k = 0; k < a->count; ++k) {
    int index = a->index[k];

    if (md_member_of (a->name, index) != MD_HALF_NONE)
      continue;
    if (md_add (a->name, index, why, sizeof why) == -1
        && md_member_of (a->name, index) == MD_HALF_NONE)
      return refuse (error, size, "/dev/nbd%d: %s", index, why);
    printf ("added /dev/nbd%d\n", index);
  }
  return 0;
}

int
array_join (struct array *a, char *error, size_t size)
{
  if (load (a, error, size) == -1 || find (a, error, size) == -1
      || (a->name[0] == '\0' && begin (a, error, size) == -1))
    return -1;
  if (!a->mirror)
    return 0;
  return md_set_speed (a->name, error, size) == -1 ? -1
    : add_missing (a, error, size);
}
