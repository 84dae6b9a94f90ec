/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
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

#define ANY_CODEC UINT_MAX

struct wanted {
  const struct device *d;
  uint32_t below;               /* size class */
  unsigned codec;
};

static bool
is_wanted (slot_t slot, void *opaque)
{
  const struct wanted *w = opaque;

  return object_class (w->d, slot) < w->below
    && (w->codec == ANY_CODEC
        || (slot_is_stored (slot) && slot_codec (slot) == w->codec));
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

/* A reference was taken to SLOT: is its page the same as PAGE?  If not,
 * it is given up.
 */
static bool
is_same_page (struct device *d, struct stream *stream, const void *page,
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
share (struct device *d, struct stream *stream, const void *page, uint64_t sum,
       uint32_t below, unsigned codec)
{
  struct wanted wanted = { d, below, codec };
  slot_t slot = dedup_take (&d->pool->dedup, sum & FINGERPRINT_MASK,
                            dedup_scope (d), is_wanted, &wanted);

  return slot != SLOT_EMPTY && is_same_page (d, stream, page, slot)
    ? slot : SLOT_EMPTY;
}

slot_t
encode_shared (struct device *d, struct stream *stream, const void *page,
               uint32_t below)
{
  if (d->pool->options.dedup == DEDUP_OFF)
    return SLOT_EMPTY;
  return share (d, stream, page,
                checksum_of (d, page, device_page_size (d)), below,
                ANY_CODEC);
}

/* ---- encoding ---- */

/* Compressing a page that turns out to be a duplicate costs more than
 * looking for it in vain, unless duplicates are rare.  So for this many
 * pages after one, it is looked first.
 */
#define LOOK_FIRST 16

/* Set e->sum, once. */
static void
sum_up (struct device *d, struct encoding *e)
{
  if (e->has_sum)
    return;
  e->sum = checksum_of (d, e->page, device_page_size (d));
  e->has_sum = true;
  if (e->may_share)
    dedup_prefetch (&d->pool->dedup, (uint32_t) e->sum);
}

static slot_t
look (struct device *d, struct stream *stream, struct encoding *e)
{
  slot_t slot = share (d, stream, e->page, e->sum, SIZE_CLASSES_MAX,
                       ANY_CODEC);

  e->has_looked = true;
  if (slot != SLOT_EMPTY)
    stream->look_first = LOOK_FIRST;
  else if (stream->look_first > 0)
    stream->look_first--;
  return slot;
}

/* ---- objects of a device ---- */

/* From this part of its limit on, the rest of the pool is for those who
 * have less of it than they would have if all had the same.
 */
#define LAST_PART 16

/* Where devices share objects, these belong to none of them. */
static uint64_t
owned_bytes (const struct device *d, uint32_t cls)
{
  return d->pool->objects_are_owned ? d->pool->sizes.classes[cls].size : 0;
}

static bool
has_its_share (const struct device *d)
{
  const struct pool *pool = d->pool;
  uint64_t limit = pool->budget.limit;
  unsigned devices = pool->device_count;

  return limit == 0 || devices < 2
    || pool->budget.used < limit - limit / LAST_PART
    || d->held.used < limit / devices;
}

static int
take_quota (struct device *d, uint64_t bytes, bool maintenance)
{
  if (maintenance) {
    budget_force (&d->held, bytes);
    return 0;
  }
  if (!has_its_share (d)) {
    errno = ENOSPC;
    return -1;
  }
  if (budget_take (&d->held, bytes) == 0)
    return 0;
  errno = EDQUOT;
  return -1;
}

int
take_object (struct device *d, uint32_t bytes, bool maintenance,
             uint64_t *offset)
{
  struct pool *pool = d->pool;
  uint32_t cls = bytes == pool->sizes.page_size
    ? size_class_huge (&pool->sizes) : size_class_of (&pool->sizes, bytes);
  uint64_t owned = owned_bytes (d, cls);

  if (take_quota (d, owned, maintenance) == -1)
    return -1;
  if (object_alloc (&pool->objects, cls, bytes, true, offset) == 0)
    return 0;
  budget_give (&d->held, owned);
  return -1;
}

void
own_object (struct device *d, slot_t slot)
{
  budget_force (&d->held, owned_bytes (d, object_class (d, slot)));
}

void
free_object (struct device *d, slot_t slot)
{
  uint32_t cls = object_class (d, slot);

  if (object_free (&d->pool->objects, cls, slot_offset (slot),
                   object_bytes (d, slot)) == 0)
    budget_give (&d->held, owned_bytes (d, cls));
}

/* ---- sharing them ---- */

/* The object of SLOT is complete: let others share it, or take that of an
 * identical page instead.  If there is no room for it in the index, it
 * is not shared.
 */
static slot_t
offer (struct device *d, struct stream *stream, struct encoding *e,
       slot_t slot)
{
  struct dedup *dedup = &d->pool->dedup;
  uint32_t fp = e->sum & FINGERPRINT_MASK;
  slot_t other = SLOT_EMPTY;

  if (!e->has_looked)
    other = dedup_take_or_insert (dedup, fp, dedup_scope (d), slot);
  if (other != SLOT_EMPTY && is_same_page (d, stream, e->page, other)) {
    stream->look_first = LOOK_FIRST;
    free_object (d, slot);
    return other;
  }
  if (other != SLOT_EMPTY || e->has_looked)
    dedup_insert (dedup, fp, dedup_scope (d), slot);
  return slot;
}

/* Take an object and write it. */
static int
store (struct device *d, struct encoding *e, slot_t *slot)
{
  uint32_t bytes = e->length + (uint32_t) sizeof (object_sum);
  uint64_t offset;
  object_sum kept;
  uint8_t *object;

  if (take_object (d, bytes, e->maintenance, &offset) == -1)
    return -1;
  object = object_at (d, offset);
  PREFETCH (object, bytes, 1);  /* during the checksum */
  sum_up (d, e);
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
  sum_up (d, e);
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
    .has_looked = true, .maintenance = true,
  };

  if (store (d, &e, slot) == -1)
    return -1;
  if (e.may_share)
    *slot = offer (d, NULL, &e, *slot);
  return 0;
}

static void
compress (struct device *d, struct stream *stream, struct encoding *e)
{
  struct pool *pool = d->pool;
  size_t length = stream_compress (&pool->streams, stream, e->page);

  e->data = stream->out;
  e->length = (uint32_t) length;
  e->codec = method_id (stream->method);
  if (length == 0
      || length + sizeof (object_sum) > size_class_largest (&pool->sizes))
    e->data = NULL;
}

static void
begin_fill (struct encoding *e)
{
  e->data = &e->word;
  e->length = sizeof e->word;
  e->codec = CODEC_FILL;
  e->may_share = false;
  if (slot_same_fits (e->word))
    e->slot = slot_same (e->word);
}

static void
begin (struct device *d, struct stream *stream, const void *page,
       bool may_share, struct encoding *e)
{
  e->page = page;
  e->slot = SLOT_EMPTY;
  e->has_sum = e->has_looked = e->maintenance = false;
  e->may_share = may_share;
  if (same_filled (page, device_page_size (d), &e->word)) {
    begin_fill (e);
    return;
  }
  /* What the index has of it comes to the cache during compression. */
  if (e->may_share)
    sum_up (d, e);
  if (e->may_share && stream->look_first > 0)
    e->slot = look (d, stream, e);
  if (e->slot == SLOT_EMPTY)
    compress (d, stream, e);
}

void
encode_begin (struct device *d, struct stream *stream, const void *page,
              struct encoding *e)
{
  begin (d, stream, page, d->pool->options.dedup != DEDUP_OFF, e);
}

int
encode_end (struct device *d, struct stream *stream, struct encoding *e,
            slot_t *slot)
{
  int err;

  *slot = e->slot;
  if (e->slot != SLOT_EMPTY)
    return 0;
  if ((e->data ? store (d, e, slot) : store_huge (d, e, slot)) == 0) {
    if (e->may_share)
      *slot = offer (d, stream, e, *slot);
    return 0;
  }
  /* There is no room for an object, but one may be there. */
  err = errno;
  if (e->may_share && !e->has_looked)
    *slot = look (d, stream, e);
  if (*slot != SLOT_EMPTY)
    return 0;
  errno = err;
  return -1;
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

  begin (d, stream, page, false, &e);
  e.maintenance = true;
  if (dedup && e.slot == SLOT_EMPTY && e.codec != CODEC_FILL && e.data) {
    e.may_share = e.has_looked = true;
    sum_up (d, &e);
    *slot = share (d, stream, page, e.sum, SIZE_CLASSES_MAX, e.codec);
    if (*slot != SLOT_EMPTY)
      return 0;
  }
  return encode_end (d, stream, &e, slot);
}

void
foresee_header (struct device *d, slot_t old)
{
  if (is_dedupable (old) && object_fits (d, old) && !slot_is_huge (old))
    PREFETCH (object_at (d, slot_offset (old)), sizeof (object_sum), 0);
}

void
foresee_release (struct device *d, slot_t old)
{
  if (is_dedupable (old) && object_fits (d, old))
    dedup_prefetch (&d->pool->dedup, slot_fingerprint (d, old));
}

/* ---- objects that come and go ---- */

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

int
claim_object (struct device *d, slot_t slot)
{
  if (object_claim (&d->pool->objects, object_class (d, slot),
                    slot_offset (slot), object_bytes (d, slot)) == -1)
    return -1;
  own_object (d, slot);
  return 0;
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
