/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"
#include "command/base/run-program.h"
#include "command/conf/conf.h"
#include "service/set-error.h"

#include "file-system.h"

#define TICK_MS 100
#define WAIT_MS 30000

/* In the order of enum conf_file_system. */
static const char *const types[] = { "ext4", "xfs", "btrfs" };

bool
file_system_find (const char *device, char directory[PATH_MAX])
{
  CLEANUP_FCLOSE FILE *mounts = kernel_file_open ("/proc/self/mounts");
  char buffer[2 * PATH_MAX];
  struct mntent entry;
  bool found = false;

  if (!mounts)
    return false;
  while (getmntent_r (mounts, &entry, buffer, sizeof buffer))
    if (strcmp (entry.mnt_fsname, device) == 0) {
      snprintf (directory, PATH_MAX, "%s", entry.mnt_dir);
      found = true;
    }
  return found;
}

/* The kernel lists what is on top after what it covers. */
enum file_system_place
file_system_place (const char *device, const char *directory)
{
  CLEANUP_FCLOSE FILE *mounts = kernel_file_open ("/proc/self/mounts");
  enum file_system_place place = FILE_SYSTEM_ELSEWHERE;
  char buffer[2 * PATH_MAX];
  struct mntent entry;

  while (mounts && getmntent_r (mounts, &entry, buffer, sizeof buffer))
    if (strcmp (entry.mnt_dir, directory) != 0)
      continue;
    else if (strcmp (entry.mnt_fsname, device) == 0)
      place = FILE_SYSTEM_ON_TOP;
    else if (place == FILE_SYSTEM_ON_TOP)
      place = FILE_SYSTEM_COVERED;
  return place;
}

void
file_system_wait_programs (const char *device)
{
  const struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
  char directory[PATH_MAX];

  for (int ms = 0; ms < WAIT_MS; ms += TICK_MS) {
    int fd = open (device, O_RDONLY | O_EXCL | O_CLOEXEC);

    if (fd != -1 || errno != EBUSY || file_system_find (device, directory)) {
      fd_close (&fd);
      return;
    }
    nanosleep (&tick, NULL);
  }
}

/* mkfs.ext4 writes this last; mkfs.xfs writes its own magic number first, with
 * a mark that is removed last; and mkfs.btrfs begins with another one.
 */
bool
file_system_is_complete (const char *device)
{
  enum {
    XFS_IN_PROGRESS = 126, EXT_MAGIC = 1024 + 56, BTRFS_MAGIC = 65536 + 64,
  };
  unsigned char start[65536 + 4096] = { 0 };
  CLEANUP_CLOSE int fd = open (device, O_RDONLY | O_CLOEXEC);

  if (fd == -1 || pread (fd, start, sizeof start, 0) != sizeof start)
    return false;
  return memcmp (start + EXT_MAGIC, "\x53\xef", 2) == 0
    || (memcmp (start, "XFSB", 4) == 0 && start[XFS_IN_PROGRESS] == 0)
    || memcmp (start + BTRFS_MAGIC, "_BHRfS_M", 8) == 0;
}

/* All is lost with the machine, so there is no journal and no second copy of
 * anything, and nothing is reserved for root.
 */
int
file_system_make (const char *device, int type, const char *label,
                  char *error, size_t size)
{
  const char *const commands[][12] = {
    { "mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-L", label,
      device, NULL },
    { "mkfs.xfs", "-q", "-f", "-L", label, device, NULL },
    { "mkfs.btrfs", "-q", "-f", "-m", "single", "-L", label, device, NULL },
  };

  return run_program (commands[type], error, size);
}

int
file_system_mount (const char *device, int type, const char *options,
                   const char *directory, char *error, size_t size)
{
  char all[CONF_VALUE_MAX + 16];
  const char *const argv[] = {
    "mount", "-t", types[type], "-o", all, device, directory, NULL,
  };

  snprintf (all, sizeof all, "discard%s%s", options ? "," : "",
            options ? options : "");
  return run_program (argv, error, size);
}

int
file_system_unmount (const char *device, const char *directory, char *error,
                     size_t size)
{
  const char *const argv[] = { "umount", directory, NULL };

  if (file_system_place (device, directory) != FILE_SYSTEM_ON_TOP)
    return set_error (error, size, "another file system is mounted on top: "
                      "unmount that first");
  return run_program (argv, error, size);
}
