/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encoding and decoding: makes the object and the slot for the bytes of a
 * page, and reads the page back from them.  The caller publishes the slot
 * (page.h).
 *
 * A STORED object is a checksum of the page, then codec output; a HUGE
 * object is the page; for a GROUP see group.h.
 */

#ifndef NBDZRAM_STORE_ENCODE_H
#define NBDZRAM_STORE_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/codec/stream.h"
#include "device-objects.h"

/* Make the object for PAGE by the device's algorithm, and put the slot for it
 * in *SLOT.  The caller publishes the slot, or calls release_slot.  0, or -1
 * with errno ENOSPC or EDQUOT.
 */
int encode_page (struct device *d, struct stream *stream, const void *page,
                 slot_t *slot);

/* The same, for a page whose object is of another algorithm.  An existing
 * object is shared only if it is of the device's present algorithm.
 */
int encode_anew (struct device *d, struct stream *stream, const void *page,
                 slot_t *slot);

/* The same as encode_page, in two steps.  The first takes nearly all the time
 * and no memory of the pool, and can't fail.  Between the steps the caller
 * keeps the stream, uses it for nothing else, and does not change PAGE.
 */
struct encoding {
  const void *page;
  const void *data;             /* codec output; NULL: the object is HUGE */
  uint32_t length;              /* of data, in bytes */
  unsigned codec;
  slot_t slot;                  /* known without a new object; or EMPTY */
  uint64_t word;                /* of a same-filled page */
  uint64_t sum;                 /* checksum of the page, if has_sum */
  bool may_share;               /* may share the object of an identical page */
  bool has_sum;
  bool has_looked;              /* for an object to share */
  bool maintenance;             /* as in take_object */
};
void encode_begin (struct device *d, struct stream *stream, const void *page,
                   struct encoding *e);
int encode_end (struct device *d, struct stream *stream, struct encoding *e,
                slot_t *slot);

/* The slot OLD, whose lock is held, will soon be replaced.  Bring what dedup
 * will then need into the processor's cache: prefetch_header the object's
 * header, some microseconds before; prefetch_release the node in the index,
 * which needs that header, a fraction of a microsecond before.
 */
void prefetch_header (struct device *d, slot_t old);
void prefetch_release (struct device *d, slot_t old);

/* As encode_page, from LENGTH bytes of output of codec number CODEC, for
 * maintenance.
 */
int encode_stored (struct device *d, unsigned codec, const void *page,
                   const void *data, uint32_t length, slot_t *slot);

/* Share the object of a page identical to PAGE, if dedup is on and finds one
 * of a smaller size class than BELOW.  Returns its slot, or SLOT_EMPTY.
 */
slot_t encode_shared (struct device *d, struct stream *stream,
                      const void *page, uint32_t below);

/* Write the page of SLOT, whose lock is held, to DST.  If SLOT names an
 * object, that is in the arena.  0, or -1 with errno EIO.
 */
int decode_slot (struct device *d, struct stream *stream, slot_t slot,
                 void *dst);

/* The same from a copy of its OBJECT, from the arena or the backing file. */
int decode_object (struct device *d, struct stream *stream, slot_t slot,
                   const uint8_t *object, void *dst);

#endif /* NBDZRAM_STORE_ENCODE_H */
