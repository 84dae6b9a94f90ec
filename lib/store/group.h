/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups: several neighbouring idle pages compressed into one object.
 *
 * A codec sees more of what repeats, so that the pages of a group take a
 * seventh less than each by itself; reading one of them takes the time
 * of all.  A group is as many pages as fit in an object of at most a
 * page: on the heaps of node and python, of which zstd makes 3.7 pages
 * one such object, objects of up to four pages would gain another 5 %,
 * and lose most of it to the coarse size classes that they need.
 */

#ifndef NBDZRAM_STORE_GROUP_H
#define NBDZRAM_STORE_GROUP_H

#include <stdint.h>

#include "lib/codec/stream.h"
#include "device-objects.h"
#include "group-header.h"

/* Write the page of SLOT, whose group is OBJECT, to DST. */
int group_decode (struct device *d, struct stream *stream, slot_t slot,
                  const uint8_t *object, void *dst);

/* Make a group of the COUNT pages at PAGES, which compressed to LENGTH
 * bytes of DATA by codec number CODEC.  All its places, and that of the
 * builder, are live: the caller leaves those that it does not publish.
 * Puts the slot of place 0 in *SLOT.  0, or -1 with errno ENOSPC.
 */
int group_build (struct device *d, unsigned codec, const void *pages,
                 unsigned count, const void *data, uint32_t length,
                 slot_t *slot);

/* Copy a group of so many BYTES, header included, whose bits others may
 * be clearing, to DST, where LIVE are set.
 */
void group_copy (const uint8_t *object, uint32_t bytes, uint32_t live,
                 uint8_t *dst);

/* The builder has published what it could. */
void group_built (struct device *d, slot_t slot);

/* How many pages share the group of SLOT, the page at INDEX, and in
 * *PAGES, how many it was built of; 0 if the slot has changed.  Takes the
 * slot's lock.
 */
unsigned group_live (struct device *d, uint64_t index, slot_t slot,
                     unsigned *pages);

/* Attach: let streams read the group of SLOT, or any group.  Errors are those
 * of streams_add_codec.
 */
int group_attach_codec (struct device *d, slot_t slot);
int group_attach_any_codec (struct device *d);

#endif /* NBDZRAM_STORE_GROUP_H */
