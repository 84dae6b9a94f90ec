/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resync: the replica that is not in sync gets what it lacks.
 *
 * The thread that writes does all of it, so that no block changes while it is
 * copied.  It copies a little at a time, does its other work in between, and
 * requests are served meanwhile.  What is freed meanwhile need not be copied,
 * and what is written goes to both replicas.  When nothing is left to copy,
 * and the replica has lost nothing meanwhile, it is in sync.
 *
 * If it is not known what a replica lacks, but it was not empty, it is
 * examined first: a block that matches its checksum need not be copied.  A
 * block of the other replica is copied only if it matches, too, or was
 * written before there were checksums.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "replicated.h"

/* ---- missed blocks ---- */

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

/* Find the next missed block that a slot names, looking at each block once.
 * Returns 0 if there is none.
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

/* ---- a new replica ---- */

static int
initialise_replica (struct replica *h)
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
  /* It may have its header already, if another connection found it new just
   * before it got one.
   */
  if (known != h - m->replicas) {
    refusal = known != -1 ? BACKING_ERROR_UNEXPECTED
                          : replica_refusal (h, m->buffer, id);
    if (refusal != BACKING_ERROR_NONE) {
      if (refusal != BACKING_ERROR_SYSTEM)
        replica_quarantine (h);
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
  h->corrupt_delay = 0;         /* it is another disk */
  return 0;
}

/* ---- examining ---- */

static void
log_missed (struct replica *h)
{
  char text[80];

  if (h->replicated->missed_count == 0)
    return;
  snprintf (text, sizeof text, "it gets %" PRIu64 "K that it lacks",
            (uint64_t) h->replicated->missed_count * BACKING_BLOCK / KIB);
  replica_log (h, text);
}

/* Read N blocks from BLOCK on into the buffer, and note which of them match
 * their checksums.  A block that can't be read counts as missed.
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

/* Check some of the blocks that count as missed.  Returns 1, or 0 when all
 * were checked, or -1 with errno.
 */
static int
examine_some (struct replica *h)
{
  struct replicated *m = h->replicated;
  struct backing *b = m->backing;
  uint32_t end = b->high_water, n = 1;
  uint32_t block = (uint32_t) bits_find_set (m->missed, m->unexamined, end);

  if (block >= end) {
    m->unexamined = ALL_EXAMINED;
    log_missed (h);
    return 0;
  }
  while (n < RESYNC_BLOCKS && block + n < end
         && bit_test (m->missed, block + n))
    ++n;
  if (examine_run (h, block, n) == -1)
    return -1;
  m->unexamined = block + n;
  return 1;
}

/* ---- copying ---- */

/* How many blocks from BLOCK on are missed and named by slots, up to MAX.
 * After a failure only 1, so that a block that can't be read does not keep
 * others from being copied.
 */
static uint32_t
missed_run_length (struct replica *h, uint32_t block, size_t max)
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

/* How many of N blocks, read from the other replica at OFFSET, may be copied:
 * those before the first one that does not match its checksum.
 */
static uint32_t
count_good_blocks (const struct replicated *m, const char *buf, uint32_t n,
                   uint64_t offset)
{
  for (uint32_t i = 0; i < n; ++i)
    if (sums_compare (m->backing, buf + i * BACKING_BLOCK, BACKING_BLOCK,
                      offset + i * BACKING_BLOCK) == SUMS_DIFFER)
      return i;
  return n;
}

/* Neither replica has this block.  What slots name in it is lost; but a pinned
 * block may be one that no slot names.
 */
static void
give_up_block (struct replicated *m, uint32_t block)
{
  set_missed (m, block, false);
  if (block_live (m->backing, block) != LIVE_PINNED)
    m->lost++;
}

/* Read the next missed blocks from the other replica into the buffer, and set
 * RUNS.  Returns the number of runs, 0 when nothing is missed, or -1 with
 * errno.
 */
static int
gather_missed (struct replica *h, struct io_run runs[RESYNC_BLOCKS])
{
  struct replicated *m = h->replicated;
  size_t filled = 0;
  int count = 0;

  while (filled < RESYNC_BYTES) {
    uint32_t block = next_missed (m), n;
    uint64_t offset = (uint64_t) block * BACKING_BLOCK;

    /* All other missed blocks were gathered already. */
    if (block == 0 || (count > 0 && offset <= runs[count - 1].offset))
      break;
    n = missed_run_length (h, block, (RESYNC_BYTES - filled) / BACKING_BLOCK);
    if (replica_read (other_replica (h), m->buffer + filled, n * BACKING_BLOCK,
                      offset, false) == -1) {
      if (count > 0)
        return count;           /* the next call begins with this block */
      if (n == 1)
        m->cursor = block + 1;
      return -1;
    }
    n = count_good_blocks (m, m->buffer + filled, n, offset);
    if (n == 0) {
      give_up_block (m, block);
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

/* A write that may still be executed must find these blocks unchanged. */
static void
pin_runs (struct backing *b, const struct io_run *runs, int count)
{
  for (int i = 0; i < count; ++i)
    for (uint64_t at = 0; at < runs[i].length; at += BACKING_BLOCK)
      block_claim (b, (uint32_t) ((runs[i].offset + at) / BACKING_BLOCK),
                   LIVE_PINNED);
}

/* It has all blocks, unless it has lost some since LOSSES was read from it:
 * then it is in sync.
 */
static void
finish_resync (struct replica *h, uint64_t losses)
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
  /* It was not told what was freed while it was not in sync. */
  space_set_backed (b, 1, b->high_water);
  if (m->lost == 0)
    replica_log (h, "it has all pages again");
  else {
    char text[100];

    snprintf (text, sizeof text, "it has all pages again, but for those in "
              "%" PRIu64 "K that neither replica has",
              (uint64_t) m->lost * BACKING_BLOCK / KIB);
    replica_log (h, text);
  }
  m->lost = 0;
}

/* Copy some blocks.  Returns 1, or 0 when that was all, or -1 with errno. */
static int
copy_some (struct replica *h)
{
  struct replicated *m = h->replicated;
  struct io_run runs[RESYNC_BLOCKS];
  uint64_t losses = h->losses;
  bool unsure = false;
  int count, r;

  count = gather_missed (h, runs);
  if (count == -1)
    return -1;
  if (count == 0) {
    /* Was it still the right disk when all of this was written? */
    if (remote_verify_header (&h->disk) == -1)
      return -1;
    finish_resync (h, losses);
    return 0;
  }
  r = nbd_client_write (h->disk.nbd_client, runs, (unsigned) count, &unsure);
  if (unsure)
    pin_runs (m->backing, runs, count);
  if (r == -1)
    return -1;
  replicated_set_missed (m, runs, (unsigned) count, false);
  return 1;
}

/* Examine some blocks, or copy some; returns the same. */
static int
resync_some (struct replica *h)
{
  if (replica_check_write (h, 0) == -1)
    return -1;
  if (!replica_has_room (h)) {
    if (!h->reported_small)
      replica_log (h, "it is too small for what is on the other replica");
    h->reported_small = true;
    return fail_with (ENOSPC);
  }
  replica_bounds (h);           /* new pages must fit, too */
  if (h->replicated->unexamined != ALL_EXAMINED) {
    int r = examine_some (h);

    if (r != 0)
      return r;
  }
  return copy_some (h);
}

/* ---- one step ---- */

static int
resync_step (struct replica *h)
{
  struct replicated *m = h->replicated;
  bool is_new;

  {
    LOCK_FOR_SCOPE (&m->lock);
    is_new = h->is_new;
  }
  if (is_new)
    return initialise_replica (h) == -1 ? -1 : 1;
  if (atomic_exchange (&h->lost_all, false)) {
    miss_all (m, h->is_empty);
    if (h->is_empty)
      log_missed (h);
    h->is_empty = false;
  }
  return resync_some (h);
}

/* Was it found corrupt so recently that it is left alone? */
static bool
is_corrupt_delayed (struct replica *h, uint64_t now)
{
  LOCK_FOR_SCOPE (&h->replicated->lock);
  return !h->is_new && h->corrupt_delay != 0
    && now < h->corrupt_at + h->corrupt_delay;
}

bool
replicated_resync (struct backing *b)
{
  struct replicated *m = b->replicated;
  uint64_t now = b->io->now ();
  struct replica *h = &m->replicas[replica_in_sync (&m->replicas[0]) ? 1 : 0];
  int r;

  if (replica_in_sync (h) || now < h->resync_at || is_corrupt_delayed (h, now)
      || !nbd_client_is_connected (h->disk.nbd_client))
    return false;
  r = resync_step (h);
  if (r != -1) {
    h->resync_delay = 0;
    return r == 1;
  }
  replica_put_off (h);
  return false;
}
