/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between a page's bytes and what a slot says: makes objects, and reads
 * them.  What is published where is for others (page.h).
 *
 * A STORED object is a checksum of the page, then codec output; a HUGE
 * one is the page; for a GROUP see group.h.
 */

#ifndef NBDZRAM_STORE_ENCODE_H
#define NBDZRAM_STORE_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/codec/stream.h"
#include "device-objects.h"

/* Make the object for PAGE by the device's algorithm, and put what
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
void prefetch_header (struct device *d, slot_t old);
void prefetch_release (struct device *d, slot_t old);

/* As encode_page, from LENGTH bytes of output of codec number CODEC. */
int encode_stored (struct device *d, unsigned codec, const void *page,
                   const void *data, uint32_t length, slot_t *slot);

/* Share the object of a page identical to PAGE, if dedup is on and finds
 * one of a smaller size class than BELOW; the slot for it, or SLOT_EMPTY.
 */
slot_t encode_shared (struct device *d, struct stream *stream,
                      const void *page, uint32_t below);

/* Write the page of SLOT, whose object is in the arena if there is one,
 * and whose lock is held, to DST.  0, or -1 with errno EIO.
 */
int decode_slot (struct device *d, struct stream *stream, slot_t slot,
                 void *dst);

/* The same from a copy of its OBJECT, wherever that was. */
int decode_object (struct device *d, struct stream *stream, slot_t slot,
                   const uint8_t *object, void *dst);

#endif /* NBDZRAM_STORE_ENCODE_H */
