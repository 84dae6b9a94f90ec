/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of a pool: creating, finding, changing and removing them.
 *
 * A caller that sends requests to a device uses it, from device_find,
 * device_add or device_open until device_put.  device_remove hides a device:
 * it can no longer be found, and stays for its present users, which notice by
 * device_is_removed and call device_put.  The last of these frees it.
 *
 * A caller that only looks at all devices pins them one by one instead
 * (device_pin_next).
 *
 * Unless it says otherwise, a function may be called by any thread at any
 * time between pool_start and pool_close, with no lock held.
 */

#ifndef NBDZRAM_STORE_DEVICES_H
#define NBDZRAM_STORE_DEVICES_H

#include "attach-result.h"
#include "device.h"

/* Open all devices that the pool file has a record of, claim what their slots
 * name, and finish the removal of devices.  Called by pool_start, which has
 * the errors.
 */
enum attach_result devices_attach (struct pool *pool);

/* Free all devices.  Called by pool_close. */
void devices_close (struct pool *pool);

/* Use the device called NAME.  Returns NULL with errno ENOENT, or EBUSY while
 * it is being resized.
 */
struct device *device_find (struct pool *pool, const char *name);

/* Create a device of SIZE bytes, and use it.  SETTINGS are recorded for the
 * caller and mean nothing here.  Pages written to the device are compressed by
 * ALGORITHM, which the caller keeps and which has no dictionary.  ALGORITHM
 * NULL stands for the pool's algorithm, also when that changes.
 *
 * Returns NULL with errno set, and changes nothing:
 *   EEXIST        there is a device called NAME
 *   ENAMETOOLONG  NAME or SETTINGS are too long
 *   EINVAL        SIZE is 0, or more than DEVICE_SIZE_MAX
 *   ENOSPC        no memory, or there are POOL_DEVICES_MAX devices
 *   ENOMEM
 *   EMLINK        devices have METHODS_OF_DEVICES other algorithms
 */
struct device *device_add (struct pool *pool, const char *name, uint64_t size,
                           const char *settings,
                           const struct algorithm *algorithm);

/* Use the device called NAME, or create it with SIZE bytes.  An existing
 * device keeps its size.
 */
struct device *device_open (struct pool *pool, const char *name,
                            uint64_t size);

/* End a use of D.  The last user of a removed device frees it, which takes as
 * long as trimming all of it, and may wait for a job of maintenance.
 */
void device_put (struct device *d);

/* Remove a device that the caller uses: device_find does not find it from now
 * on, nor after a kill.  Its memory is freed when the last user calls
 * device_put.  If there are other users, the caller may trim it to free its
 * pages earlier.
 */
void device_remove (struct device *d);

static inline bool
device_is_removed (const struct device *d)
{
  return atomic_load_explicit (&d->removed, memory_order_relaxed);
}

/* Change the size of a device, of which the caller must be the only user, to
 * SIZE bytes.  Data beyond a smaller end is lost; added pages read as zeroes.
 * After a kill the device has its old size or the new one.  0, or -1 with
 * errno EBUSY (the device has another user), EINVAL, ENOENT (it was removed),
 * ENOMEM or ENOSPC.  Then nothing has changed, except that the data beyond a
 * smaller end may be lost.
 */
int device_resize (struct device *d, uint64_t size);

/* Record other settings, of at most DEVICE_SETTINGS_MAX bytes. */
void device_set_settings (struct device *d, const char *settings);

/* Set the algorithm of a device that was found in the pool: its record does
 * not include it.  Pages already written stay as they are.  Memory is taken
 * without regard to mem_limit, as by pool_start, since the pool must serve the
 * device.  To be called before there are requests, or other threads.  0, or
 * -1 with errno ENOMEM or EMLINK.
 */
int device_set_algorithm (struct device *d, const struct algorithm *algorithm);

/* From now on the device may hold at most BYTES of memory; 0: no limit but the
 * pool's.  What it already holds beyond that stays, and maintenance may hold
 * one object more while it replaces another.  Its objects and its table count.
 * In a pool where pages of several devices may share objects (DEDUP_POOL, now
 * or earlier), only the table counts.
 */
void device_set_quota (struct device *d, uint64_t bytes);

/* To visit all devices: unpin D, and pin and return the next device, or the
 * first if D is NULL.  A pinned device is not freed, and its table is not
 * replaced.  Returns NULL after the last one.  device_unpin ends a visit
 * early.
 */
struct device *device_pin_next (struct pool *pool, struct device *d);
void device_unpin (struct device *d);

#endif /* NBDZRAM_STORE_DEVICES_H */
