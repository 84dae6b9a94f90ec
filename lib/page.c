/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "checksum.h"
#include "page.h"
#include "same.h"

typedef uint32_t object_sum;

_Static_assert (sizeof (object_sum) == OBJECT_HEADER_SIZE, "object header");

static uint32_t
page_size (const struct device *d)
{
  return d->pool->sizes.page_size;
}

/* ---- slots and their objects ---- */

/* Bytes for which the object of SLOT was allocated, and its class. */
static uint32_t
object_bytes (const struct device *d, slot_t slot)
{
  return slot_is_huge (slot)
    ? page_size (d) : slot_length (slot) + (uint32_t) sizeof (object_sum);
}

static bool
object_fits (const struct device *d, slot_t slot)
{
  return object_bytes (d, slot) <= page_size (d)
    && slot_offset (slot) + object_bytes (d, slot) <= d->pool->arena.size;
}

static uint8_t *
object_at (const struct device *d, uint64_t offset)
{
  return d->pool->arena.base + offset;
}

static bool
slot_is_same_stored (slot_t slot)
{
  return slot_is_stored (slot) && slot_codec (slot) == CODEC_FILL;
}

/* Count SLOT as coming to be (BY 1) or ceasing to be (BY -1). */
static void
count_same (struct device *d, slot_t slot, int by)
{
  if (slot_is_same (slot))
    atomic_fetch_add_explicit (&d->same_inline, (uint64_t) by,
                               memory_order_relaxed);
  else if (slot_is_same_stored (slot))
    atomic_fetch_add_explicit (&d->same_stored, (uint64_t) by,
                               memory_order_relaxed);
}

/* The slot has been replaced: nothing refers to its object any more.
 * One that lies about its object frees nothing.
 */
static void
release (struct device *d, slot_t slot)
{
  struct pool *pool = d->pool;

  if (!slot_has_object (slot) || object_bytes (d, slot) > page_size (d))
    return;
  object_free (&pool->objects,
               size_class_of (&pool->sizes, object_bytes (d, slot)),
               slot_offset (slot), object_bytes (d, slot));
}

/* ---- reading ---- */

static int
damaged (struct device *d)
{
  atomic_fetch_add (&d->pool->counters.checksum_errors, 1);
  errno = EIO;
  return -1;
}

static uint64_t
checksum (const struct device *d, const void *page)
{
  return d->pool->file.geometry.checksum
    ? page_checksum (page, page_size (d)) : 0;
}

/* Write the page that the object of SLOT holds to DST. */
static int
decode_stored (struct device *d, struct stream *stream, slot_t slot, void *dst)
{
  const uint8_t *object = object_at (d, slot_offset (slot));
  const uint8_t *data = object + sizeof (object_sum);
  uint32_t length = slot_length (slot);
  object_sum sum;

  PREFETCH (object, length + sizeof sum, 0);
  memcpy (&sum, object, sizeof sum);
  if (slot_codec (slot) == CODEC_FILL) {
    uint64_t word;

    if (length != sizeof word)
      return damaged (d);
    memcpy (&word, data, sizeof word);
    same_fill (dst, word, 0, page_size (d));
  }
  else if (stream_decompress (&d->pool->streams, stream, slot_codec (slot),
                              data, length, dst) == -1)
    return damaged (d);
  return (object_sum) checksum (d, dst) == sum ? 0 : damaged (d);
}

static int
decode_huge (struct device *d, slot_t slot, void *dst)
{
  memcpy (dst, object_at (d, slot_offset (slot)), page_size (d));
  return slot_huge_sum_matches (slot, checksum (d, dst)) ? 0 : damaged (d);
}

/* Write the page of SLOT, whose lock is held, to DST. */
static int
decode (struct device *d, struct stream *stream, slot_t slot, void *dst)
{
  if (slot == SLOT_EMPTY) {
    memset (dst, 0, page_size (d));
    return 0;
  }
  if (slot_is_same (slot)) {
    same_fill (dst, slot_same_word (slot), 0, page_size (d));
    return 0;
  }
  if (!slot_has_object (slot) || !object_fits (d, slot))
    return damaged (d);
  return slot_is_huge (slot)
    ? decode_huge (d, slot, dst) : decode_stored (d, stream, slot, dst);
}

int
page_read (struct device *d, struct stream *stream, uint64_t index,
           void *buf, uint32_t offset, uint32_t count)
{
  bool whole = count == page_size (d);
  void *page = whole ? buf : stream->page;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (decode (d, stream, table_get (&d->table, index), page) == -1)
      return -1;
  }
  if (!whole)
    memcpy (buf, stream->page + offset, count);
  return 0;
}

/* ---- writing ---- */

/* Allocate an object and fill it with SUM and LENGTH bytes of DATA. */
static int
build_stored (struct device *d, unsigned codec, const void *page,
              const void *data, uint32_t length, slot_t *slot)
{
  struct pool *pool = d->pool;
  object_sum sum;
  uint32_t bytes = length + (uint32_t) sizeof sum;
  uint64_t offset;
  uint8_t *object;

  if (object_alloc (&pool->objects, size_class_of (&pool->sizes, bytes), bytes,
                    true, &offset) == -1)
    return -1;
  object = object_at (d, offset);
  PREFETCH (object, bytes, 1);  /* while the checksum is computed */
  sum = (object_sum) checksum (d, page);
  memcpy (object, &sum, sizeof sum);
  memcpy (object + sizeof sum, data, length);
  *slot = slot_stored (offset, length, codec);
  return 0;
}

static int
build_huge (struct device *d, const void *page, slot_t *slot)
{
  struct pool *pool = d->pool;
  uint64_t offset;

  if (object_alloc (&pool->objects, size_class_huge (&pool->sizes),
                    page_size (d), true, &offset) == -1)
    return -1;
  memcpy (object_at (d, offset), page, page_size (d));
  *slot = slot_huge (offset, checksum (d, page));
  atomic_fetch_add_explicit (&pool->counters.huge_pages_since, 1,
                             memory_order_relaxed);
  return 0;
}

/* Make the new object for PAGE and put what the slot is to be in *SLOT.
 * Nobody knows of it yet.
 */
static int
build (struct device *d, struct stream *stream, const void *page, slot_t *slot)
{
  struct pool *pool = d->pool;
  uint64_t word;
  size_t length;

  if (same_filled (page, page_size (d), &word)) {
    if (!slot_same_fits (word))
      return build_stored (d, CODEC_FILL, page, &word, sizeof word, slot);
    *slot = slot_same (word);
    return 0;
  }
  length = stream_compress (&pool->streams, stream, page);
  if (length == 0
      || length + sizeof (object_sum) > size_class_largest (&pool->sizes))
    return build_huge (d, page, slot);
  return build_stored (d, pool->streams.algorithm.codec->id, page,
                       stream->out, (uint32_t) length, slot);
}

/* Put SLOT in the place of what is at INDEX, whose lock is held; *OLD is
 * then the caller's to release, after the lock.
 */
static int
publish (struct device *d, uint64_t index, slot_t slot, slot_t *old)
{
  if (table_prepare (&d->table, index) == -1
      && (!arena_drain (&d->pool->arena)
          || table_prepare (&d->table, index) == -1))
    return -1;
  *old = table_set (&d->table, index, slot);
  count_same (d, slot, 1);
  count_same (d, *old, -1);
  return 0;
}

/* Publish SLOT, or take its object back. */
static int
publish_or_undo (struct device *d, uint64_t index, slot_t slot, slot_t *old)
{
  if (publish (d, index, slot, old) == 0)
    return 0;
  release (d, slot);
  errno = ENOSPC;
  return -1;
}

static int
write_whole (struct device *d, struct stream *stream, uint64_t index,
             const void *page)
{
  slot_t slot, old;

  if (build (d, stream, page, &slot) == -1)
    return -1;
  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (publish_or_undo (d, index, slot, &old) == -1)
      return -1;
  }
  release (d, old);
  return 0;
}

/* Read, change and write back under the slot's lock: of two that change
 * different bytes of a page, neither may lose the other's.  BUF NULL
 * stands for zeroes.
 */
static int
write_part (struct device *d, struct stream *stream, uint64_t index,
            const void *buf, uint32_t offset, uint32_t count)
{
  slot_t slot, old;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    old = table_get (&d->table, index);
    if (!buf && old == SLOT_EMPTY)
      return 0;
    if (decode (d, stream, old, stream->page) == -1)
      return -1;
    if (buf)
      memcpy (stream->page + offset, buf, count);
    else
      memset (stream->page + offset, 0, count);
    if (build (d, stream, stream->page, &slot) == -1)
      return -1;
    if (publish_or_undo (d, index, slot, &old) == -1)
      return -1;
  }
  release (d, old);
  return 0;
}

/* Bytes of the device in page INDEX: fewer in the last one. */
static uint32_t
page_extent (const struct device *d, uint64_t index)
{
  return (uint32_t) MIN (page_size (d), d->size - index * page_size (d));
}

int
page_write (struct device *d, struct stream *stream, uint64_t index,
            const void *buf, uint32_t offset, uint32_t count)
{
  if (count == page_size (d))
    return write_whole (d, stream, index, buf);
  if (count < page_extent (d, index))
    return write_part (d, stream, index, buf, offset, count);

  /* All there is of the last page. */
  memcpy (stream->page, buf, count);
  memset (stream->page + count, 0, page_size (d) - count);
  return write_whole (d, stream, index, stream->page);
}

int
page_zero (struct device *d, struct stream *stream, uint64_t index,
           uint32_t offset, uint32_t count)
{
  return write_part (d, stream, index, NULL, offset, count);
}

void
page_trim (struct device *d, uint64_t index)
{
  slot_t old;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    old = table_get (&d->table, index);
    if (old == SLOT_EMPTY)
      return;
    table_set (&d->table, index, SLOT_EMPTY);
    count_same (d, old, -1);
  }
  release (d, old);
  atomic_fetch_add_explicit (&d->pool->counters.notify_free, 1,
                             memory_order_relaxed);
}

/* ---- attach ---- */

static bool
claim (struct device *d, slot_t slot)
{
  struct pool *pool = d->pool;

  return object_bytes (d, slot) <= page_size (d)
    && object_claim (&pool->objects,
                     size_class_of (&pool->sizes, object_bytes (d, slot)),
                     slot_offset (slot), object_bytes (d, slot)) == 0;
}

int
page_attach (struct device *d, uint64_t index, slot_t slot)
{
  if (slot_is_stored (slot) && slot_codec (slot) != CODEC_FILL
      && slot_codec (slot) < CODEC_IDS
      && streams_add_codec (&d->pool->streams, slot_codec (slot)) == -1)
    return -1;
  if (slot_has_object (slot) ? !claim (d, slot) : !slot_is_same (slot)) {
    atomic_fetch_add (&d->pool->counters.bad_slots, 1);
    table_set (&d->table, index, SLOT_BAD);
    return 0;
  }
  count_same (d, slot, 1);
  return 0;
}

/* ---- compaction ---- */

static bool
find_new_place (struct device *d, slot_t slot, bool sink, uint64_t *offset)
{
  struct objects *objects = &d->pool->objects;
  uint32_t bytes = object_bytes (d, slot);

  return sink
    ? object_may_sink (objects, slot_offset (slot))
      && object_alloc_below (objects, slot_offset (slot), bytes, offset) == 0
    : object_is_isolated (objects, slot_offset (slot))
      && object_alloc (objects, size_class_of (&d->pool->sizes, bytes), bytes,
                       false, offset) == 0;
}

void
page_compact (struct device *d, uint64_t index, bool sink)
{
  slot_t old;
  uint64_t offset;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    old = table_get (&d->table, index);
    if (!slot_has_object (old) || !object_fits (d, old)
        || !find_new_place (d, old, sink, &offset))
      return;
    memcpy (object_at (d, offset), object_at (d, slot_offset (old)),
            object_bytes (d, old));
    table_set (&d->table, index, slot_moved (old, offset));
  }
  release (d, old);
}
