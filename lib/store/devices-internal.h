/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about a pool's devices share: devices.c (creating, finding
 * and removing), devices-attach.c and device-resize.c.
 *
 * A device is put into pool->devices with devices_lock held, and taken out
 * with maintenance and devices_lock held.  So either of these locks keeps
 * the devices that are there.
 */

#ifndef NBDZRAM_STORE_DEVICES_INTERNAL_H
#define NBDZRAM_STORE_DEVICES_INTERNAL_H

#include "devices.h"

/* Allocate the device of RECORD, which has number N, and open its table.
 * Returns NULL with errno ENOMEM.
 */
struct device *device_new (struct pool *pool, unsigned n,
                           const struct device_record *record);

/* Free D, which is not in pool->devices. */
void device_free (struct device *d);

/* Open as T the table that RECORD of device D names.  0, or -1 with errno
 * ENOMEM.
 */
int device_open_table (struct device *d, const struct device_record *record,
                       struct table *t);

void device_set_size (struct device *d, uint64_t size);

/* Wait until D is no longer pinned.  devices_lock is held, and released
 * meanwhile.
 */
void device_wait_for_pins (struct device *d);

#endif /* NBDZRAM_STORE_DEVICES_INTERNAL_H */
