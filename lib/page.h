/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page path: what happens to one page.
 *
 * A store builds the new object whole, publishes it with one atomic
 * store to the slot, and only then frees the old one.  Killed anywhere,
 * the page has its old or its new content; failing anywhere, its old.
 *
 * Parameters: INDEX is the page; OFFSET and COUNT are bytes within it,
 * and a stream is the caller's.  Errors as in device.h.
 */

#ifndef NBDZRAM_PAGE_H
#define NBDZRAM_PAGE_H

#include <stdint.h>

#include "device.h"
#include "stream.h"

/* What lies before the codec's output in an object: the checksum. */
#define OBJECT_HEADER_SIZE sizeof (uint32_t)

int page_read (struct device *d, struct stream *stream, uint64_t index,
               void *buf, uint32_t offset, uint32_t count);
int page_write (struct device *d, struct stream *stream, uint64_t index,
                const void *buf, uint32_t offset, uint32_t count);

/* Write zeroes to part of a page. */
int page_zero (struct device *d, struct stream *stream, uint64_t index,
               uint32_t offset, uint32_t count);

/* Forget a whole page, damaged or not. */
void page_trim (struct device *d, uint64_t index);

/* Attach: take what SLOT says into account.  A slot that can't be true
 * becomes BAD.  Single-threaded.  Returns -1 with errno ENOTSUP when its
 * codec is not built in, ENOMEM or ENOSPC when there is no memory to
 * decompress with.
 */
int page_attach (struct device *d, uint64_t index, slot_t slot);

/* Compaction: move the page's object if its zspage is being emptied
 * (SINK false), or down within its zspage (SINK true).
 */
void page_compact (struct device *d, uint64_t index, bool sink);

#endif /* NBDZRAM_PAGE_H */
