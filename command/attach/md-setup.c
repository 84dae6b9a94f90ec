/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/base/kernel-file.h"

#include "md-setup.h"
#include "nbd-device.h"

/* linux/raid/md_p.h: where version 1.2 has it, and its first bytes. */
#define SUPERBLOCK_OFFSET 4096
#define SUPERBLOCK_MAGIC UINT32_C (0xa92b4efc)

/* Of a stripe, KiB: read-ahead (128) is split between two servers, and what
 * is swapped in at once comes from one.
 */
#define CHUNK "64"

/* KB/s: a sixth of what an ordinary network carries. */
#define SPEED_LEAST "20000"

#define ARGUMENTS_MAX (2 * MD_MEMBERS_MAX + 16)

struct mdadm_arguments {
  const char *list[ARGUMENTS_MAX + 1];
  unsigned count;
  char devices[MD_MEMBERS_MAX][NBD_DEVICE_PATH_SIZE];
};

static void
append_argument (struct mdadm_arguments *w, const char *word)
{
  w->list[w->count++] = word;
}

static void
append_devices (struct mdadm_arguments *w, const int *index, unsigned count)
{
  for (unsigned i = 0; i < count; ++i)
    append_argument (w, nbd_device_path (w->devices[i], index[i]));
}

int
md_has_superblock (const char *device)
{
  int fd = open (device, O_RDONLY | O_CLOEXEC), err;
  unsigned char magic[4];
  ssize_t n;

  if (fd == -1)
    return -1;
  n = pread (fd, magic, sizeof magic, SUPERBLOCK_OFFSET);
  err = errno;
  close (fd);
  errno = err;
  return n == -1 ? -1
    : n == sizeof magic
      && ((uint32_t) magic[3] << 24 | (uint32_t) magic[2] << 16
          | (uint32_t) magic[1] << 8 | magic[0]) == SUPERBLOCK_MAGIC;
}

/* All members are empty, so they are equal and no resync is needed.
 *
 * A mirror fails fast: md does not repeat a request that a member has
 * failed, since the watcher of the member has already tried long enough.
 */
int
md_create (const char *name, bool mirror, const int *index, unsigned count,
           unsigned missing, char *error, size_t size)
{
  char path[128], number[48];
  struct mdadm_arguments w = { .count = 0 };

  snprintf (path, sizeof path, "/dev/md/%s", name);
  snprintf (number, sizeof number, "--raid-devices=%u", count + missing);
  append_argument (&w, "mdadm");
  append_argument (&w, "--create");
  append_argument (&w, path);
  append_argument (&w, "--run");
  append_argument (&w, "--metadata=1.2");
  append_argument (&w, number);
  if (mirror) {
    append_argument (&w, "--level=1");
    append_argument (&w, "--assume-clean");
    append_argument (&w, "--bitmap=internal");
    append_argument (&w, "--failfast");
  }
  else {
    append_argument (&w, "--level=0");
    append_argument (&w, "--chunk=" CHUNK);
  }
  append_devices (&w, index, count);
  for (unsigned i = 0; i < missing; ++i)
    append_argument (&w, "missing");
  return run_program (w.list, error, size);
}

int
md_assemble (const char *name, const int *index, unsigned count, char *error,
             size_t size)
{
  char path[128];
  struct mdadm_arguments w = { .count = 0 };

  snprintf (path, sizeof path, "/dev/md/%s", name);
  append_argument (&w, "mdadm");
  append_argument (&w, "--assemble");
  append_argument (&w, path);
  append_argument (&w, "--run");
  append_devices (&w, index, count);
  return run_program (w.list, error, size);
}

int
md_set_speed (const char *array, char *error, size_t size)
{
  char path[96];

  snprintf (path, sizeof path, "/sys/block/%s/md/sync_speed_min", array);
  if (kernel_file_write (path, SPEED_LEAST) == 0)
    return 0;
  snprintf (error, size, "%s: %s", path, strerror (errno));
  return -1;
}

int
md_stop (const char *array, char *error, size_t size)
{
  char path[MD_DEVICE_PATH_SIZE];
  const char *const argv[] = {
    "mdadm", "--stop",
    md_device_path (path, array), NULL,
  };

  return run_program (argv, error, size);
}

/* mdadm itself finds out how much of the member can be used. */
int
md_add_begin (struct running_program *r, const char *array, int index,
              char *error, size_t size)
{
  char path[MD_DEVICE_PATH_SIZE], device[NBD_DEVICE_PATH_SIZE];
  const char *const argv[] = {
    "mdadm", "--manage",
    md_device_path (path, array), "--failfast",
    "--add", nbd_device_path (device, index), NULL,
  };

  return program_start (r, argv, error, size);
}

int
md_add (const char *array, int index, char *error, size_t size)
{
  struct running_program r;

  return md_add_begin (&r, array, index, error, size) == -1 ? -1
    : program_wait (&r, error, size);
}
