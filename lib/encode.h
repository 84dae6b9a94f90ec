/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between a page's bytes and what a slot says: makes objects, reads
 * them, frees them.  What is published where is for others (page.h).
 *
 * A STORED object is a checksum of the page, then codec output; a HUGE
 * one is the page; for a GROUP see group.h.
 */

#ifndef NBDZRAM_ENCODE_H
#define NBDZRAM_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "stream.h"

/* What lies before the codec's output in a STORED object. */
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

/* Bytes of the object that SLOT names. */
static inline uint32_t
object_bytes (const struct device *d, slot_t slot)
{
  if (slot_is_huge (slot))
    return device_page_size (d);
  return slot_length (slot)
    + (slot_is_stored (slot) ? (uint32_t) OBJECT_HEADER_SIZE : 0);
}

/* Its size class. */
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

/* Does the object of SLOT, which names one in the arena, lie within it? */
bool object_fits (const struct device *d, slot_t slot);

/* The checksum that an object keeps of PAGE; 0 where they are off. */
uint64_t checksum_of (const struct device *d, const void *page, size_t size);

/* Count damage and return -1 with errno EIO. */
int damaged (struct device *d);

/* Take an object of BYTES bytes for a page of the device, and put its place
 * in *OFFSET.  For maintenance, which gives back another in its place, the
 * device's quota does not count.  0, or -1 with errno ENOSPC, or EDQUOT: the
 * quota is used up.
 */
int take_object (struct device *d, uint32_t bytes, bool maintenance,
                 uint64_t *offset);

/* Give it back, nobody's any more. */
void free_object (struct device *d, slot_t slot);

/* The device holds one more, of the size of SLOT's. */
void own_object (struct device *d, slot_t slot);

/* Attach: SLOT says that there is one.  As object_claim. */
int claim_object (struct device *d, slot_t slot);

/* Make the object for PAGE by the algorithm for new pages, and put what
 * the slot is to be in *SLOT.  Nobody knows of it yet.  0, or -1 with
 * errno ENOSPC.
 */
int encode_page (struct device *d, struct stream *stream, const void *page,
                 slot_t *slot);

/* The same, of a page that has an object of another algorithm: that is not
 * shared, nor are others like it.
 */
int encode_anew (struct device *d, struct stream *stream, const void *page,
                 slot_t *slot);

/* The same in two steps, of which the first takes nearly all the time and
 * no memory, and can't fail.  The stream stays the caller's between them,
 * and is used for nothing else; PAGE stays as it is.
 */
struct encoding {
  const void *page;
  const void *data;             /* of the object; NULL: it is HUGE */
  uint32_t length;
  unsigned codec;
  slot_t slot;                  /* no object is needed for it, or EMPTY */
  uint64_t word, sum;
  bool may_share;               /* the object of an identical page */
  bool has_sum, has_looked;     /* for that */
  bool maintenance;             /* as of take_object */
};
void encode_begin (struct device *d, struct stream *stream, const void *page,
                   struct encoding *e);
int encode_end (struct device *d, struct stream *stream, struct encoding *e,
                slot_t *slot);

/* A slot, OLD now and locked, is going to be replaced, in a few
 * microseconds and in a fraction of one: bring to the cache what dedup
 * will look at then.
 */
void foresee_header (struct device *d, slot_t old);
void foresee_release (struct device *d, slot_t old);

/* The same from LENGTH bytes of output of codec number CODEC. */
int encode_stored (struct device *d, unsigned codec, const void *page,
                   const void *data, uint32_t length, slot_t *slot);

/* Share the object of a page identical to PAGE, if dedup is on and finds
 * one of a smaller size class than BELOW; the slot for it, or SLOT_EMPTY.
 */
slot_t encode_shared (struct device *d, struct stream *stream,
                      const void *page, uint32_t below);

/* Can the object of SLOT be in dedup's index? */
static inline bool
is_dedupable (slot_t slot)
{
  return slot_has_object (slot) && !slot_is_group (slot)
    && !slot_is_same_stored (slot);
}

/* By what dedup finds the object of SLOT, which it may know. */
uint32_t slot_fingerprint (const struct device *d, slot_t slot);

static inline unsigned
dedup_scope (const struct device *d)
{
  return d->pool->options.dedup == DEDUP_DEVICE ? d->number
                                                : DEDUP_SCOPE_POOL;
}

/* Write the page of SLOT, whose object is in the arena if there is one,
 * and whose lock is held, to DST.  0, or -1 with errno EIO.
 */
int decode_slot (struct device *d, struct stream *stream, slot_t slot,
                 void *dst);

/* The same from a copy of its OBJECT, wherever that was. */
int decode_object (struct device *d, struct stream *stream, slot_t slot,
                   const uint8_t *object, void *dst);

/* SLOT has been replaced, or was never published: its page no longer
 * refers to its object.  One that lies about its object frees nothing.
 */
void release_slot (struct device *d, slot_t slot);

/* SLOT, which names an object in the backing file, is about to be
 * published: its place is taken.
 */
void claim_written_back (struct device *d, slot_t slot);

/* Attach: SLOT's page refers to its object.  Single-threaded.  0, or -1
 * with errno EUCLEAN when there can't be such an object, ENOMEM when it
 * could not be noted, ENXIO when it is in a backing file, of which there
 * is none.
 */
int claim_slot (struct device *d, slot_t slot);

/* Count SLOT as coming to be (BY 1) or ceasing to be (BY -1). */
void count_slot (struct device *d, slot_t slot, int by);

#endif /* NBDZRAM_ENCODE_H */
