/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups: several neighbouring idle pages compressed into one object.
 *
 * A codec finds more repetition in several pages, so the pages of a group
 * take a seventh less memory than each by itself.  Reading one of them takes
 * as long as reading all.
 *
 * A group has as many pages as fit in an object of at most a page.  On the
 * heaps of node and python, of which zstd compresses 3.7 pages into one such
 * object, objects of up to four pages would gain another 5 %, and lose most
 * of it to the coarse size classes that they need.
 *
 * group-header.h has the layout of the object and its references.
 */

#ifndef NBDZRAM_STORE_GROUP_H
#define NBDZRAM_STORE_GROUP_H

#include <stdint.h>

#include "lib/codec/stream.h"
#include "device-objects.h"
#include "group-header.h"

/* Write the page of SLOT, whose group is OBJECT, to DST.  0, or -1 with errno
 * EIO: it is damaged.
 */
int group_decode (struct device *d, struct stream *stream, slot_t slot,
                  const uint8_t *object, void *dst);

/* Make a group of the COUNT pages at PAGES, which codec number CODEC has
 * compressed to LENGTH bytes of DATA, and put the slot of place 0 in *SLOT.
 * The bits of all its places and of the builder are set.  The caller
 * publishes the slots, releases those that it can't publish, and then calls
 * group_finish.  0, or -1 with errno ENOSPC.
 */
int group_build (struct device *d, unsigned codec, const void *pages,
                 unsigned count, const void *data, uint32_t length,
                 slot_t *slot);

/* Copy a group of BYTES bytes, header included, to DST, where the bits LIVE
 * are set.  Other threads may clear bits of OBJECT meanwhile.
 */
void group_copy (const uint8_t *object, uint32_t bytes, uint32_t live,
                 uint8_t *dst);

/* The builder has published what it could: clear its bit. */
void group_finish (struct device *d, slot_t slot);

/* How many pages refer to the group of SLOT, the slot at INDEX, and in *PAGES
 * of how many it was built; 0 if the slot has changed.  Takes the slot's lock.
 */
unsigned group_count_live (struct device *d, uint64_t index, slot_t slot,
                           unsigned *pages);

/* Attach: let streams read the group of SLOT, or any group.  Errors are those
 * of streams_add_codec.
 */
int group_attach_codec (struct device *d, slot_t slot);
int group_attach_any_codec (struct device *d);

#endif /* NBDZRAM_STORE_GROUP_H */
