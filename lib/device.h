/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device: one exported disk, an array of pages in a pool.
 *
 * Requests are of any offset and length within the device, which the
 * caller checks; whole pages are fastest.  Any number of threads may
 * call; requests that overlap are ordered page by page.  All return 0,
 * or -1 with errno set:
 *   EIO     a page is damaged: never wrong data
 *   ENOSPC  no memory: each page has its old content or its new one
 * After an error, pages before the one that failed have been written.
 */

#ifndef NBDZRAM_DEVICE_H
#define NBDZRAM_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "table.h"

#define DEVICE_SIZE_MAX PIB

struct device {
  struct pool *pool;
  unsigned number;              /* of its record */
  char name[DEVICE_NAME_MAX + 1];
  uint64_t size;                /* bytes */
  uint64_t pages;               /* the last one may be cut short */
  struct table table;
  _Atomic uint64_t counts[SLOT_KIND_MASK + 1]; /* pages, by slot's kind */
  _Atomic uint64_t same_stored; /* same-filled ones among the STORED */
};

/* Open the device called NAME, or create it with SIZE bytes.  An
 * existing one has the size it has.  The device belongs to the pool and
 * is closed with it.  NULL with errno set: ENAMETOOLONG, ENOSPC, ENOMEM,
 * EINVAL (SIZE is 0, or more than DEVICE_SIZE_MAX).
 */
struct device *device_open (struct pool *pool, const char *name,
                            uint64_t size);

int device_read (struct device *d, void *buf, uint32_t count,
                 uint64_t offset);
int device_write (struct device *d, const void *buf, uint32_t count,
                  uint64_t offset);

/* Make a range read as zeroes; whole pages give their memory back. */
int device_zero (struct device *d, uint64_t count, uint64_t offset);

/* What a range holds, without reading it. */
enum extent_kind {
  EXTENT_DATA,
  EXTENT_ZERO,                  /* written, all zero */
  EXTENT_HOLE,                  /* nothing stored */
};

/* Call FN for the extents of a range, in order, without gaps, each as
 * long as it can be told.  FN returns 0 to go on, -1 to stop with its
 * own errno.
 */
int device_extents (struct device *d, uint64_t count, uint64_t offset,
                    int (*fn) (void *opaque, uint64_t offset, uint64_t length,
                               enum extent_kind kind),
                    void *opaque);

#endif /* NBDZRAM_DEVICE_H */
