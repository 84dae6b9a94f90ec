/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>

#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"
#include "command/base/proc-swaps.h"

#include "in-use.h"
#include "md.h"
#include "nbd-device.h"
#include "record.h"

#define IDENTIFIER "nbdzram:"

/* DEVICE is /dev/nbdN, or a partition of it.  Its backend is "nbdzram:NAME",
 * or "nbdzram:NAME.1" of a second attachment.
 */
static bool
is_ours (const char *device, const char *name, bool clients)
{
  char path[128], backend[KERNEL_VALUE_SIZE];

  device += strlen ("/dev/");
  snprintf (path, sizeof path, "/sys/block/%.*s/backend",
            (int) strcspn (device, "p"), device);
  if (kernel_file_read (path, backend, sizeof backend) <= 0)
    return clients;
  return strncmp (backend, IDENTIFIER, strlen (IDENTIFIER)) == 0
    && attach_name_belongs (backend + strlen (IDENTIFIER), name);
}

/* DEVICE is /dev/mdN. */
static bool
has_member_of_ours (const char *device, const char *name, bool clients)
{
  int members[MD_MEMBERS_MAX];
  unsigned count = md_list_members (device + strlen ("/dev/"), members);
  char path[NBD_DEVICE_PATH_SIZE];

  for (unsigned i = 0; i < count; ++i)
    if (is_ours (nbd_device_path (path, members[i]), name, clients))
      return true;
  return false;
}

/* Is PATH /dev/nbdN, a partition of it, or an array with it as a member, of
 * the server NAME?
 */
static bool
is_on_ours (const char *path, const char *name, bool clients)
{
  if (strncmp (path, "/dev/nbd", strlen ("/dev/nbd")) == 0)
    return is_ours (path, name, clients);
  return strncmp (path, "/dev/md", strlen ("/dev/md")) == 0
    && has_member_of_ours (path, name, clients);
}

bool
is_in_use_as_swap (const char *name, bool clients, char *device, size_t size)
{
  struct swap_area list[SWAPS_MAX];
  int count = swaps_read (list);

  if (count == -1) {
    /* A kernel without swap has no such file. */
    snprintf (device, size, "/proc/swaps");
    return errno != ENOENT && clients;
  }
  for (int i = 0; i < count; ++i)
    if (is_on_ours (list[i].path, name, clients)) {
      snprintf (device, size, "%s", list[i].path);
      return true;
    }
  return false;
}

bool
is_in_use_as_file_system (const char *name, bool clients, char *device,
                          size_t size)
{
  CLEANUP_FCLOSE FILE *mounts = kernel_file_open ("/proc/self/mounts");
  char buffer[2 * KERNEL_VALUE_SIZE];
  struct mntent entry;

  if (!mounts) {
    /* A chroot without /proc has no such file. */
    snprintf (device, size, "/proc/self/mounts");
    return errno != ENOENT && clients;
  }
  while (getmntent_r (mounts, &entry, buffer, sizeof buffer))
    if (is_on_ours (entry.mnt_fsname, name, clients)) {
      snprintf (device, size, "%s", entry.mnt_fsname);
      return true;
    }
  return false;
}
