/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page path: what happens to one page.
 *
 * A store builds the new object whole, publishes it with one atomic
 * store to the slot, and only then frees the old one.  Killed anywhere,
 * the page has its old or its new content; failing anywhere, its old.
 *
 * Parameters: INDEX is the page; OFFSET and COUNT are bytes within it,
 * and *STREAM is the caller's, who gets another one where the page must
 * be read from the backing file: streams are not to wait for a disk.
 * Errors as in device.h.
 */

#ifndef NBDZRAM_STORE_PAGE_H
#define NBDZRAM_STORE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/codec/stream.h"
#include "device-types.h"

int page_read (struct device *d, struct stream **stream, uint64_t index,
               void *buf, uint32_t offset, uint32_t count);
int page_write (struct device *d, struct stream **stream, uint64_t index,
                const void *buf, uint32_t offset, uint32_t count);

/* Write zeroes to part of a page. */
int page_zero (struct device *d, struct stream **stream, uint64_t index,
               uint32_t offset, uint32_t count);

/* Forget a whole page, damaged or not. */
void page_trim (struct device *d, uint64_t index);

/* The same, of a page whose slot still is SLOT.  Returns whether. */
bool page_trim_if (struct device *d, uint64_t index, slot_t slot);

/* Attach: take what SLOT says into account.  A slot that can't be true
 * becomes BAD.  Single-threaded.  Returns -1 with errno ENOTSUP when its
 * codec is not built in, ENOMEM or ENOSPC when there is no memory to
 * decompress with, ENXIO or ESTALE as claim_slot.
 */
int page_attach (struct device *d, uint64_t index, slot_t slot);

#endif /* NBDZRAM_STORE_PAGE_H */
