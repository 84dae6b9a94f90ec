/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"
#include "service/set-error.h"

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

/* Adds the words of LIST, which is ended by NULL. */
static void
append_arguments (struct mdadm_arguments *w, const char *const *list)
{
  while (*list)
    w->list[w->count++] = *list++;
}

static void
append_devices (struct mdadm_arguments *w, const int *index, unsigned count)
{
  for (unsigned i = 0; i < count; ++i)
    w->list[w->count++] = nbd_device_path (w->devices[i], index[i]);
}

int
md_has_superblock (const char *device)
{
  CLEANUP_CLOSE int fd = open (device, O_RDONLY | O_CLOEXEC);
  unsigned char magic[4];
  ssize_t n;

  if (fd == -1)
    return -1;
  n = pread (fd, magic, sizeof magic, SUPERBLOCK_OFFSET);
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
  static const char *const of_mirror[] = {
    "--level=1", "--assume-clean", "--bitmap=internal", "--failfast", NULL,
  };
  static const char *const of_stripe[] = {
    "--level=0", "--chunk=" CHUNK, NULL,
  };
  char path[128], number[48];
  const char *const begin[] = {
    "mdadm", "--create", path, "--run", "--metadata=1.2", number, NULL,
  };
  struct mdadm_arguments w = { .count = 0 };

  snprintf (path, sizeof path, "/dev/md/%s", name);
  snprintf (number, sizeof number, "--raid-devices=%u", count + missing);
  append_arguments (&w, begin);
  append_arguments (&w, mirror ? of_mirror : of_stripe);
  append_devices (&w, index, count);
  for (unsigned i = 0; i < missing; ++i)
    w.list[w.count++] = "missing";
  return run_program (w.list, error, size);
}

int
md_assemble (const char *name, const int *index, unsigned count, char *error,
             size_t size)
{
  char path[128];
  const char *const begin[] = { "mdadm", "--assemble", path, "--run", NULL };
  struct mdadm_arguments w = { .count = 0 };

  snprintf (path, sizeof path, "/dev/md/%s", name);
  append_arguments (&w, begin);
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
  return set_error (error, size, "%s: %s", path, strerror (errno));
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
