/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file that is a regular file or a block device. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "lib/base/os.h"

#include "backing.h"
#include "internal.h"

const struct backing_io backing_system_io = { pread, pwrite, os_milliseconds };

/* ---- opening ---- */

static int
open_path (const char *path)
{
  struct stat st;

  /* O_EXCL fails for a device that is mounted, or part of an array. */
  if (stat (path, &st) == 0 && S_ISBLK (st.st_mode))
    return open (path, O_RDWR | O_EXCL | O_CLOEXEC);
  return open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
               0600);
}

static int
check_file (struct backing *b, const struct backing_options *o,
            struct stat *st, struct backing_error *error)
{
  struct stat pool;

  if (fstat (b->fd, st) == -1)
    return -1;
  if (!S_ISREG (st->st_mode) && !S_ISBLK (st->st_mode))
    return backing_error_set (error, BACKING_ERROR_FILE_TYPE);
  b->is_device = S_ISBLK (st->st_mode);
  if (o->pool_fd != -1) {
    if (fstat (o->pool_fd, &pool) == -1)
      return -1;
    if (pool.st_dev == st->st_dev && pool.st_ino == st->st_ino)
      return backing_error_set (error, BACKING_ERROR_IS_POOL);
  }
  if (flock (b->fd, LOCK_EX | LOCK_NB) == 0)
    return 0;
  return errno == EWOULDBLOCK ? backing_error_set (error, BACKING_ERROR_BUSY)
                              : -1;
}

/* Use O_DIRECT if the file system has it: then the page cache is not filled
 * with what was just moved out of memory.
 */
static void
try_direct (struct backing *b)
{
  void *block = os_map_anon (BACKING_BLOCK);
  int flags = fcntl (b->fd, F_GETFL);

  if (block && flags != -1
      && fcntl (b->fd, F_SETFL, flags | O_DIRECT) == 0
      && pread (b->fd, block, BACKING_BLOCK, 0) == -1 && errno == EINVAL)
    fcntl (b->fd, F_SETFL, flags);
  os_unmap (block, BACKING_BLOCK);
}

static int
file_open (struct backing *b, const struct backing_options *o, uint64_t *size,
           struct backing_error *error)
{
  bool existed = access (o->path, F_OK) == 0;
  struct stat st;

  b->fd = open_path (o->path);
  if (b->fd == -1)
    return errno == EBUSY ? backing_error_set (error, BACKING_ERROR_BUSY) : -1;
  if (check_file (b, o, &st, error) == -1)
    return -1;
  b->is_new = !existed && st.st_size == 0;
  b->can_give_back = !b->is_device;
  *size = (uint64_t) st.st_size;
  if (b->is_device && ioctl (b->fd, BLKGETSIZE64, size) == -1)
    return -1;
  try_direct (b);
  return 0;
}

/* Has another program made the file shorter?  Then what was beyond the new end
 * is lost, even if the file grows again.
 */
static bool
is_truncated (const struct backing *b)
{
  struct stat st;

  return !b->is_device && fstat (b->fd, &st) == 0
    && (uint64_t) st.st_size < atomic_load (&b->file_end);
}

static enum backing_state
file_state (const struct backing *b)
{
  return atomic_load (&b->truncated) || is_truncated (b)
    ? BACKING_TRUNCATED : BACKING_OK;
}

static void
file_close (struct backing *b)
{
  if (b->fd != -1)
    close (b->fd);
  b->fd = -1;
}

/* ---- reading ---- */

/* Turn O_DIRECT off, for a file system that accepts it at open but not for a
 * read or write.  Returns false if it was off.
 */
static bool
turn_off_direct (struct backing *b)
{
  int flags = fcntl (b->fd, F_GETFL);

  return flags != -1 && (flags & O_DIRECT)
    && fcntl (b->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

static int
file_read (struct backing *b, void *buf, size_t len, uint64_t offset,
           bool patient)
{
  size_t done = 0;

  (void) patient;
  while (done < len) {
    ssize_t r = b->io->pread (b->fd, (char *) buf + done, len - done,
                              (off_t) (offset + done));

    if (r > 0)
      done += (size_t) r;
    if (r > 0 && done % BACKING_BLOCK == 0)
      continue;
    if (r >= 0)
      errno = EIO;
    if (errno != EINTR && !(errno == EINVAL && turn_off_direct (b)))
      return -1;
  }
  return 0;
}

/* ---- writing ---- */

static int
write_run (struct backing *b, const void *buf, size_t len, uint64_t offset)
{
  size_t done = 0;

  while (done < len) {
    ssize_t r = b->io->pwrite (b->fd, (const char *) buf + done, len - done,
                               (off_t) (offset + done));

    if (r > 0) {
      atomic_fetch_add (&b->counters.write_bytes, (uint64_t) r);
      /* O_DIRECT can continue only at a block. */
      done = done + (size_t) r == len
        ? len : align_down (done + (size_t) r, BACKING_BLOCK);
    }
    if (r >= BACKING_BLOCK || done == len
        || (r == -1 && (errno == EINTR
                        || (errno == EINVAL && turn_off_direct (b)))))
      continue;
    /* A file system that does not take a whole block is full, too. */
    if (r >= 0 || errno == EDQUOT || errno == EFBIG)
      errno = ENOSPC;
    return -1;
  }
  return 0;
}

static int
file_write (struct backing *b, const struct io_run *runs,
            unsigned count, bool *unsure)
{
  *unsure = false;
  /* Check now: these writes may make the file longer again. */
  if (is_truncated (b))
    atomic_store (&b->truncated, true);
  for (unsigned i = 0; i < count; ++i) {
    if (write_run (b, runs[i].data, runs[i].length, runs[i].offset) == -1)
      return -1;
    b->file_end = MAX (b->file_end, runs[i].offset + runs[i].length);
  }
  return 0;
}

/* ---- space on disk ---- */

static int
file_give_back (struct backing *b, uint64_t offset, uint64_t length,
                bool *unsure)
{
  *unsure = false;
  return os_punch (b->fd, offset, (size_t) length);
}

static int
file_cut (struct backing *b, uint64_t end)
{
  struct stat st;

  if (b->is_device)
    return 0;
  if (fstat (b->fd, &st) == -1)
    return -1;
  /* In this order, so that our own cut is not taken for another program's. */
  if (is_truncated (b))
    atomic_store (&b->truncated, true);
  atomic_store (&b->file_end, MIN (b->file_end, end));
  return (uint64_t) st.st_size > end ? ftruncate (b->fd, (off_t) end) : 0;
}

static uint64_t
file_space (const struct backing *b)
{
  struct stat st;

  if (b->is_device || fstat (b->fd, &st) == -1)
    return (uint64_t) atomic_load (&b->used) * BACKING_BLOCK;
  return (uint64_t) st.st_blocks * 512;
}

/* Attach: an earlier process wrote all blocks that slots name. */
static void
set_file_end (struct backing *b)
{
  uint32_t block = b->high_water;

  while (block > 1 && block_live (b, block - 1) == 0)
    --block;
  b->file_end = (uint64_t) block * BACKING_BLOCK;
}

/* A file system that has no SEEK_HOLE reports all of the file as data. */
static void
file_find_space (struct backing *b)
{
  uint64_t end = (uint64_t) b->blocks * BACKING_BLOCK;
  off_t data = BACKING_BLOCK, hole;

  if (b->is_device)
    return;
  set_file_end (b);
  while ((uint64_t) data < end) {
    data = lseek (b->fd, data, SEEK_DATA);
    if (data == -1 || (uint64_t) data >= end)
      return;
    hole = lseek (b->fd, data, SEEK_HOLE);
    if (hole == -1)
      return;
    hole = (off_t) MIN (end, align_up ((uint64_t) hole, BACKING_BLOCK));
    space_raise_to (b, (uint64_t) hole / BACKING_BLOCK);
    space_set_backed (b, (uint32_t) (data / BACKING_BLOCK),
                      (uint32_t) (hole / BACKING_BLOCK));
    data = hole;
  }
}

const struct backing_kind backing_file = {
  .open = file_open,
  .close = file_close,
  .read = file_read,
  .write = file_write,
  .give_back = file_give_back,
  .cut = file_cut,
  .space = file_space,
  .find_space = file_find_space,
  .state = file_state,
};
