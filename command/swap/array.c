/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command/attach/md-setup.h"
#include "command/attach/nbd-device.h"
#include "command/base/kernel-file.h"
#include "service/set-error.h"

#include "area.h"
#include "array.h"

static const char *
array_kind (const struct array *a)
{
  return a->mirror ? "mirror" : "stripe";
}

/* ---- what exists already ---- */

static int
load_md_module (const struct array *a, char *error, size_t size)
{
  const char *const argv[] = {
    "modprobe", (a->mirror ? "raid1" : "raid0"), NULL,
  };
  char why[256], mdstat[64];

  /* The kernel may have it built in. */
  if (run_program (argv, why, sizeof why) == 0
      || kernel_file_read ("/proc/mdstat", mdstat, sizeof mdstat) != -1)
    return 0;
  return set_error (error, size, "this kernel has no md: %s", why);
}

/* Find the array that has some of the devices; a->name stays empty if there
 * is none.
 */
static int
find_array (struct array *a, char *error, size_t size)
{
  char name[MD_NAME_SIZE], level[32];

  for (unsigned k = 0; k < a->count; ++k) {
    if (!md_find_array (name, a->index[k]))
      continue;
    if (a->name[0] != '\0' && strcmp (name, a->name) != 0)
      return set_error (error, size, "/dev/nbd%d belongs to /dev/%s, and "
                        "another device to /dev/%s", a->index[k], name,
                        a->name);
    strcpy (a->name, name);
  }
  if (a->name[0] == '\0')
    return 0;
  md_read_level (a->name, level, sizeof level);
  if (strcmp (level, a->mirror ? "raid1" : "raid0") == 0)
    return 0;
  return set_error (error, size, "/dev/%s has one of the devices, but is "
                    "not a running %s; to stop it: mdadm --stop /dev/%s",
                    a->name, array_kind (a), a->name);
}

static int
check_is_empty (const char *device, char *error, size_t size)
{
  size_t page;

  switch (swap_content (device, &page)) {
  case SWAP_EMPTY:
    return 0;
  case -1:
    return set_error (error, size, "%s: %s", device, strerror (errno));
  default:
    return set_error (error, size, "%s holds something other than a member "
                      "of an array; to destroy it: wipefs -a %s", device,
                      device);
  }
}

/* Put the indices of devices that have a superblock into INDEX; the others
 * must be empty.  Returns how many, or -1.
 */
static int
find_superblocks (const struct array *a, int index[MD_MEMBERS_MAX],
                  char *error, size_t size)
{
  char device[NBD_DEVICE_PATH_SIZE];
  int count = 0;

  for (unsigned k = 0; k < a->count; ++k) {
    int has = md_has_superblock (nbd_device_path (device, a->index[k]));

    if (has == -1)
      return set_error (error, size, "%s: %s", device, strerror (errno));
    if (has == 1)
      index[count++] = a->index[k];
    else if (check_is_empty (device, error, size) == -1)
      return -1;
  }
  return count;
}

/* ---- making one ---- */

static int
begin_array (struct array *a, char *error, size_t size)
{
  int index[MD_MEMBERS_MAX], old = find_superblocks (a, index, error, size), r;
  char why[256];                /* the error of mdadm has priority */

  if (old == -1)
    return -1;
  if (old > 0 && old < (int) a->count && !a->mirror)
    return set_error (error, size, "%d of %u disks belong to a stripe, and "
                      "the others are empty", old, a->count);
  a->begun = true;
  r = old > 0 ? md_assemble (a->title, index, (unsigned) old, error, size)
    : md_create (a->title, a->mirror, a->index, a->count, a->missing, error,
                 size);
  if (find_array (a, r == 0 ? error : why, r == 0 ? size : sizeof why) == -1
      || r == -1)
    return -1;
  if (a->name[0] == '\0')
    return set_error (error, size, "mdadm did not make an array");
  printf ("%s /dev/%s, a %s of %u\n", old > 0 ? "assembled" : "made",
          a->name, array_kind (a), a->count + a->missing);
  return 0;
}

/* Add members that were not assembled, as they are out of date or empty.  The
 * watcher of each does the same as soon as it knows the array.
 */
static int
add_missing (const struct array *a, char *error, size_t size)
{
  char why[256];

  for (unsigned k = 0; k < a->count; ++k) {
    int index = a->index[k];

    if (md_member_state (a->name, index) != MD_NO_MEMBER)
      continue;
    if (md_add (a->name, index, why, sizeof why) == -1
        && md_member_state (a->name, index) == MD_NO_MEMBER)
      return set_error (error, size, "/dev/nbd%d: %s", index, why);
    printf ("added /dev/nbd%d\n", index);
  }
  return 0;
}

int
array_join (struct array *a, char *error, size_t size)
{
  if (load_md_module (a, error, size) == -1
      || find_array (a, error, size) == -1
      || (a->name[0] == '\0' && begin_array (a, error, size) == -1))
    return -1;
  if (!a->mirror)
    return 0;
  return md_set_speed (a->name, error, size) == -1 ? -1
    : add_missing (a, error, size);
}
