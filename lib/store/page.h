/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page path: reading, writing and trimming one page.
 *
 * A write builds the new object whole, publishes it with one atomic store to
 * the slot, and only then frees the old object.  If the process is killed at
 * any point, the page has its old or its new content; if the write fails, its
 * old content.
 *
 * Parameters: INDEX is the page; OFFSET and COUNT are bytes within it.  The
 * caller owns *STREAM.  If the page must be read from the backing file, it is
 * exchanged for another stream, since a stream must not wait for a disk; with
 * (*STREAM)->must_not_wait set, the function fails with EAGAIN instead.
 * Functions return 0, or -1 with errno as in device.h.
 */

#ifndef NBDZRAM_STORE_PAGE_H
#define NBDZRAM_STORE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/codec/stream.h"
#include "attach-result.h"
#include "device-types.h"

int page_read (struct device *d, struct stream **stream, uint64_t index,
               void *buf, uint32_t offset, uint32_t count);
int page_write (struct device *d, struct stream **stream, uint64_t index,
                const void *buf, uint32_t offset, uint32_t count);

/* Write zeroes to part of a page. */
int page_zero (struct device *d, struct stream **stream, uint64_t index,
               uint32_t offset, uint32_t count);

/* Make a whole page empty, even if it is damaged. */
void page_trim (struct device *d, uint64_t index);

/* The same if the page's slot is still SLOT; otherwise returns false. */
bool page_trim_if (struct device *d, uint64_t index, slot_t slot);

/* Attach: claim and count what SLOT, the slot of page INDEX, names.  A slot
 * that can't be right becomes BAD.  Single-threaded.  ATTACH_FAILED has errno
 * ENOTSUP (its codec is not built in), ENOMEM or ENOSPC (no memory to
 * decompress with).
 */
enum attach_result page_attach (struct device *d, uint64_t index,
                                slot_t slot);

#endif /* NBDZRAM_STORE_PAGE_H */
