/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mending: the half of a mirror that is not in sync gets what it lacks.
 *
 * All by the thread that writes, so that no block changes while it is
 * copied; a little at a time, with whatever else that thread has to do in
 * between, and requests going on.  What is freed meanwhile need not be
 * copied, and what is written goes to both halves.  When nothing is
 * left, and the half was not lost meanwhile, it is in sync.
 *
 * One of which it is not known what it lacks, but that was not empty, is
 * looked at first: what matches its checksum is there.  What the other half
 * has is copied only if it matches, too, or was written before there were
 * checksums.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mutex.h"

#include "replicated.h"

/* What fails is tried again after so many milliseconds, then less and less
 * often; a half that has something else in it, or is too small, not soon.
 */
#define RETRY_MIN 1000
#define RETRY_MAX 60000

/* ---- what is missed ---- */

static void
set_missed (struct replicated *m, uint32_t block, bool missed)
{
  if (missed && !bit_set (m->missed, block))
    m->missed_count++;
  else if (!missed && bit_clear (m->missed, block))
    m->missed_count--;
}

void
replicated_set_missed (struct replicated *m, const struct io_run *runs,
                       unsigned count, bool missed)
{
  for (unsigned i = 0; i < count; ++i)
    for (uint64_t at = 0; at < runs[i].length; at += BACKING_BLOCK)
      set_missed (m, (uint32_t) ((runs[i].offset + at) / BACKING_BLOCK),
                  missed);
}

static void
miss_all (struct replicated *m, bool is_empty)
{
  struct backing *b = m->backing;

  for (uint32_t block = 1; block < b->high_water; ++block)
    set_missed (m, block, block_live (b, block) != 0);
  m->cursor = 1;
  m->unexamined = is_empty ? ALL_EXAMINED : 1;
  m->lost = 0;
}

static void
miss_none (struct replicated *m)
{
  uint32_t blocks = m->backing->blocks;
  uint32_t block = 0;

  while ((block = (uint32_t) bits_find_set (m->missed, block, blocks))
         < blocks)
    set_missed (m, block, false);
}

/* The next block that is missed and matters, once around; 0: there is
 * none.
 */
static uint32_t
next_missed (struct replicated *m)
{
  struct backing *b = m->backing;
  bool around = false;
  uint32_t block = m->cursor;

  for (;;) {
    block = (uint32_t) bits_find_set (m->missed, block, b->high_water);
    if (block >= b->high_water && around)
      return 0;
    if (block >= b->high_water) {
      around = true;
      block = 1;
    } else if (block_live (b, block) != 0)
      return block;
    else
      set_missed (m, block, false);
  }
}

/* ---- a new half ---- */

/* It may not be asked again before another connection has been made, or
 * some time has passed.
 */
static void
quarantine (struct replica *h)
{
  {
    LOCK_FOR_SCOPE (&h->replicated->lock);
    h->refused_until = h->replicated->backing->io->now () + RETRY_MAX;
  }
  nbd_client_mark_wrong (h->disk.nbd_client);
}

static int
initialise (struct replica *h)
{
  struct replicated *m = h->replicated;
  enum backing_error_reason refusal;
  const uint8_t *id;
  int known;

  if (remote_wait_to_write (&h->disk) == -1
      || remote_read (&h->disk, m->buffer, BACKING_BLOCK, 0, false) == -1)
    return -1;
  id = header_id (m->buffer);
  known = id ? record_find (m->record, id) : -1;
  /* Another connection may have found it so before it had a header. */
  if (known != h - m->replicas) {
    refusal = known != -1 ? BACKING_ERROR_UNEXPECTED
                          : replica_refusal (h, m->buffer, id);
    if (refusal != BACKING_ERROR_NONE) {
      if (refusal != BACKING_ERROR_SYSTEM)
        quarantine (h);
      return -1;
    }
    if (replica_take_over (h) == -1)
      return -1;
    h->is_empty = true;
  }

  LOCK_FOR_SCOPE (&m->lock);
  h->lost_all = true;
  h->is_new = false;
  h->was_ours = true;
  h->doubt = 0;                 /* it is another disk */
  return 0;
}

/* ---- examining ---- */

static void
say_how_much (struct replica *h)
{
  char text[80];

  if (h->replicated->missed_count == 0)
    return;
  snprintf (text, sizeof text, "it gets %" PRIu64 "K that it lacks",
            (uint64_t) h->replicated->missed_count * BACKING_BLOCK / KIB);
  replica_log (h, text);
}

/* Read N blocks from BLOCK on into the buffer, and note which are as they
 * were written.  One that can't be read is not.
 */
static int
examine_run (struct replica *h, uint32_t block, uint32_t n)
{
  struct replicated *m = h->replicated;
  uint64_t offset = (uint64_t) block * BACKING_BLOCK;

  if (remote_read (&h->disk, m->buffer, n * BACKING_BLOCK, offset, false)
      == -1) {
    if (errno == ENOTCONN || errno == ETIMEDOUT)
      return -1;
    for (uint32_t i = 0; n > 1 && i < n; ++i)
      if (examine_run (h, block + i, 1) == -1)
        return -1;
    return 0;
  }
  for (uint32_t i = 0; i < n; ++i)
    if (sums_compare (m->backing, m->buffer + i * BACKING_BLOCK,
                      BACKING_BLOCK, offset + i * BACKING_BLOCK)
        == SUMS_MATCH)
      set_missed (m, block + i, false);
  return 0;
}

/* See of some of what counts as missed whether it is there: 1, or 0 when
 * there is no more, or -1 with errno.
 */
static int
examine (struct replica *h)
{
  struct replicated *m = h->replicated;
  struct backing *b = m->backing;
  uint32_t end = b->high_water, n = 1;
  uint32_t block = (uint32_t) bits_find_set (m->missed, m->unexamined, end);

  if (block >= end) {
    m->unexamined = ALL_EXAMINED;
    say_how_much (h);
    return 0;
  }
  while (n < MEND_BLOCKS && block + n < end
         && bit_test (m->missed, block + n))
    ++n;
  if (examine_run (h, block, n) == -1)
    return -1;
  m->unexamined = block + n;
  return 1;
}

/* ---- copying ---- */

/* How many blocks from BLOCK on are missed, and matter, up to MAX; one by one
 * after a failure, so that what can't be read keeps nothing else from being
 * copied.
 */
static uint32_t
missed_run (struct replica *h, uint32_t block, size_t max)
{
  struct replicated *m = h->replicated;
  struct backing *b = m->backing;
  uint32_t n = 1;

  if (h->resync_delay != 0)
    return 1;
  while (n < max && block + n < b->high_water
         && bit_test (m->missed, block + n) && block_live (b, block + n) != 0)
    ++n;
  return n;
}

/* Of N blocks at OFFSET that were read from the other half, how many at the
 * beginning are not known to be something else than was written.
 */
static uint32_t
good_blocks (const struct replicated *m, const char *buf, uint32_t n,
             uint64_t offset)
{
  for (uint32_t i = 0; i < n; ++i)
    if (sums_compare (m->backing, buf + i * BACKING_BLOCK, BACKING_BLOCK,
                      offset + i * BACKING_BLOCK) == SUMS_DIFFER)
      return i;
  return n;
}

/* What is in it is lost, unless the block is one of those in which nobody
 * knows what is.
 */
static void
lose_block (struct replicated *m, uint32_t block)
{
  set_missed (m, block, false);
  if (block_live (m->backing, block) != LIVE_PINNED)
    m->lost++;
}

/* Put what is missed next into the buffer, and where it is into RUNS.
 * Returns how many; 0: nothing is, -1: with errno.
 */
static int
gather (struct replica *h, struct io_run runs[MEND_BLOCKS])
{
  struct replicated *m = h->replicated;
  size_t filled = 0;
  int count = 0;

  while (filled < MEND_BYTES) {
    uint32_t block = next_missed (m), n;
    uint64_t offset = (uint64_t) block * BACKING_BLOCK;

    /* From here on, what was gathered comes around again. */
    if (block == 0 || (count > 0 && offset <= runs[count - 1].offset))
      break;
    n = missed_run (h, block, (MEND_BYTES - filled) / BACKING_BLOCK);
    if (replica_read (other_replica (h), m->buffer + filled, n * BACKING_BLOCK,
                      offset, false) == -1) {
      if (count > 0)
        return count;           /* it is the first the next time */
      if (n == 1)
        m->cursor = block + 1;
      return -1;
    }
    n = good_blocks (m, m->buffer + filled, n, offset);
    if (n == 0) {
      lose_block (m, block);
      continue;
    }
    runs[count++] = (struct io_run) {
      .data = m->buffer + filled, .length = n * BACKING_BLOCK,
      .offset = offset,
    };
    filled += n * BACKING_BLOCK;
    m->cursor = block + n;
  }
  return count;
}

/* What may come later must find what it was. */
static void
pin (struct backing *b, const struct io_run *runs, int count)
{
  for (int i = 0; i < count; ++i)
    for (uint64_t at = 0; at < runs[i].length; at += BACKING_BLOCK)
      block_claim (b, (uint32_t) ((runs[i].offset + at) / BACKING_BLOCK),
                   LIVE_PINNED);
}

/* It has all, unless it has just been lost: LOSSES is how often it was
 * before that was found.
 */
static void
finish (struct replica *h, uint64_t losses)
{
  struct replicated *m = h->replicated;
  struct backing *b = m->backing;

  {
    LOCK_FOR_SCOPE (&m->lock);
    if (h->losses != losses || h->lost_all || h->is_new)
      return;
    atomic_store (&m->record->in_sync,
                  record_in_sync (m->record) | replica_bit (h));
  }
  miss_none (m);
  /* It was not told of what was freed. */
  space_set_backed (b, 1, b->high_water);
  if (m->lost == 0)
    replica_log (h, "it has all pages again");
  else {
    char text[100];

    snprintf (text, sizeof text, "it has all pages again, but for those in "
              "%" PRIu64 "K that neither half has",
              (uint64_t) m->lost * BACKING_BLOCK / KIB);
    replica_log (h, text);
  }
  m->lost = 0;
}

/* Copy some: 1, or 0 when that is all, or -1 with errno. */
static int
copy (struct replica *h)
{
  struct replicated *m = h->replicated;
  struct io_run runs[MEND_BLOCKS];
  uint64_t losses = h->losses;
  bool unsure = false;
  int count, r;

  count = gather (h, runs);
  if (count == -1)
    return -1;
  if (count == 0) {
    /* Was it still there when all of this was written? */
    if (remote_verify_header (&h->disk) == -1)
      return -1;
    finish (h, losses);
    return 0;
  }
  r = nbd_client_write (h->disk.nbd_client, runs, (unsigned) count, &unsure);
  if (unsure)
    pin (m->backing, runs, count);
  if (r == -1)
    return -1;
  replicated_set_missed (m, runs, (unsigned) count, false);
  return 1;
}

/* Look at some, or copy it; as above. */
static int
resync_some (struct replica *h)
{
  if (replica_may_write (h, 0) == -1)
    return -1;
  if (!replica_has_room (h)) {
    if (!h->said_small)
      replica_log (h, "it is too small for what is on the other half");
    h->said_small = true;
    errno = ENOSPC;
    return -1;
  }
  replica_bounds (h);           /* what comes must fit, too */
  if (h->replicated->unexamined != ALL_EXAMINED) {
    int r = examine (h);

    if (r != 0)
      return r;
  }
  return copy (h);
}

/* ---- one step ---- */

static int
step (struct replica *h)
{
  struct replicated *m = h->replicated;
  bool is_new;

  {
    LOCK_FOR_SCOPE (&m->lock);
    is_new = h->is_new;
  }
  if (is_new)
    return initialise (h) == -1 ? -1 : 1;
  if (atomic_exchange (&h->lost_all, false)) {
    miss_all (m, h->is_empty);
    if (h->is_empty)
      say_how_much (h);
    h->is_empty = false;
  }
  return resync_some (h);
}

/* Has it just had something else again than was written? */
static bool
is_doubted (struct replica *h, uint64_t now)
{
  LOCK_FOR_SCOPE (&h->replicated->lock);
  return !h->is_new && h->doubt != 0 && now < h->corrupt_at + h->doubt;
}

void
replica_put_off (struct replica *h)
{
  h->resync_delay = MIN (MAX (h->resync_delay * 2, RETRY_MIN), RETRY_MAX);
  h->resync_at = h->replicated->backing->io->now () + h->resync_delay;
}

bool
replicated_resync (struct backing *b)
{
  struct replicated *m = b->replicated;
  uint64_t now = b->io->now ();
  struct replica *h = &m->replicas[replica_in_sync (&m->replicas[0]) ? 1 : 0];
  int r;

  if (replica_in_sync (h) || now < h->resync_at || is_doubted (h, now)
      || !nbd_client_is_connected (h->disk.nbd_client))
    return false;
  r = step (h);
  if (r != -1) {
    h->resync_delay = 0;
    return r == 1;
  }
  replica_put_off (h);
  return false;
}
