/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of a pool: how they come to be, are found, and go.
 *
 * Who sends requests to a device uses it, until device_put; a device that
 * was removed while it is used stays for its users, who are to notice and
 * to leave, and nobody finds it any more.
 *
 * Unless it is said otherwise, any thread may call at any time between
 * pool_start and pool_close, with no lock held.
 */

#ifndef NBDZRAM_STORE_DEVICES_H
#define NBDZRAM_STORE_DEVICES_H

#include "device.h"

/* Find all that the pool file has a record of, with what they hold, and
 * finish what was being removed.  For pool_start: errors as there.
 */
int devices_attach (struct pool *pool);

/* For pool_close. */
void devices_close (struct pool *pool);

/* Use the device called NAME.  NULL with errno ENOENT, or EBUSY while it is
 * being resized.
 */
struct device *device_find (struct pool *pool, const char *name);

/* Make one of SIZE bytes, with SETTINGS that are the caller's matter, and
 * use it.  What is written to it is compressed by ALGORITHM, which stays the
 * caller's and has no dictionary; or, if that is NULL, by that of the pool,
 * whichever it is at the time.  NULL with errno set: EEXIST, ENAMETOOLONG,
 * EINVAL (SIZE is 0, or more than DEVICE_SIZE_MAX), ENOSPC (also: no more than
 * POOL_DEVICES_MAX), ENOMEM, EMLINK (no more than METHODS_OF_DEVICES other
 * algorithms); then all is as it was.
 */
struct device *device_add (struct pool *pool, const char *name, uint64_t size,
                           const char *settings,
                           const struct algorithm *algorithm);

/* The one or the other; an existing one has the size it has. */
struct device *device_open (struct pool *pool, const char *name,
                            uint64_t size);

/* Use it no longer.  May wait for a job of maintenance, and take as long
 * as trimming all of it, if it was removed and this was its last user.
 */
void device_put (struct device *d);

/* Remove a device that the caller uses: device_find does not find it from
 * now on, nor after a kill.  Its memory goes back when the last user calls
 * device_put; where others still use it, the caller may trim it before.
 */
void device_remove (struct device *d);

static inline bool
device_is_removed (const struct device *d)
{
  return atomic_load_explicit (&d->removed, memory_order_relaxed);
}

/* Give a device, of which the caller must be the only user, SIZE bytes;
 * what was beyond is gone, what is new reads as zeroes.  After a kill it
 * has its old size or the new one.  0, or -1 with errno set: EBUSY
 * (another uses it), EINVAL, ENOENT (it was removed), ENOMEM, ENOSPC; then
 * all is as it was, but for the data beyond a smaller end.
 */
int device_resize (struct device *d, uint64_t size);

/* Record other settings, of up to DEVICE_SETTINGS_MAX bytes. */
void device_set_settings (struct device *d, const char *settings);

/* The same for one that was found in the pool, whose record doesn't say it:
 * what is there already stays as it is.  Since the pool must serve it, memory
 * is taken without regard to the limit, as by pool_start.  Before there are
 * requests, or other threads.  0, or -1 with errno ENOMEM, EMLINK.
 */
int device_set_algorithm (struct device *d, const struct algorithm *algorithm);

/* Let it hold BYTES of memory from now on; 0: no limit but the pool's.
 * What it has beyond that stays, and maintenance may have one object more
 * while it replaces another.  Its pages' objects and its table count;
 * but where pages of several devices may share an object (DEDUP_POOL, now
 * or once), only the table does.
 */
void device_set_quota (struct device *d, uint64_t bytes);

/* For who looks at all of them: the device after D, or the first if that
 * is NULL.  It can't go while it is looked at, until the next call, or
 * device_unpin.
 */
struct device *device_pin_next (struct pool *pool, struct device *d);
void device_unpin (struct device *d);

#endif /* NBDZRAM_STORE_DEVICES_H */
