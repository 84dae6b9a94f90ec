/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/backing/backing.h"

#include "encode.h"
#include "group.h"
#include "page.h"
#include "page-claim.h"

/* ---- publishing ---- */

/* Put SLOT in the place of what is at INDEX, whose lock is held; *OLD is
 * then the caller's to release, after the lock.
 */
static int
publish (struct device *d, uint64_t index, slot_t slot, slot_t *old)
{
  while (table_prepare (&d->table, index) == -1)
    if (errno == EDQUOT || !arena_shrink (&d->pool->arena))
      return -1;
  *old = table_set (&d->table, index, slot, 0);
  recount_slot (d, *old, slot);
  return 0;
}

/* Publish SLOT, or take its object back. */
static int
publish_or_undo (struct device *d, uint64_t index, slot_t slot, slot_t *old)
{
  int err;

  if (publish (d, index, slot, old) == 0)
    return 0;
  err = errno;
  release_slot (d, slot);
  errno = err == EDQUOT ? EDQUOT : ENOSPC;
  return -1;
}

/* ---- reading from the backing file ---- */

/* A page that is read from the backing file stays in memory while less than
 * this part of mem_limit is used.
 */
#define PROMOTE_BELOW_PERCENT 90

static bool
has_room (struct pool *pool)
{
  uint64_t limit = pool->budget.limit;

  return limit == 0
    || pool->budget.used < limit / 100 * PROMOTE_BELOW_PERCENT;
}

/* Does page INDEX still have SLOT?  Then no block of its object was freed
 * while that was read, which may have made a hole of it; and its
 * dictionary, if it has one, is held until let_go.
 */
static bool
hold_written_back (struct device *d, uint64_t index, slot_t slot)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  if (table_get (&d->table, index) != slot)
    return false;
  if (slot_is_stored (slot) && slot_codec (slot) >= CODEC_DICTIONARY)
    dictionaries_hold (&d->pool->dictionaries,
                       (int) (slot_codec (slot) - CODEC_DICTIONARY));
  return true;
}

static void
let_go (struct device *d, slot_t slot)
{
  if (slot_is_stored (slot) && slot_codec (slot) >= CODEC_DICTIONARY)
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

  if (!hold_written_back (d, index, slot))
    return false;
  stream = stream_get (streams);
  intact = decode_object (d, stream, slot, object, stream->page) == 0;
  stream_put (streams, stream);
  let_go (d, slot);
  return intact;
}

/* From where a page is read. */
struct source {
  int replica;                  /* of a mirror; -1: any */
  bool patient;                 /* waits for that one */
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

void
page_count_stale (struct pool *pool)
{
  atomic_fetch_add (&pool->counters.bd_stale, 1);
  atomic_fetch_add (&pool->counters.checksum_errors, 1);
}

/* Read and decode the page of SLOT to DST, or to (*STREAM)->page if that
 * is NULL.  A reader of the backing file has been entered.  Returns 1 when
 * the page is no longer there; -1 with errno EUCLEAN when it is damaged, or
 * as backing_read and backing_read_replica give.
 */
static int
read_from (struct device *d, struct stream **stream, uint64_t index,
           slot_t slot, void *dst, const struct source *from)
{
  struct pool *pool = d->pool;
  uint64_t offset = slot_offset (slot);
  uint8_t room[backing_read_size (device_page_size (d)) + BACKING_BLOCK];
  void *buf = (void *) align_up ((uintptr_t) room, BACKING_BLOCK);
  uint32_t bytes = object_bytes (d, slot);
  const uint8_t *object;
  int r = -1, err;

  stream_put (&pool->streams, *stream);
  object = read_object (pool->backing, from, offset, bytes, buf);
  err = object ? EUCLEAN : errno;
  *stream = stream_get (&pool->streams);
  if (!hold_written_back (d, index, slot))
    return 1;
  if (object) {
    atomic_fetch_add_explicit (&pool->counters.bd_reads, 1,
                               memory_order_relaxed);
    r = decode_object (d, *stream, slot, object, dst ? dst : (*stream)->page);
  } else if (err == EUCLEAN && from->replica == -1)
    page_count_stale (pool);    /* once, and not by half */
  let_go (d, slot);
  errno = err;
  return r;
}

/* It is damaged: has a half of a mirror it as it was?  One that is away is
 * waited for only when the others have not.
 */
static int
read_each_replica (struct device *d, struct stream **stream, uint64_t index,
                   slot_t slot, void *dst)
{
  bool is_damaged[BACKING_HALVES] = { false }, on_disconnected[BACKING_HALVES];
  int r = -1;

  for (int n = 0; r == -1 && n < BACKING_HALVES; ++n) {
    r = read_from (d, stream, index, slot, dst, &(struct source) { n, false });
    is_damaged[n] = r == -1 && errno == EUCLEAN;
    on_disconnected[n] = r == -1 && errno == ENOTCONN;
  }
  for (int n = 0; r == -1 && n < BACKING_HALVES; ++n)
    if (on_disconnected[n])
      r = read_from (d, stream, index, slot, dst,
                     &(struct source) { n, true });
  for (unsigned n = 0; r == 0 && n < BACKING_HALVES; ++n)
    if (is_damaged[n])
      backing_mark_corrupt (d->pool->backing, n, slot_offset (slot));
  return r;
}

/* From wherever it is as it was; *REPAIRED is whether it was damaged in one
 * place.
 */
static int
read_back (struct device *d, struct stream **stream, uint64_t index,
           slot_t slot, void *dst, bool *repaired)
{
  struct backing *b = d->pool->backing;
  uint32_t bytes = object_bytes (d, slot);
  int r;

  *repaired = false;
  if (bytes > device_page_size (d)
      || !backing_contains (b, slot_offset (slot), bytes))
    return damaged (d);
  r = read_from (d, stream, index, slot, dst, &(struct source) { -1, true });
  if (r == -1 && errno == EUCLEAN) {
    r = read_each_replica (d, stream, index, slot, dst);
    *repaired = r == 0;
  }
  errno = EIO;
  return r;
}

/* Keep PAGE, which SLOT says is in the backing file, in memory.  0, or -1
 * with errno ENOSPC.
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

/* Page INDEX was found written back: read it as read_back does.  With
 * MUST_STAY it comes to memory, or it is an error.  Returns 1 when it has
 * changed meanwhile, and is to be looked at again.
 */
static int
fetch (struct device *d, struct stream **stream, uint64_t index, void *dst,
       bool must_stay)
{
  struct pool *pool = d->pool;
  bool repaired;
  unsigned phase;
  slot_t slot;
  int r = 1;

  if (!pool->backing)           /* a damaged slot may say anything */
    return damaged (d);
  phase = backing_read_begin (pool->backing);
  slot = current_slot (d, index);
  if (slot_is_written_back (slot)) {
    r = read_back (d, stream, index, slot, dst, &repaired);
    if (r == 0 && (must_stay || repaired || has_room (pool))
        && promote (d, *stream, index, slot, dst ? dst : (*stream)->page) == -1
        && must_stay)
      r = -1;
  }
  backing_read_end (pool->backing, phase);
  return r;
}

/* ---- reading ---- */

/* Returns 1 when the page is in the backing file. */
static int
read_here (struct device *d, struct stream *stream, uint64_t index, void *page)
{
  slot_t slot;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  slot = table_get (&d->table, index);
  if (slot != SLOT_EMPTY)
    table_touch (&d->table, index);
  return slot_is_written_back (slot) ? 1 : decode_slot (d, stream, slot, page);
}

int
page_read (struct device *d, struct stream **stream, uint64_t index,
           void *buf, uint32_t offset, uint32_t count)
{
  bool whole = count == device_page_size (d);
  int r;

  do
    r = read_here (d, *stream, index, whole ? buf : (*stream)->page);
  while (r == 1
         && (r = fetch (d, stream, index, whole ? buf : NULL, false)) == 1);
  if (r == 0 && !whole)
    memcpy (buf, (*stream)->page + offset, count);
  return r;
}

/* ---- writing ---- */

/* What is written takes the place of another page.  Of that, with dedup,
 * the object's header and then a node of the index are needed, which are
 * seldom in the cache: waiting for them costs 5 % of a write.
 */
static void
prefetch (struct device *d, uint64_t index,
          void (*what) (struct device *d, slot_t old))
{
  if (!d->pool->has_dedup)
    return;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));
  what (d, table_get (&d->table, index));
}

static int
write_whole (struct device *d, struct stream *stream, uint64_t index,
             const void *page)
{
  struct encoding e;
  slot_t slot, old;

  prefetch (d, index, prefetch_header);
  encode_begin (d, stream, page, &e);
  prefetch (d, index, prefetch_release);
  if (encode_end (d, stream, &e, &slot) == -1)
    return -1;
  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (publish_or_undo (d, index, slot, &old) == -1)
      return -1;
  }
  release_slot (d, old);
  return 0;
}

/* Read, change and write back under the slot's lock: of two that change
 * different bytes of a page, neither may lose the other's.  BUF NULL
 * stands for zeroes.  Returns 1 when the page is in the backing file.
 */
static int
change_here (struct device *d, struct stream *stream, uint64_t index,
             const void *buf, uint32_t offset, uint32_t count)
{
  slot_t slot, old;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    old = table_get (&d->table, index);
    if (!buf && old == SLOT_EMPTY)
      return 0;
    if (slot_is_written_back (old))
      return 1;
    if (decode_slot (d, stream, old, stream->page) == -1)
      return -1;
    if (buf)
      memcpy (stream->page + offset, buf, count);
    else
      memset (stream->page + offset, 0, count);
    if (encode_page (d, stream, stream->page, &slot) == -1)
      return -1;
    if (publish_or_undo (d, index, slot, &old) == -1)
      return -1;
  }
  release_slot (d, old);
  return 0;
}

static int
write_part (struct device *d, struct stream **stream, uint64_t index,
            const void *buf, uint32_t offset, uint32_t count)
{
  int r;

  while ((r = change_here (d, *stream, index, buf, offset, count)) == 1)
    if (fetch (d, stream, index, NULL, true) == -1)
      return -1;
  return r;
}

/* Bytes of the device in page INDEX: fewer in the last one. */
static uint32_t
page_extent (const struct device *d, uint64_t index)
{
  return (uint32_t) MIN (device_page_size (d), d->size - index * device_page_size (d));
}

int
page_write (struct device *d, struct stream **stream, uint64_t index,
            const void *buf, uint32_t offset, uint32_t count)
{
  if (count == device_page_size (d))
    return write_whole (d, *stream, index, buf);
  if (count < page_extent (d, index))
    return write_part (d, stream, index, buf, offset, count);

  /* All there is of the last page. */
  memcpy ((*stream)->page, buf, count);
  memset ((*stream)->page + count, 0, device_page_size (d) - count);
  return write_whole (d, *stream, index, (*stream)->page);
}

int
page_zero (struct device *d, struct stream **stream, uint64_t index,
           uint32_t offset, uint32_t count)
{
  return write_part (d, stream, index, NULL, offset, count);
}

/* The slot's lock is held, and the slot is not empty. */
static slot_t
forget (struct device *d, uint64_t index)
{
  slot_t old = table_set (&d->table, index, SLOT_EMPTY, 0);

  count_slot (d, old, -1);
  return old;
}

void
page_trim (struct device *d, uint64_t index)
{
  slot_t old;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (table_get (&d->table, index) == SLOT_EMPTY)
      return;
    old = forget (d, index);
  }
  release_slot (d, old);
  atomic_fetch_add_explicit (&d->pool->counters.notify_free, 1,
                             memory_order_relaxed);
}

bool
page_trim_if (struct device *d, uint64_t index, slot_t slot)
{
  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (slot == SLOT_EMPTY || table_get (&d->table, index) != slot)
      return false;
    forget (d, index);
  }
  release_slot (d, slot);
  return true;
}

/* ---- attach ---- */

/* Let streams read what SLOT names.  What codec a group in the backing
 * file is of, only the file knows.
 */
static int
attach_codec (struct device *d, slot_t slot)
{
  struct streams *streams = &d->pool->streams;
  unsigned id;

  if (slot_is_group (slot))
    return slot_is_written_back (slot) ? group_attach_any_codec (d)
                                       : group_attach_codec (d, slot);
  if (!slot_is_stored (slot) || slot_codec (slot) == CODEC_FILL)
    return 0;
  id = codec_without_dictionary (slot_codec (slot));
  return id < CODEC_IDS ? streams_add_codec (streams, id) : 0;
}

int
page_attach (struct device *d, uint64_t index, slot_t slot)
{
  if (slot_names_object (slot) && claim_slot (d, slot) == -1) {
    if (errno != EUCLEAN)
      return -1;
    slot = SLOT_BAD;
  }
  if (!slot_names_object (slot) && !slot_is_same (slot)) {
    atomic_fetch_add (&d->pool->counters.bad_slots, 1);
    table_set (&d->table, index, SLOT_BAD, 0);
    slot = SLOT_BAD;
  }
  count_slot (d, slot, 1);
  return attach_codec (d, slot);
}
