/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue settings of /dev/nbdN (/sys/block/nbdN/queue): what they are set
 * to while the device is attached, and how they are restored.
 *
 *   scheduler      none: no disk gains from sorted requests
 *   wbt_lat_usec   0, no writeback throttling.  It slows down programs that
 *                  write when reads take long, and it counts swapping out as
 *                  writing.  While a pool was full, killed programs were
 *                  seen to wait there for 25 to 43 seconds.
 *   max_sectors_kb KERNEL_REQUEST_KIB at most.  A hardened server has buffers
 *                  for requests of that size.  For a larger one it would ask
 *                  for memory, which may be short, while the kernel swaps.
 *                  The kernel does not take the limit that the server
 *                  announces from its client, and has 1280 by default.
 *   rotational     0, or the kernel looks for adjacent pages
 *   io_timeout     set by the kernel's NBD client when it connects, and not
 *                  restored by it: the requests of the next user of the
 *                  device would time out after our timeout
 *   read_ahead_kb  0, but only by swapon, for a swap area.  Programs that
 *                  probe what is on a disk gain nothing from read-ahead, and
 *                  vm.page-cluster says how much is swapped in at once.  A
 *                  file system needs it.
 *
 * All but the last two are set before the device is connected, and restored
 * after it was disconnected.  The kernel waits for pending requests before
 * it changes a queue, and a watcher must not wait for the requests of a dead
 * server, since only the watcher can end them.
 *
 * The former values are saved in NAME.attach before any is changed.  A value
 * is restored only if the present one is still ours.  Files that a kernel
 * does not have are ignored.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_DEVICE_QUEUE_H
#define NBDZRAM_COMMAND_ATTACH_DEVICE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_SETTINGS 6
#define QUEUE_VALUE_SIZE 24

/* Former values; an empty one is not to be restored. */
struct device_queue {
  char old[QUEUE_SETTINGS][QUEUE_VALUE_SIZE];
};

/* Returns the file of setting N, as "wbt_lat_usec"; NULL beyond the last. */
const char *queue_key (unsigned n);

/* Reads the settings of /dev/nbdINDEX, before it is connected with TIMEOUT
 * seconds for requests.
 */
void queue_remember (struct device_queue *q, int index, uint64_t timeout);

/* Adds the values of FORMER, which another watcher of the device with
 * FORMER_TIMEOUT has not restored, where the present value is still the one
 * that watcher set.
 */
void queue_inherit (struct device_queue *q, int index, uint64_t timeout,
                    const struct device_queue *former,
                    uint64_t former_timeout);

/* The former timeout is unknown, as the kernel has made the device and
 * connected it, or NAME.attach is lost: the kernel's default is restored.
 */
void queue_is_new (struct device_queue *q);

/* Changes the settings.  False: the kernel refused one; its path and the
 * reason are in REFUSED.
 */
bool queue_set (int index, char *refused, size_t size);

/* Switches read-ahead off for a swap area, which is DISK in /sys/block: an
 * array, or a device whose former settings are saved.
 */
void queue_disable_read_ahead (const char *disk);

/* Restores the settings whose present value is ours. */
void queue_restore (const struct device_queue *q, int index,
                    uint64_t timeout);

/* Is writeback throttling on?  *USEC is its target. */
bool queue_has_throttling (int index, uint64_t *usec);

#endif /* NBDZRAM_COMMAND_ATTACH_DEVICE_QUEUE_H */
