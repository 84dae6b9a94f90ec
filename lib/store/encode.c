/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/base/util.h"

#include "encode.h"
#include "group.h"
#include "same.h"

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
      return report_damage (d);
    memcpy (&word, data, sizeof word);
    same_fill (dst, word, 0, size);
  }
  else if (stream_decompress (&d->pool->streams, stream, slot_codec (slot),
                              data, length, dst, size) == -1)
    return report_damage (d);
  return (object_sum) content_checksum (d, dst, size) == sum
    ? 0 : report_damage (d);
}

static int
decode_huge (struct device *d, slot_t slot, const uint8_t *object, void *dst)
{
  uint32_t size = device_page_size (d);

  memcpy (dst, object, size);
  return slot_huge_sum_matches (slot, content_checksum (d, dst, size))
    ? 0 : report_damage (d);
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
    return report_damage (d);
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
    return report_damage (d);
  return decode_object (d, stream, slot, object_at (d, slot_offset (slot)),
                        dst);
}

/* ---- sharing ---- */

#define ANY_CODEC UINT_MAX

/* Which objects may be shared. */
struct share_filter {
  const struct device *d;
  uint32_t below;               /* of a smaller size class than this */
  unsigned codec;               /* of this codec, or ANY_CODEC */
};

static bool
is_acceptable (slot_t slot, void *opaque)
{
  const struct share_filter *f = opaque;

  return object_class (f->d, slot) < f->below
    && (f->codec == ANY_CODEC
        || (slot_is_stored (slot) && slot_codec (slot) == f->codec));
}

/* Keep the dictionary of SLOT: the last page that is counted for it may be
 * trimmed before our page is counted.
 */
static bool
pin_dictionary (struct device *d, struct stream *stream, slot_t slot)
{
  return !slot_is_stored (slot)
    || stream_pin (&d->pool->streams, stream, slot_codec (slot));
}

/* The caller has taken a reference to the object of SLOT.  Keep it and return
 * true if its page is the same as PAGE; otherwise drop it.
 */
static bool
keep_if_same (struct device *d, struct stream *stream, const void *page,
              slot_t slot)
{
  struct pool *pool = d->pool;

  object_share (&pool->objects, object_class (d, slot), slot_offset (slot));
  if (pin_dictionary (d, stream, slot)
      && decode_slot (d, stream, slot, stream->group) == 0
      && memcmp (stream->group, page, pool->sizes.page_size) == 0)
    return true;
  release_slot (d, slot);
  return false;
}

static slot_t
share_object (struct device *d, struct stream *stream, const void *page,
              uint64_t sum, uint32_t below, unsigned codec)
{
  struct share_filter filter = { d, below, codec };
  slot_t slot = dedup_take (&d->pool->dedup, sum & FINGERPRINT_MASK,
                            dedup_scope (d), is_acceptable, &filter);

  return slot != SLOT_EMPTY && keep_if_same (d, stream, page, slot)
    ? slot : SLOT_EMPTY;
}

slot_t
encode_shared (struct device *d, struct stream *stream, const void *page,
               uint32_t below)
{
  if (d->pool->options.dedup == DEDUP_OFF)
    return SLOT_EMPTY;
  return share_object (d, stream, page,
                       content_checksum (d, page, device_page_size (d)),
                       below, ANY_CODEC);
}

/* ---- encoding ---- */

/* Compressing a page that turns out to be a duplicate costs more than a
 * useless lookup, unless duplicates are rare.  So after a duplicate, this
 * many pages are looked up before they are compressed.
 */
#define LOOK_FIRST 16

/* Set e->sum, if it is not yet. */
static void
set_checksum (struct device *d, struct encoding *e)
{
  if (e->has_sum)
    return;
  e->sum = content_checksum (d, e->page, device_page_size (d));
  e->has_sum = true;
  if (e->may_share)
    dedup_prefetch (&d->pool->dedup, (uint32_t) e->sum);
}

static slot_t
look_up_duplicate (struct device *d, struct stream *stream,
                   struct encoding *e)
{
  slot_t slot = share_object (d, stream, e->page, e->sum, SIZE_CLASSES_MAX,
                              ANY_CODEC);

  e->has_looked = true;
  if (slot != SLOT_EMPTY)
    stream->look_first = LOOK_FIRST;
  else if (stream->look_first > 0)
    stream->look_first--;
  return slot;
}

/* The object of SLOT is complete: let other pages share it, or free it and
 * share the object of an identical page instead.  Returns the slot to
 * publish.  If there is no room in the index, the object is not shared.
 */
static slot_t
insert_or_share (struct device *d, struct stream *stream, struct encoding *e,
                 slot_t slot)
{
  struct dedup *dedup = &d->pool->dedup;
  uint32_t fp = e->sum & FINGERPRINT_MASK;
  slot_t other = SLOT_EMPTY;

  if (!e->has_looked)
    other = dedup_take_or_insert (dedup, fp, dedup_scope (d), slot);
  if (other != SLOT_EMPTY && keep_if_same (d, stream, e->page, other)) {
    stream->look_first = LOOK_FIRST;
    free_object (d, slot);
    return other;
  }
  if (other != SLOT_EMPTY || e->has_looked)
    dedup_insert (dedup, fp, dedup_scope (d), slot);
  return slot;
}

/* Take an object and write the codec's output to it. */
static int
store_compressed (struct device *d, struct encoding *e, slot_t *slot)
{
  uint32_t bytes = e->length + (uint32_t) sizeof (object_sum);
  uint64_t offset;
  object_sum kept;
  uint8_t *object;

  if (take_object (d, bytes, e->maintenance, &offset) == -1)
    return -1;
  object = object_at (d, offset);
  PREFETCH (object, bytes, 1);  /* during the checksum */
  set_checksum (d, e);
  kept = (object_sum) e->sum;
  memcpy (object, &kept, sizeof kept);
  memcpy (object + sizeof kept, e->data, e->length);
  *slot = slot_stored (offset, e->length, e->codec);
  return 0;
}

static int
store_huge (struct device *d, struct encoding *e, slot_t *slot)
{
  struct pool *pool = d->pool;
  uint32_t size = pool->sizes.page_size;
  uint64_t offset;

  if (take_object (d, size, e->maintenance, &offset) == -1)
    return -1;
  memcpy (object_at (d, offset), e->page, size);
  set_checksum (d, e);
  *slot = slot_huge (offset, e->sum);
  atomic_fetch_add_explicit (&pool->counters.huge_pages_since, 1,
                             memory_order_relaxed);
  return 0;
}

int
encode_stored (struct device *d, unsigned codec, const void *page,
               const void *data, uint32_t length, slot_t *slot)
{
  struct encoding e = {
    .page = page, .data = data, .length = length, .codec = codec,
    .may_share = codec != CODEC_FILL && d->pool->options.dedup != DEDUP_OFF,
    .maintenance = true,
  };

  if (store_compressed (d, &e, slot) == -1)
    return -1;
  if (e.may_share)
    dedup_insert (&d->pool->dedup, e.sum & FINGERPRINT_MASK, dedup_scope (d),
                  *slot);
  return 0;
}

static void
compress_page (struct device *d, struct stream *stream, struct encoding *e)
{
  struct pool *pool = d->pool;
  size_t length = stream_compress (&pool->streams, stream, d->method, e->page);

  e->data = stream->out;
  e->length = (uint32_t) length;
  e->codec = method_id (stream_method (&pool->streams, stream, d->method));
  if (length == 0
      || length + sizeof (object_sum) > size_class_largest (&pool->sizes))
    e->data = NULL;
}

static void
begin_same_filled (struct encoding *e)
{
  e->data = &e->word;
  e->length = sizeof e->word;
  e->codec = CODEC_FILL;
  e->may_share = false;
  if (slot_same_fits (e->word))
    e->slot = slot_same (e->word);
}

static void
begin_encoding (struct device *d, struct stream *stream, const void *page,
                bool may_share, struct encoding *e)
{
  e->page = page;
  e->slot = SLOT_EMPTY;
  e->has_sum = e->has_looked = e->maintenance = false;
  e->may_share = may_share;
  if (same_filled (page, device_page_size (d), &e->word)) {
    begin_same_filled (e);
    return;
  }
  /* Also starts a prefetch, which goes on during compression. */
  if (e->may_share)
    set_checksum (d, e);
  if (e->may_share && stream->look_first > 0)
    e->slot = look_up_duplicate (d, stream, e);
  if (e->slot == SLOT_EMPTY)
    compress_page (d, stream, e);
}

void
encode_begin (struct device *d, struct stream *stream, const void *page,
              struct encoding *e)
{
  begin_encoding (d, stream, page, d->pool->options.dedup != DEDUP_OFF, e);
}

int
encode_end (struct device *d, struct stream *stream, struct encoding *e,
            slot_t *slot)
{
  int err;

  *slot = e->slot;
  if (e->slot != SLOT_EMPTY)
    return 0;
  if ((e->data ? store_compressed (d, e, slot)
               : store_huge (d, e, slot)) == 0) {
    if (e->may_share)
      *slot = insert_or_share (d, stream, e, *slot);
    return 0;
  }
  /* There is no room for an object, but it may exist already. */
  err = errno;
  if (e->may_share && !e->has_looked)
    *slot = look_up_duplicate (d, stream, e);
  if (*slot != SLOT_EMPTY)
    return 0;
  return fail_with (err);
}

int
encode_page (struct device *d, struct stream *stream, const void *page,
             slot_t *slot)
{
  struct encoding e;

  encode_begin (d, stream, page, &e);
  return encode_end (d, stream, &e, slot);
}

int
encode_anew (struct device *d, struct stream *stream, const void *page,
             slot_t *slot)
{
  struct encoding e;
  bool dedup = d->pool->options.dedup != DEDUP_OFF;

  begin_encoding (d, stream, page, false, &e);
  e.maintenance = true;
  if (dedup && e.slot == SLOT_EMPTY && e.codec != CODEC_FILL && e.data) {
    e.may_share = e.has_looked = true;
    set_checksum (d, &e);
    *slot = share_object (d, stream, page, e.sum, SIZE_CLASSES_MAX, e.codec);
    if (*slot != SLOT_EMPTY)
      return 0;
  }
  return encode_end (d, stream, &e, slot);
}

void
prefetch_header (struct device *d, slot_t old)
{
  if (is_dedupable (old) && object_fits (d, old) && !slot_is_huge (old))
    PREFETCH (object_at (d, slot_offset (old)), sizeof (object_sum), 0);
}

void
prefetch_release (struct device *d, slot_t old)
{
  if (is_dedupable (old) && object_fits (d, old))
    dedup_prefetch (&d->pool->dedup, slot_fingerprint (d, old));
}
