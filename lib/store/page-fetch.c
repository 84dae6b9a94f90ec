/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/backing/backing.h"
#include "lib/base/mutex.h"

#include "encode.h"
#include "page-claim.h"
#include "page-fetch.h"

/* A page that is read from the backing file stays in memory while less than
 * this part of mem_limit is used.
 */
#define PROMOTE_BELOW_PERCENT 90

static bool
has_room (const struct pool *pool)
{
  uint64_t limit = pool->budget.limit;

  return limit == 0
    || pool->budget.used < limit / 100 * PROMOTE_BELOW_PERCENT;
}

static bool
has_dictionary (slot_t slot)
{
  return slot_is_stored (slot) && slot_codec (slot) >= CODEC_DICTIONARY;
}

/* If page INDEX still has SLOT, none of the object's blocks was freed during
 * the read, and punched by that.  Then its dictionary, if it has one, is held
 * until release_dictionary, and the function returns true.
 */
static bool
hold_dictionary (struct device *d, uint64_t index, slot_t slot)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  if (table_get (&d->table, index) != slot)
    return false;
  if (has_dictionary (slot))
    dictionaries_hold (&d->pool->dictionaries,
                       (int) (slot_codec (slot) - CODEC_DICTIONARY));
  return true;
}

static void
release_dictionary (struct device *d, slot_t slot)
{
  if (has_dictionary (slot))
    dictionaries_release (&d->pool->dictionaries,
                          (int) (slot_codec (slot) - CODEC_DICTIONARY));
}

bool
page_is_intact (struct device *d, uint64_t index, slot_t slot,
                const uint8_t *object)
{
  struct streams *streams = &d->pool->streams;
  struct stream *stream;
  bool intact;

  if (!hold_dictionary (d, index, slot))
    return false;
  stream = stream_get (streams);
  intact = decode_object (d, stream, slot, object, stream->page) == 0;
  stream_put (streams, stream);
  release_dictionary (d, slot);
  return intact;
}

void
page_count_stale (struct pool *pool)
{
  atomic_fetch_add (&pool->counters.bd_stale, 1);
  atomic_fetch_add (&pool->counters.checksum_errors, 1);
}

/* ---- one read ---- */

/* From where a page is read. */
struct source {
  int replica;                  /* -1: any that has it */
  bool patient;                 /* wait for that one to be connected */
};

static const void *
read_object (struct backing *b, const struct source *from, uint64_t offset,
             uint32_t bytes, void *buf)
{
  return from->replica == -1
    ? backing_read (b, offset, bytes, buf)
    : backing_read_replica (b, (unsigned) from->replica, offset, bytes, buf,
                            from->patient);
}

static enum read_result
result_of_errno (int err)
{
  switch (err) {
  case EUCLEAN:
    return READ_DAMAGED;
  case ENOTCONN:
    return READ_DISCONNECTED;
  default:
    return READ_FAILED;
  }
}

/* Read and decode the page of SLOT to DST, or to (*STREAM)->page if that is
 * NULL.  The caller has called backing_read_begin.  Returns any result but
 * READ_WRITTEN_BACK; errno means nothing.
 */
static enum read_result
read_from (struct device *d, struct stream **stream, uint64_t index,
           slot_t slot, void *dst, const struct source *from)
{
  struct pool *pool = d->pool;
  uint64_t offset = slot_offset (slot);
  uint8_t room[backing_read_size (device_page_size (d)) + BACKING_BLOCK];
  void *buf = (void *) align_up ((uintptr_t) room, BACKING_BLOCK);
  uint32_t bytes = object_bytes (d, slot);
  const uint8_t *object;
  enum read_result r;

  stream_put (&pool->streams, *stream);
  object = read_object (pool->backing, from, offset, bytes, buf);
  r = object ? READ_OK : result_of_errno (errno);
  *stream = stream_get (&pool->streams);
  if (!hold_dictionary (d, index, slot))
    return READ_SLOT_CHANGED;
  if (object) {
    atomic_fetch_add_explicit (&pool->counters.bd_reads, 1,
                               memory_order_relaxed);
    if (decode_object (d, *stream, slot, object,
                       dst ? dst : (*stream)->page) == -1)
      r = READ_DAMAGED;
  }
  /* Counted once, and not again for each replica that is then tried. */
  else if (r == READ_DAMAGED && from->replica == -1)
    page_count_stale (pool);
  release_dictionary (d, slot);
  return r;
}

/* ---- as many reads as it takes ---- */

static bool
is_settled (enum read_result r)
{
  return r == READ_OK || r == READ_SLOT_CHANGED;
}

/* The page was found damaged: look for a replica that has it as it was
 * written.  Replicas without a connection are waited for only when the others
 * don't have it.  Those that were damaged are marked, to be repaired.
 * Returns READ_OK, READ_SLOT_CHANGED, or another result when no replica has
 * it.
 */
static enum read_result
read_each_replica (struct device *d, struct stream **stream, uint64_t index,
                   slot_t slot, void *dst)
{
  enum read_result first[BACKING_REPLICAS], r = READ_FAILED;
  unsigned tried = 0;

  for (int n = 0; !is_settled (r) && n < BACKING_REPLICAS; ++n, ++tried)
    first[n] = r = read_from (d, stream, index, slot, dst,
                              &(struct source) { n, false });
  for (int n = 0; !is_settled (r) && n < BACKING_REPLICAS; ++n)
    if (first[n] == READ_DISCONNECTED)
      r = read_from (d, stream, index, slot, dst,
                     &(struct source) { n, true });
  for (unsigned n = 0; r == READ_OK && n < tried; ++n)
    if (first[n] == READ_DAMAGED)
      backing_mark_corrupt (d->pool->backing, n, slot_offset (slot));
  return r;
}

/* Read the page of SLOT from any place that has it as it was written.  Sets
 * *REPAIRED if another place was found damaged.  Returns READ_OK,
 * READ_SLOT_CHANGED, or READ_FAILED with errno EIO.
 */
static enum read_result
read_verified (struct device *d, struct stream **stream, uint64_t index,
               slot_t slot, void *dst, bool *repaired)
{
  struct backing *b = d->pool->backing;
  uint32_t bytes = object_bytes (d, slot);
  enum read_result r;

  *repaired = false;
  if (bytes > device_page_size (d)
      || !backing_contains (b, slot_offset (slot), bytes)) {
    report_damage (d);
    return READ_FAILED;
  }
  r = read_from (d, stream, index, slot, dst, &(struct source) { -1, true });
  if (r == READ_DAMAGED) {
    r = read_each_replica (d, stream, index, slot, dst);
    *repaired = r == READ_OK;
  }
  errno = EIO;
  return is_settled (r) ? r : READ_FAILED;
}

/* Keep PAGE, which SLOT says is in the backing file, in memory.  0, or -1
 * with errno ENOSPC or EDQUOT.
 */
static int
promote (struct device *d, struct stream *stream, uint64_t index, slot_t slot,
         const void *page)
{
  slot_t new;

  if (encode_page (d, stream, page, &new) == -1)
    return -1;
  if (page_replace_if (d, index, slot, new, 0))
    atomic_fetch_add_explicit (&d->pool->counters.promoted, 1,
                               memory_order_relaxed);
  else
    release_slot (d, new);
  return 0;
}

static slot_t
current_slot (struct device *d, uint64_t index)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  return table_get (&d->table, index);
}

enum read_result
page_fetch (struct device *d, struct stream **stream, uint64_t index,
            void *dst, bool must_stay)
{
  struct pool *pool = d->pool;
  enum read_result r = READ_SLOT_CHANGED;
  bool repaired;
  unsigned phase;
  slot_t slot;

  /* A damaged slot can say that it is written back. */
  if (!pool->backing) {
    report_damage (d);
    return READ_FAILED;
  }
  phase = backing_read_begin (pool->backing);
  slot = current_slot (d, index);
  if (slot_is_written_back (slot)) {
    r = read_verified (d, stream, index, slot, dst, &repaired);
    if (r == READ_OK && (must_stay || repaired || has_room (pool))
        && promote (d, *stream, index, slot, dst ? dst : (*stream)->page) == -1
        && must_stay)
      r = READ_FAILED;
  }
  backing_read_end (pool->backing, phase);
  return r;
}
