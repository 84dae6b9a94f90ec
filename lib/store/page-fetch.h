/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading pages whose objects are in the backing file.
 *
 * The backing file is read without a slot's lock and without a stream, since
 * both are needed by requests that do not wait for a disk.  So the slot may
 * change during the read.  backing_read_begin keeps freed blocks from being
 * written to until backing_read_end: if the slot is unchanged after the read,
 * the bytes read are its object's.
 *
 * What is read is verified.  If the checksum of the block or of the page does
 * not match, each replica of a replicated backing device is tried in turn.
 */

#ifndef NBDZRAM_STORE_PAGE_FETCH_H
#define NBDZRAM_STORE_PAGE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/codec/stream.h"
#include "device-types.h"

/* How an attempt to read a page ended.  Each function says which of these
 * it returns.
 */
enum read_result {
  READ_OK,
  READ_WRITTEN_BACK,            /* the page is in the backing file, which can't
                                 * be read under the slot's lock */
  READ_SLOT_CHANGED,            /* during the read: try again with the slot as
                                 * it is now */
  READ_DAMAGED,                 /* what was read is not what was written: a
                                 * checksum does not match */
  READ_DISCONNECTED,            /* the replica has no connection, and was not
                                 * waited for */
  READ_FAILED,                  /* errno is set */
};

/* Read page INDEX, which was found written back, to DST, or to
 * (*STREAM)->page if DST is NULL.  *STREAM is exchanged for another one when
 * the backing file is read.  The page is also brought to memory while there
 * is room; with MUST_STAY it always is, or the function fails.
 *
 * Returns READ_OK, READ_SLOT_CHANGED, or READ_FAILED with errno EIO (the
 * page is damaged or can't be read) or, with MUST_STAY, ENOSPC or EDQUOT.
 */
enum read_result page_fetch (struct device *d, struct stream **stream,
                             uint64_t index, void *dst, bool must_stay);

/* Is OBJECT, which was read from where SLOT says that it lies in the backing
 * file, as it was written?  Returns false, too, when the slot has changed.
 * Takes the slot's lock and a stream.
 */
bool page_is_intact (struct device *d, uint64_t index, slot_t slot,
                     const uint8_t *object);

/* Count that the backing file returned something other than what was
 * written back.
 */
void page_count_stale (struct pool *pool);

#endif /* NBDZRAM_STORE_PAGE_FETCH_H */
