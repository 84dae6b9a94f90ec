/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of clients, as every program that serves the exports executes
 * them: on a device that exports_use returned, within its size.
 *
 * Functions return 0, or -1 with errno, after a line in the log:
 *   EIO        a page is damaged, or can't be reached
 *   ENOSPC     no memory, or the export's quota is used up
 *   ESHUTDOWN  the export has been removed, or the server ends; without a
 *              line
 *   EAGAIN     the request would wait, and MAY_WAIT is false; without a line:
 *              call the function again in a thread that may wait
 */

#ifndef NBDZRAM_SERVICE_REQUESTS_H
#define NBDZRAM_SERVICE_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/device.h"

/* A full pool, or export, fails requests by the thousand: this is logged
 * once, until a request of that export succeeds again.
 */
int request_read (struct device *d, void *buf, uint32_t count,
                  uint64_t offset, bool may_wait);
int request_write (struct device *d, const void *buf, uint32_t count,
                   uint64_t offset, bool may_wait);
int request_zero (struct device *d, uint64_t count, uint64_t offset,
                  bool may_wait);

/* Clients trim to get memory back, and must not fail for want of it: then
 * parts of pages keep their data, which the protocol allows.
 */
int request_trim (struct device *d, uint64_t count, uint64_t offset,
                  bool may_wait);

/* As device_extents.  ON_EXTENT returns -1 with errno 0 to leave out the rest;
 * then the function succeeds.
 */
int request_extents (struct device *d, uint64_t count, uint64_t offset,
                     int (*on_extent) (void *opaque, uint64_t offset,
                                       uint64_t length, enum extent_kind kind),
                     void *opaque);

#endif /* NBDZRAM_SERVICE_REQUESTS_H */
