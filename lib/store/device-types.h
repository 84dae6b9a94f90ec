/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a device consists of.  device.h serves its requests; devices.h
 * creates, finds and removes devices.
 */

#ifndef NBDZRAM_STORE_DEVICE_TYPES_H
#define NBDZRAM_STORE_DEVICE_TYPES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pool-types.h"
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
  unsigned users, pins;         /* devices.h; under pool->devices_lock */
  _Atomic bool removed;
  bool resizing;                /* no other user may come; under
                                 * pool->devices_lock */
  uint64_t id;                  /* of its record */
  char name[DEVICE_NAME_MAX + 1];
  uint64_t size;                /* bytes */
  uint64_t pages;               /* the last one may be cut short */
  struct table table;
  unsigned method;              /* by which its new pages are compressed
                                 * (stream.h) */
  void *_Atomic extra;          /* belongs to the front end; set once */
  void (*_Atomic free_extra) (void *extra); /* called when the device is
                                 * freed, if set */

  /* What follows changes with each request, what is above seldom does. */
  _Alignas (CACHE_LINE)
  struct budget held;           /* its objects and table; the limit is its
                                 * quota (device_set_quota) */
  struct device_counters counters;
  _Atomic uint64_t counts[SLOT_KIND_MASK + 1]; /* pages, by slot's kind */
  _Atomic uint64_t same_stored; /* same-filled ones among the STORED */
};

#endif /* NBDZRAM_STORE_DEVICE_TYPES_H */
