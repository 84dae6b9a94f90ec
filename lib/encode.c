/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "checksum.h"
#include "encode.h"
#include "group.h"
#include "same.h"

bool
object_fits (const struct device *d, slot_t slot)
{
  return object_bytes (d, slot) <= device_page_size (d)
    && slot_offset (slot) + object_bytes (d, slot) <= d->pool->arena.size;
}

uint64_t
checksum_of (const struct device *d, const void *page, size_t size)
{
  return d->pool->file.geometry.checksum ? page_checksum (page, size) : 0;
}

int
damaged (struct device *d)
{
  atomic_fetch_add (&d->pool->counters.checksum_errors, 1);
  errno = EIO;
  return -1;
}

/* ---- decoding ---- */

static int
decode_stored (struct device *d, struct stream *stream, slot_t slot,
               const uint8_t *object, void *dst)
{
  const uint8_t *data = object + sizeof (object_sum);
  uint32_t length = slot_length (slot), size = device_page_size (d);
  object_sum sum;

  PREFETCH (object, length + sizeof sum, 0);
  memcpy (&sum, object, sizeof sum);
  if (slot_codec (slot) == CODEC_FILL) {
    uint64_t word;

    if (length != sizeof word)
      return damaged (d);
    memcpy (&word, data, sizeof word);
    same_fill (dst, word, 0, size);
  }
  else if (stream_decompress (&d->pool->streams, stream, slot_codec (slot),
                              data, length, dst, size) == -1)
    return damaged (d);
  return (object_sum) checksum_of (d, dst, size) == sum ? 0 : damaged (d);
}

static int
decode_huge (struct device *d, slot_t slot, const uint8_t *object, void *dst)
{
  uint32_t size = device_page_size (d);

  memcpy (dst, object, size);
  return slot_huge_sum_matches (slot, checksum_of (d, dst, size))
    ? 0 : damaged (d);
}

int
decode_object (struct device *d, struct stream *stream, slot_t slot,
               const uint8_t *object, void *dst)
{
  switch (slot_kind (slot)) {
  case SLOT_KIND_STORED:
    return decode_stored (d, stream, slot, object, dst);
  case SLOT_KIND_HUGE:
    return decode_huge (d, slot, object, dst);
  case SLOT_KIND_GROUP:
    return group_decode (d, stream, slot, object, dst);
  default:
    return damaged (d);
  }
}

int
decode_slot (struct device *d, struct stream *stream, slot_t slot, void *dst)
{
  if (slot == SLOT_EMPTY) {
    memset (dst, 0, device_page_size (d));
    return 0;
  }
  if (slot_is_same (slot)) {
    same_fill (dst, slot_same_word (slot), 0, device_page_size (d));
    return 0;
  }
  if (!slot_has_object (slot) || !object_fits (d, slot))
    return damaged (d);
  return decode_object (d, stream, slot, object_at (d, slot_offset (slot)),
                        dst);
}

/* ---- encoding ---- */

int
encode_stored (struct device *d, unsigned codec, const void *page,
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
  sum = (object_sum) checksum_of (d, page, pool->sizes.page_size);
  memcpy (object, &sum, sizeof sum);
  memcpy (object + sizeof sum, data, length);
  *slot = slot_stored (offset, length, codec);
  return 0;
}

static int
encode_huge (struct device *d, const void *page, slot_t *slot)
{
  struct pool *pool = d->pool;
  uint32_t size = pool->sizes.page_size;
  uint64_t offset;

  if (object_alloc (&pool->objects, size_class_huge (&pool->sizes), size,
                    true, &offset) == -1)
    return -1;
  memcpy (object_at (d, offset), page, size);
  *slot = slot_huge (offset, checksum_of (d, page, size));
  atomic_fetch_add_explicit (&pool->counters.huge_pages_since, 1,
                             memory_order_relaxed);
  return 0;
}

int
encode_page (struct device *d, struct stream *stream, const void *page,
             slot_t *slot)
{
  struct pool *pool = d->pool;
  uint64_t word;
  size_t length;

  if (same_filled (page, pool->sizes.page_size, &word)) {
    if (!slot_same_fits (word))
      return encode_stored (d, CODEC_FILL, page, &word, sizeof word, slot);
    *slot = slot_same (word);
    return 0;
  }
  length = stream_compress (&pool->streams, stream, page);
  if (length == 0
      || length + sizeof (object_sum) > size_class_largest (&pool->sizes))
    return encode_huge (d, page, slot);
  return encode_stored (d, pool->streams.algorithm.codec->id, page,
                        stream->out, (uint32_t) length, slot);
}

/* ---- objects that come and go ---- */

static void
free_object (struct device *d, slot_t slot)
{
  object_free (&d->pool->objects, object_class (d, slot), slot_offset (slot),
               object_bytes (d, slot));
}

/* A slot that lies must not clear a bit of somebody else's object. */
static bool
is_last_of_group (struct device *d, slot_t slot)
{
  return object_is_taken (&d->pool->objects, object_class (d, slot),
                          slot_offset (slot))
    && group_leave (object_at (d, slot_offset (slot)), slot_place (slot));
}

void
release_slot (struct device *d, slot_t slot)
{
  if (!slot_has_object (slot) || !object_fits (d, slot))
    return;
  if (slot_is_group (slot) && !is_last_of_group (d, slot))
    return;
  free_object (d, slot);
}

bool
claim_slot (struct device *d, slot_t slot)
{
  if (!object_fits (d, slot))
    return false;
  if (slot_is_group (slot))
    return group_claim (d, slot);
  return object_claim (&d->pool->objects, object_class (d, slot),
                       slot_offset (slot), object_bytes (d, slot)) == 0;
}

void
count_slot (struct device *d, slot_t slot, int by)
{
  if (slot == SLOT_EMPTY)
    return;
  atomic_fetch_add_explicit (&d->counts[slot & SLOT_KIND_MASK], (uint64_t) by,
                             memory_order_relaxed);
  if (slot_is_same_stored (slot))
    atomic_fetch_add_explicit (&d->same_stored, (uint64_t) by,
                               memory_order_relaxed);
}
