/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The objects that the slots of a device name.  An object is taken for a page
 * that is written, or claimed for a slot that is found at attach, and freed
 * when the last slot that names it is released.  encode.h has what is in
 * objects.
 *
 * Unless it says otherwise, any thread may call a function at any time.  They
 * take the locks of dedup's shards, classes and arena (pool-types.h).
 */

#ifndef NBDZRAM_STORE_DEVICE_OBJECTS_H
#define NBDZRAM_STORE_DEVICE_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/checksum.h"
#include "attach-result.h"
#include "device-types.h"

/* The checksum before the codec's output in a STORED object. */
typedef uint32_t object_sum;
#define OBJECT_HEADER_SIZE sizeof (object_sum)

static inline uint32_t
device_page_size (const struct device *d)
{
  return d->pool->sizes.page_size;
}

static inline uint8_t *
object_at (const struct device *d, uint64_t offset)
{
  return d->pool->arena.base + offset;
}

/* The checksum that an object keeps of the page or pages at DATA; 0 in a pool
 * without checksums.
 */
static inline uint64_t
content_checksum (const struct device *d, const void *data, size_t size)
{
  return d->pool->file.geometry.checksum ? page_checksum (data, size) : 0;
}

/* Count a page that was found damaged.  Returns -1 with errno EIO. */
int report_damage (struct device *d);

/* Bytes of the object that SLOT names. */
static inline uint32_t
object_bytes (const struct device *d, slot_t slot)
{
  if (slot_is_huge (slot))
    return device_page_size (d);
  return slot_length (slot)
    + (slot_is_stored (slot) ? (uint32_t) OBJECT_HEADER_SIZE : 0);
}

/* The size class of that object. */
static inline uint32_t
object_class (const struct device *d, slot_t slot)
{
  return size_class_of (&d->pool->sizes, object_bytes (d, slot));
}

static inline bool
slot_is_same_stored (slot_t slot)
{
  return slot_is_stored (slot) && slot_codec (slot) == CODEC_FILL;
}

/* SLOT names an object in the arena: does it lie within the arena? */
bool object_fits (const struct device *d, slot_t slot);

/* Can the object of SLOT be in the index of dedup? */
static inline bool
is_dedupable (slot_t slot)
{
  return slot_has_object (slot) && !slot_is_group (slot)
    && !slot_is_same_stored (slot);
}

/* The part of a checksum by which dedup finds an object. */
#define FINGERPRINT_MASK ((UINT32_C (1) << SLOT_SUM_BITS) - 1)

/* The fingerprint of the object of SLOT, which is_dedupable. */
uint32_t slot_fingerprint (const struct device *d, slot_t slot);

static inline unsigned
dedup_scope (const struct device *d)
{
  return d->pool->options.dedup == DEDUP_DEVICE ? d->number
                                                : DEDUP_SCOPE_POOL;
}

/* Take an object of BYTES bytes for a page of the device, and put its offset
 * in *OFFSET.  With MAINTENANCE, the device's quota is ignored, since the
 * caller frees another object in exchange.  0, or -1 with errno ENOSPC, or
 * EDQUOT (the quota is used up).
 */
int take_object (struct device *d, uint32_t bytes, bool maintenance,
                 uint64_t *offset);

/* Free the object of SLOT, to which no slot refers any more. */
void free_object (struct device *d, slot_t slot);

/* Charge the device for one more object of the size of SLOT's, even beyond
 * its quota.
 */
void charge_object (struct device *d, slot_t slot);

/* SLOT has been replaced, or was never published: its page no longer refers
 * to its object.  Frees the object if that was the last reference.  Does
 * nothing if there can't be such an object: a damaged slot must not free
 * another page's.
 */
void release_slot (struct device *d, slot_t slot);

/* SLOT, which names an object in the backing file, is about to be published:
 * count its reference there.
 */
void claim_written_back (struct device *d, slot_t slot);

/* Attach: SLOT's page refers to its object.  Single-threaded.  ATTACH_FAILED
 * has errno ENOMEM (no memory to count the reference).
 */
enum attach_result claim_slot (struct device *d, slot_t slot);

/* Count SLOT in the statistics of its device (BY 1), or no longer (BY -1). */
void count_slot (struct device *d, slot_t slot, int by);

/* NEW has been published in the place of OLD.  Mostly both are of the same
 * kind and codec, and no counter changes.
 */
static inline void
recount_slot (struct device *d, slot_t old, slot_t new)
{
  if (((old ^ new) & SLOT_KIND_MASK) == 0
      && slot_codec (old) == slot_codec (new))
    return;
  count_slot (d, new, 1);
  count_slot (d, old, -1);
}

#endif /* NBDZRAM_STORE_DEVICE_OBJECTS_H */
