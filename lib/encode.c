/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "backing.h"
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

/* ---- sharing ---- */

#define FINGERPRINT_MASK ((UINT32_C (1) << SLOT_SUM_BITS) - 1)

uint32_t
slot_fingerprint (const struct device *d, slot_t slot)
{
  object_sum sum;

  if (slot_is_huge (slot))
    return slot_huge_sum (slot);
  memcpy (&sum, object_at (d, slot_offset (slot)), sizeof sum);
  return sum & FINGERPRINT_MASK;
}

/* The object of SLOT is complete: others may share it. */
static void
offer (struct device *d, slot_t slot, uint64_t sum)
{
  struct pool *pool = d->pool;

  /* If there is no room for it, it is not shared. */
  if (pool->options.dedup != DEDUP_OFF)
    dedup_insert (&pool->dedup, sum & FINGERPRINT_MASK, dedup_scope (d), slot);
}

struct wanted {
  const struct device *d;
  uint32_t below;               /* size class */
};

static bool
is_smaller (slot_t slot, void *opaque)
{
  const struct wanted *w = opaque;

  return object_class (w->d, slot) < w->below;
}

/* The last page that is counted for the dictionary of SLOT may go before
 * ours is.
 */
static bool
pin_dictionary (struct device *d, struct stream *stream, slot_t slot)
{
  return !slot_is_stored (slot)
    || stream_pin (&d->pool->streams, stream, slot_codec (slot));
}

static slot_t
share (struct device *d, struct stream *stream, const void *page, uint64_t sum,
       uint32_t below)
{
  struct pool *pool = d->pool;
  struct wanted wanted = { d, below };
  slot_t slot = dedup_take (&pool->dedup, sum & FINGERPRINT_MASK,
                            dedup_scope (d), is_smaller, &wanted);

  if (slot == SLOT_EMPTY)
    return SLOT_EMPTY;
  object_share (&pool->objects, object_class (d, slot), slot_offset (slot));
  if (pin_dictionary (d, stream, slot)
      && decode_slot (d, stream, slot, stream->group) == 0
      && memcmp (stream->group, page, pool->sizes.page_size) == 0)
    return slot;
  release_slot (d, slot);
  return SLOT_EMPTY;
}

slot_t
encode_shared (struct device *d, struct stream *stream, const void *page,
               uint32_t below)
{
  if (d->pool->options.dedup == DEDUP_OFF)
    return SLOT_EMPTY;
  return share (d, stream, page,
                checksum_of (d, page, device_page_size (d)), below);
}

/* ---- encoding ---- */

/* Take an object for LENGTH bytes of DATA; the checksum is still to come. */
static uint8_t *
start_stored (struct device *d, unsigned codec, uint32_t length, slot_t *slot)
{
  struct pool *pool = d->pool;
  uint32_t bytes = length + (uint32_t) sizeof (object_sum);
  uint64_t offset;

  if (object_alloc (&pool->objects, size_class_of (&pool->sizes, bytes), bytes,
                    true, &offset) == -1)
    return NULL;
  *slot = slot_stored (offset, length, codec);
  return object_at (d, offset);
}

static int
store (struct device *d, unsigned codec, const void *page, const uint64_t *sum,
       const void *data, uint32_t length, slot_t *slot)
{
  uint8_t *object = start_stored (d, codec, length, slot);
  uint64_t page_sum;
  object_sum kept;

  if (!object)
    return -1;
  PREFETCH (object, length + sizeof kept, 1); /* during the checksum */
  page_sum = sum ? *sum : checksum_of (d, page, device_page_size (d));
  kept = (object_sum) page_sum;
  memcpy (object, &kept, sizeof kept);
  memcpy (object + sizeof kept, data, length);
  if (codec != CODEC_FILL)
    offer (d, *slot, page_sum);
  return 0;
}

int
encode_stored (struct device *d, unsigned codec, const void *page,
               const void *data, uint32_t length, slot_t *slot)
{
  return store (d, codec, page, NULL, data, length, slot);
}

static int
encode_huge (struct device *d, const void *page, const uint64_t *sum,
             slot_t *slot)
{
  struct pool *pool = d->pool;
  uint32_t size = pool->sizes.page_size;
  uint64_t offset, page_sum;

  if (object_alloc (&pool->objects, size_class_huge (&pool->sizes), size,
                    true, &offset) == -1)
    return -1;
  memcpy (object_at (d, offset), page, size);
  page_sum = sum ? *sum : checksum_of (d, page, size);
  *slot = slot_huge (offset, page_sum);
  atomic_fetch_add_explicit (&pool->counters.huge_pages_since, 1,
                             memory_order_relaxed);
  offer (d, *slot, page_sum);
  return 0;
}

static int
compress (struct device *d, struct stream *stream, const void *page,
          const uint64_t *sum, slot_t *slot)
{
  struct pool *pool = d->pool;
  size_t length = stream_compress (&pool->streams, stream, page);

  if (length == 0
      || length + sizeof (object_sum) > size_class_largest (&pool->sizes))
    return encode_huge (d, page, sum, slot);
  return store (d, method_id (stream->method), page, sum, stream->out,
                (uint32_t) length, slot);
}

int
encode_page (struct device *d, struct stream *stream, const void *page,
             slot_t *slot)
{
  struct pool *pool = d->pool;
  uint64_t word, sum;

  if (same_filled (page, pool->sizes.page_size, &word)) {
    if (!slot_same_fits (word))
      return encode_stored (d, CODEC_FILL, page, &word, sizeof word, slot);
    *slot = slot_same (word);
    return 0;
  }
  /* Without dedup the checksum can wait until the object's memory is on
   * its way to the cache, which is worth 4 % of a write.
   */
  if (pool->options.dedup == DEDUP_OFF)
    return compress (d, stream, page, NULL, slot);
  sum = checksum_of (d, page, pool->sizes.page_size);
  dedup_prefetch (&pool->dedup, (uint32_t) sum);
  *slot = share (d, stream, page, sum, SIZE_CLASSES_MAX);
  return *slot != SLOT_EMPTY ? 0 : compress (d, stream, page, &sum, slot);
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

static bool
is_last_owner (struct device *d, slot_t slot)
{
  struct pool *pool = d->pool;

  if (!is_dedupable (slot))
    return true;
  switch (dedup_drop (&pool->dedup, slot_fingerprint (d, slot), slot)) {
  case DEDUP_SHARED:
    return false;
  case DEDUP_LAST:
    return true;
  default:
    return !object_is_shared (&pool->objects, object_class (d, slot),
                              slot_offset (slot));
  }
}

/* A page of a group counts as a part of its object. */
static unsigned
share_of (slot_t slot)
{
  return slot_is_group (slot) ? BACKING_GROUP : 1;
}

static bool
backing_has (const struct device *d, slot_t slot)
{
  return object_bytes (d, slot) <= device_page_size (d)
    && backing_contains (d->pool->backing, slot_offset (slot),
                         object_bytes (d, slot));
}

void
claim_written_back (struct device *d, slot_t slot)
{
  backing_claim (d->pool->backing, slot_offset (slot), object_bytes (d, slot),
                 share_of (slot));
}

static void
release_written_back (struct device *d, slot_t slot)
{
  if (backing_has (d, slot))
    backing_release (d->pool->backing, slot_offset (slot),
                     object_bytes (d, slot), share_of (slot));
}

void
release_slot (struct device *d, slot_t slot)
{
  if (slot_is_written_back (slot) && d->pool->backing)
    release_written_back (d, slot);
  if (!slot_has_object (slot) || !object_fits (d, slot))
    return;
  if (slot_is_group (slot) ? is_last_of_group (d, slot)
                           : !d->pool->has_dedup || is_last_owner (d, slot))
    free_object (d, slot);
}

static int
claim_object (struct device *d, slot_t slot)
{
  return object_claim (&d->pool->objects, object_class (d, slot),
                       slot_offset (slot), object_bytes (d, slot));
}

/* One slot of several that name the object, perhaps. */
static int
claim_shared (struct device *d, slot_t slot)
{
  struct pool *pool = d->pool;
  uint32_t fp = slot_fingerprint (d, slot);
  int known = dedup_claim (&pool->dedup, fp, dedup_scope (d), slot);

  if (known == -1)
    return -1;
  if (known == 1) {
    object_share (&pool->objects, object_class (d, slot), slot_offset (slot));
    return 0;
  }
  if (claim_object (d, slot) == 0)
    return 0;
  dedup_drop (&pool->dedup, fp, slot);
  errno = EUCLEAN;
  return -1;
}

static int
attach_written_back (struct device *d, slot_t slot)
{
  uint8_t id[POOL_ID_SIZE];

  if (!d->pool->backing) {
    errno = pool_file_get_backing (&d->pool->file, id) ? ENXIO : EUCLEAN;
    return -1;
  }
  if (!backing_has (d, slot)) {
    errno = EUCLEAN;
    return -1;
  }
  claim_written_back (d, slot);
  return 0;
}

int
claim_slot (struct device *d, slot_t slot)
{
  if (slot_is_written_back (slot))
    return attach_written_back (d, slot);
  if (!object_fits (d, slot)) {
    errno = EUCLEAN;
    return -1;
  }
  if (slot_is_group (slot))
    return group_claim (d, slot);
  return d->pool->has_dedup && is_dedupable (slot)
    ? claim_shared (d, slot) : claim_object (d, slot);
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
  if (slot_is_stored (slot))
    dictionaries_count (&d->pool->dictionaries, slot_codec (slot), by);
}
