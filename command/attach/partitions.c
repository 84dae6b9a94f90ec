/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/blkpg.h>
#include <linux/fs.h>

#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"
#include "lib/base/util.h"

#include "nbd-device.h"
#include "partitions.h"

/* How long other programs may look at a partition. */
#define BUSY_MS 2000
#define BUSY_TICK_MS 20

const char *
partition_path (char path[PARTITION_PATH_SIZE], int index, unsigned number)
{
  snprintf (path, PARTITION_PATH_SIZE, "/dev/nbd%dp%u", index, number);
  return path;
}

/* -1: there is no such partition. */
static int
read_attribute (int index, unsigned number, const char *attribute,
                uint64_t *bytes)
{
  char path[80];

  snprintf (path, sizeof path, "/sys/block/nbd%d/nbd%dp%u/%s", index, index,
            number, attribute);
  if (kernel_file_number (path, bytes) == -1)
    return -1;
  *bytes *= 512;
  return 0;
}

unsigned
partitions_read (int index, struct partition list[PARTITIONS_MAX])
{
  unsigned count = 0;

  for (unsigned n = 1; n <= PARTITIONS_MAX; ++n) {
    struct partition *p = &list[n - 1];

    if (read_attribute (index, n, "start", &p->start) == 0
        && read_attribute (index, n, "size", &p->size) == 0)
      ++count;
    else
      *p = (struct partition) { .size = 0 };
  }
  return count;
}

/* ---- changing them ---- */

/* Opened for reading only: udev looks again at a disk that was open for
 * writing.
 */
static int
open_disk (int index)
{
  char path[NBD_DEVICE_PATH_SIZE];

  return open (nbd_device_path (path, index), O_RDONLY | O_CLOEXEC);
}

static int
change (int index, int op, unsigned number, const struct partition *p)
{
  CLEANUP_CLOSE int fd = open_disk (index);
  struct blkpg_partition part = {
    .start = (long long) p->start, .length = (long long) p->size,
    .pno = (int) number,
  };
  struct blkpg_ioctl_arg arg = {
    .op = op, .datalen = sizeof part, .data = &part,
  };

  return fd == -1 ? -1 : ioctl (fd, BLKPG, &arg);
}

int
partition_add (int index, unsigned number, const struct partition *p)
{
  char path[PARTITION_PATH_SIZE];

  /* Without max_part= the kernel has no numbers for partitions. */
  if (change (index, BLKPG_ADD_PARTITION, number, p) == -1)
    return fail_with (errno == EINVAL || errno == ENXIO ? ENOENT : errno);
  if (access (partition_path (path, index, number), F_OK) == 0)
    return 0;
  partition_remove (index, number);
  return fail_with (ENOENT);
}

int
partition_remove (int index, unsigned number)
{
  const struct timespec tick = { .tv_nsec = BUSY_TICK_MS * 1000000 };
  const struct partition any = { .size = 0 };
  int r;

  for (unsigned ms = 0;
       (r = change (index, BLKPG_DEL_PARTITION, number, &any)) == -1
       && errno == EBUSY && ms < BUSY_MS; ms += BUSY_TICK_MS)
    nanosleep (&tick, NULL);
  return r;
}

bool
partitions_have_table (int index)
{
  CLEANUP_CLOSE int fd = open_disk (index);
  unsigned char sector[512];

  /* The signature of an MBR, which protects a GPT, too. */
  return fd == -1 || pread (fd, sector, sizeof sector, 0) != sizeof sector
    || (sector[510] == 0x55 && sector[511] == 0xaa);
}

int
partitions_remove (int index)
{
  struct partition list[PARTITIONS_MAX];

  partitions_read (index, list);
  for (unsigned n = PARTITIONS_MAX; n > 0; --n)
    if (list[n - 1].size > 0 && partition_remove (index, n) == -1)
      return -1;
  return 0;
}

int
partition_discard (int index, unsigned number, uint64_t from)
{
  char path[PARTITION_PATH_SIZE];
  /* What is in use as swap is never discarded from outside. */
  CLEANUP_CLOSE int fd = open (partition_path (path, index, number),
                               O_RDWR | O_EXCL | O_CLOEXEC);
  uint64_t size, range[2];

  if (fd == -1 || ioctl (fd, BLKGETSIZE64, &size) == -1)
    return -1;
  if (from >= size)
    return 0;
  range[0] = from;
  range[1] = size - from;
  return ioctl (fd, BLKDISCARD, range);
}
