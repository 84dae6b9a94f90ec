/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device: one exported disk, an array of pages in a pool.
 *
 * Requests are of any offset and length within the device, which the
 * caller checks; whole pages are fastest.  Any number of threads may
 * call; requests that overlap are ordered page by page.  All return 0,
 * or -1 with errno set:
 *   EIO     a page is damaged: never wrong data
 *   ENOSPC  no memory: each page has its old content or its new one
 *   EDQUOT  the same, since the device holds as much as it may
 * After an error, pages before the one that failed have been written.
 */

#ifndef NBDZRAM_STORE_DEVICE_H
#define NBDZRAM_STORE_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "table.h"

#define DEVICE_SIZE_MAX PIB

/* Requests since the process began. */
struct device_counters {
  _Alignas (CACHE_LINE) _Atomic uint64_t reads;
  _Atomic uint64_t read_bytes;
  _Atomic uint64_t writes;
  _Atomic uint64_t write_bytes;
  _Atomic uint64_t trims;       /* and zeroes */
  _Atomic uint64_t failed;      /* of any kind */
};

struct device {
  struct pool *pool;
  unsigned number;              /* of its record */
  unsigned users, pins;         /* devices.h; pool->devices_lock */
  _Atomic bool removed;
  bool resizing;                /* no one else may use it; as users */
  uint64_t id;                  /* of its record */
  char name[DEVICE_NAME_MAX + 1];
  uint64_t size;                /* bytes */
  uint64_t pages;               /* the last one may be cut short */
  struct table table;
  unsigned method;              /* by which its new pages are compressed
                                 * (stream.h) */
  void *_Atomic extra;          /* of who serves it; set once */
  void (*_Atomic free_extra) (void *extra); /* called at its end, if set */

  /* What follows changes with each request, what is above seldom does. */
  _Alignas (CACHE_LINE)
  struct budget held;           /* its objects and table; the limit is its
                                 * quota (device_set_quota) */
  struct device_counters counters;
  _Atomic uint64_t counts[SLOT_KIND_MASK + 1]; /* pages, by slot's kind */
  _Atomic uint64_t same_stored; /* same-filled ones among the STORED */
};

int device_read (struct device *d, void *buf, uint32_t count,
                 uint64_t offset);
int device_write (struct device *d, const void *buf, uint32_t count,
                  uint64_t offset);

/* Make a range read as zeroes; whole pages give their memory back, also when
 * a part of a page at either end then fails.
 */
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

#endif /* NBDZRAM_STORE_DEVICE_H */
