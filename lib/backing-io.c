/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "backing.h"
#include "backing-internal.h"

/* A device that fails is asked again after a second, then less and less
 * often.
 */
#define RETRY_MIN 1000
#define RETRY_MAX 60000

/* How long to sleep between looks at the readers: less than a read. */
#define READERS_POLL_NSEC 50000

static uint64_t
milliseconds (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

const struct backing_io backing_system_io = { pread, pwrite, milliseconds };

/* ---- readers ----
 *
 * A reader counts itself under the phase of that moment.  To wait for
 * all, the phase is turned, so that the old count can only fall, and the
 * old count waited for; and once more, since a reader may have looked at
 * the phase just before it was turned and counted itself afterwards.
 *
 * That a reader which saw a slot is seen here needs no fence: it counted
 * itself before it took the slot's lock, and who changed the slot took
 * that lock later, then released the block.
 */

unsigned
backing_enter (struct backing *b)
{
  unsigned phase = atomic_load_explicit (&b->phase, memory_order_relaxed) & 1;

  atomic_fetch_add (&b->readers[phase].count, 1);
  return phase;
}

void
backing_leave (struct backing *b, unsigned phase)
{
  atomic_fetch_sub (&b->readers[phase].count, 1);
}

void
io_wait_for_readers (struct backing *b)
{
  const struct timespec pause = { .tv_nsec = READERS_POLL_NSEC };

  for (unsigned turn = 0; turn < 2; ++turn) {
    unsigned old = atomic_fetch_add (&b->phase, 1) & 1;

    while (atomic_load (&b->readers[old].count) != 0)
      nanosleep (&pause, NULL);
  }
}

/* ---- reading ---- */

/* The file system took O_DIRECT at open but not here. */
static bool
becomes_buffered (struct backing *b)
{
  int flags = fcntl (b->fd, F_GETFL);

  return flags != -1 && (flags & O_DIRECT)
    && fcntl (b->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

/* Read whole blocks, of which NEEDED bytes must be there: the file may
 * end within the last, if somebody else made it so.
 */
static int
read_blocks (struct backing *b, char *buf, size_t len, size_t needed,
             uint64_t offset)
{
  size_t done = 0;

  while (done < needed) {
    ssize_t r = b->io->pread (b->fd, buf + done, len - done,
                              (off_t) (offset + done));

    if (r > 0)
      done += (size_t) r;
    if (r > 0 && (done % BACKING_BLOCK == 0 || done >= needed))
      continue;
    if (r >= 0 || (errno != EINTR
                        && !(errno == EINVAL && becomes_buffered (b))))
      return -1;
  }
  return 0;
}

void *
backing_read (struct backing *b, uint64_t offset, uint32_t length, void *buf)
{
  uint64_t start = align_down (offset, BACKING_BLOCK);
  uint64_t end = align_up (offset + length, BACKING_BLOCK);

  if (read_blocks (b, buf, end - start, offset + length - start, start)
      == -1) {
    atomic_fetch_add (&b->counters.read_errors, 1);
    errno = EIO;
    return NULL;
  }
  atomic_fetch_add (&b->counters.reads, 1);
  atomic_fetch_add (&b->counters.read_bytes, end - start);
  return (char *) buf + (offset - start);
}

/* ---- writing ---- */

int
io_write (struct backing *b, const void *buf, size_t len, uint64_t offset)
{
  size_t done = 0;

  while (done < len) {
    ssize_t r = b->io->pwrite (b->fd, (const char *) buf + done, len - done,
                               (off_t) (offset + done));

    if (r > 0) {
      atomic_fetch_add (&b->counters.write_bytes, (uint64_t) r);
      /* O_DIRECT goes on at a block only. */
      done = done + (size_t) r == len
        ? len : align_down (done + (size_t) r, BACKING_BLOCK);
    }
    if (r >= BACKING_BLOCK || done == len
        || (r == -1 && (errno == EINTR
                        || (errno == EINVAL && becomes_buffered (b)))))
      continue;
    /* What does not take a whole block is full, too. */
    if (r >= 0 || errno == EDQUOT || errno == EFBIG)
      errno = ENOSPC;
    return -1;
  }
  return 0;
}

void
io_set_result (struct backing *b, int err, bool tried)
{
  atomic_store (&b->error, err);
  atomic_store (&b->state, err == 0 ? BACKING_OK
                : err == ENOSPC ? BACKING_FULL : BACKING_FAILED);
  if (err == 0 || !tried) {
    b->retry_delay = 0;
    return;
  }
  if (err != ENOSPC)
    atomic_fetch_add (&b->counters.write_errors, 1);
  b->retry_delay = MIN (MAX (b->retry_delay * 2, RETRY_MIN), RETRY_MAX);
  b->retry_at = b->io->now () + b->retry_delay;
}

bool
backing_may_write (const struct backing *b)
{
  return b->retry_delay == 0 || b->io->now () >= b->retry_at;
}

enum backing_state
backing_get_state (const struct backing *b, int *error)
{
  *error = atomic_load (&b->error);
  return (enum backing_state) atomic_load (&b->state);
}
