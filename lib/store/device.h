/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device: one exported disk, an array of pages in a pool.
 *
 * A request may have any OFFSET and COUNT, in bytes, within the device; the
 * caller checks that.  Whole pages are fastest.  Any number of threads may
 * call; requests that overlap are ordered page by page.  All functions
 * return 0, or -1 with errno set:
 *   EIO     a page is damaged; wrong data is never returned
 *   ENOSPC  no memory: each page has its old content or its new one
 *   EDQUOT  the same, since the device holds as much as its quota allows
 * After an error, pages before the one that failed have been written.
 */

#ifndef NBDZRAM_STORE_DEVICE_H
#define NBDZRAM_STORE_DEVICE_H

#include <stdint.h>

#include "device-types.h"

int device_read (struct device *d, void *buf, uint32_t count,
                 uint64_t offset);
int device_write (struct device *d, const void *buf, uint32_t count,
                  uint64_t offset);

/* Make a range read as zeroes.  Whole pages give their memory back, even if
 * a part of a page at either end then fails.
 */
int device_zero (struct device *d, uint64_t count, uint64_t offset);

/* The same for a thread that must not wait for the backing file or for
 * memory.  EAGAIN: the request would wait, or may have to.  Then it has been
 * executed in part or not at all, and is not counted: call the function above,
 * with the same arguments.
 */
int device_try_read (struct device *d, void *buf, uint32_t count,
                     uint64_t offset);
int device_try_write (struct device *d, const void *buf, uint32_t count,
                      uint64_t offset);
int device_try_zero (struct device *d, uint64_t count, uint64_t offset);

/* What a range holds. */
enum extent_kind {
  EXTENT_DATA,
  EXTENT_ZERO,                  /* written, all zero */
  EXTENT_HOLE,                  /* nothing stored */
};

/* Call FN for the extents of a range, in order, without gaps, each as long
 * as can be told from slots alone.  FN returns 0 to go on, or -1 to stop;
 * then the function returns -1 with FN's errno.
 */
int device_extents (struct device *d, uint64_t count, uint64_t offset,
                    int (*fn) (void *opaque, uint64_t offset, uint64_t length,
                               enum extent_kind kind),
                    void *opaque);

#endif /* NBDZRAM_STORE_DEVICE_H */
