/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <time.h>

#include "lib/base/util.h"

#include "backing.h"
#include "internal.h"
#include "seal.h"

/* Milliseconds after which a backing file that failed is written to again:
 * more each time.
 */
#define RETRY_MIN 1000
#define RETRY_MAX 60000

/* Time between two looks at the readers: shorter than a read. */
#define READERS_POLL_NSEC 50000

/* Milliseconds to wait for readers of an export: while it is away they wait
 * for it to come back, and no other thread may wait for them.
 */
#define READERS_WAIT 2000

/* ---- readers ----
 *
 * A reader counts itself under the current phase.  To wait for all readers,
 * the phase is changed, so that the old count can only fall, and the old
 * count is waited for.  This is done twice, since a reader may have read the
 * phase just before it was changed and have counted itself afterwards.
 *
 * No fence is needed to see here a reader that saw a slot: it counted itself
 * before it took the slot's lock, and the thread that changed the slot took
 * that lock later, and then released the block.
 */

unsigned
backing_read_begin (struct backing *b)
{
  unsigned phase = atomic_load_explicit (&b->phase, memory_order_relaxed) & 1;

  atomic_fetch_add (&b->readers[phase].count, 1);
  return phase;
}

void
backing_read_end (struct backing *b, unsigned phase)
{
  atomic_fetch_sub (&b->readers[phase].count, 1);
}

int
io_wait_for_readers (struct backing *b)
{
  const struct timespec pause = { .tv_nsec = READERS_POLL_NSEC };
  uint64_t until = b->io->now () + READERS_WAIT;

  /* To return early in either turn is safe: it has only changed the phase,
   * and the next call makes both turns again.
   */
  for (unsigned turn = 0; turn < 2; ++turn) {
    unsigned old = atomic_fetch_add (&b->phase, 1) & 1;

    while (atomic_load (&b->readers[old].count) != 0) {
      if (b->kind->state && b->io->now () >= until)
        return fail_with (EBUSY);
      nanosleep (&pause, NULL);
    }
  }
  return 0;
}

/* ---- reading ---- */

/* BUF has the blocks of an object.  Returns where the object is in BUF if
 * their checksums match at LEAST so well, and it can be decrypted; or NULL
 * with errno EUCLEAN.
 */
static void *
verify_object (struct backing *b, uint64_t offset, uint32_t length, void *buf,
               enum sums_match least)
{
  uint64_t start = align_down (offset, BACKING_BLOCK);
  uint64_t end = align_up (offset + length, BACKING_BLOCK);

  atomic_fetch_add (&b->counters.read_bytes, end - start);
  if (sums_compare (b, buf, end - start, start) >= least
      && (!b->sealer || seals_unseal (b, buf, end - start, start) == 0))
    return (char *) buf + (offset - start);
  errno = EUCLEAN;
  return NULL;
}

static void *
read_object (struct backing *b, uint64_t offset, uint32_t length, void *buf,
             bool patient)
{
  uint64_t start = align_down (offset, BACKING_BLOCK);
  uint64_t end = align_up (offset + length, BACKING_BLOCK);

  if (b->kind->read (b, buf, end - start, start, patient) == -1) {
    /* A caller that does not wait for a remote disk tries again later. */
    if (patient || errno != ENOTCONN)
      atomic_fetch_add (&b->counters.read_errors, 1);
    errno = EIO;
    return NULL;
  }
  atomic_fetch_add (&b->counters.reads, 1);
  return verify_object (b, offset, length, buf, SUMS_UNKNOWN);
}

void *
backing_read (struct backing *b, uint64_t offset, uint32_t length, void *buf)
{
  return read_object (b, offset, length, buf, true);
}

void *
backing_read_now (struct backing *b, uint64_t offset, uint32_t length,
                  void *buf)
{
  return read_object (b, offset, length, buf, false);
}

void *
backing_read_replica (struct backing *b, unsigned n, uint64_t offset,
                      uint32_t length, void *buf, bool patient)
{
  uint64_t start = align_down (offset, BACKING_BLOCK);
  uint64_t end = align_up (offset + length, BACKING_BLOCK);
  int r;

  if (!b->kind->read_replica || n >= BACKING_REPLICAS) {
    errno = ENOENT;
    return NULL;
  }
  r = b->kind->read_replica (b, n, buf, end - start, start, patient);
  if (r == -1)
    return NULL;
  return verify_object (b, offset, length, buf,
                        r == 1 ? SUMS_MATCH : SUMS_UNKNOWN);
}

void
backing_mark_corrupt (struct backing *b, unsigned n, uint64_t offset)
{
  b->kind->mark_corrupt (b, n, align_down (offset, BACKING_BLOCK));
}

/* ---- state ---- */

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

static enum backing_state
connection_state (const struct backing *b)
{
  return b->kind->state ? b->kind->state (b) : BACKING_OK;
}

bool
backing_may_write (const struct backing *b)
{
  enum backing_state state = connection_state (b);

  return (b->retry_delay == 0 || b->io->now () >= b->retry_at)
    && (state == BACKING_OK || state == BACKING_TRUNCATED);
}

enum backing_state
backing_get_state (const struct backing *b, int *error)
{
  enum backing_state state = connection_state (b);
  struct backing_replica replica;

  *error = atomic_load (&b->error);
  if (state == BACKING_OK)
    state = (enum backing_state) atomic_load (&b->state);
  for (unsigned n = 0; backing_get_replica (b, n, &replica); ++n)
    if (state == BACKING_OK && replica.state != BACKING_OK)
      state = BACKING_DEGRADED;
  return state;
}
