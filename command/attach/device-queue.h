/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue of /dev/nbdN, as in /sys/block/nbdN/queue: what it is set to
 * while the device is attached, and what is put back when it is not.
 *
 *   scheduler      none: there is no disk whose requests are better sorted
 *   wbt_lat_usec   0, no writeback throttling.  It slows down programs that
 *                  write when reads take long, and knows swap only as
 *                  writing.  While a pool was full, programs that had been
 *                  killed were seen to wait there for 25 to 43 seconds.
 *   rotational     0, or the kernel looks for pages beside each other
 *   io_timeout     is set by the kernel's client when it is connected, and
 *                  not put back by it: the next user of the device would
 *                  have its requests given up after our timeout
 *   read_ahead_kb  0, but only by swapon, for a swap area.  What is read of
 *                  that for itself, by those who look for what is on a disk,
 *                  needs no neighbours, and how much is swapped in at once is
 *                  said by vm.page-cluster.  A file system needs it.
 *
 * All but the last two are set before the device is connected, and put back
 * after it was disconnected: the kernel waits for requests that are under way
 * before it changes a queue, and a watcher must not wait for the requests of a
 * server that has died, since it is what brings them to an end.
 *
 * What was there before is remembered in NAME.attach before anything is
 * changed.  It is put back only where the value is still ours.  Files that a
 * kernel does not have are left out.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_DEVICE_QUEUE_H
#define NBDZRAM_COMMAND_ATTACH_DEVICE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_SETTINGS 5
#define QUEUE_VALUE_SIZE 24

/* What was there before; empty: nothing is to be put back. */
struct device_queue {
  char old[QUEUE_SETTINGS][QUEUE_VALUE_SIZE];
};

/* The file of a setting, as "wbt_lat_usec"; NULL beyond the last. */
const char *queue_key (unsigned n);

/* See what /dev/nbdINDEX is set to, before it is connected with TIMEOUT
 * seconds for requests.
 */
void queue_remember (struct device_queue *q, int index, uint64_t timeout);

/* FORMER is what somebody has to put back who had the device before us, with
 * FORMER_TIMEOUT: values that are still theirs are not what was before.
 */
void queue_inherit (struct device_queue *q, int index, uint64_t timeout,
                    const struct device_queue *former,
                    uint64_t former_timeout);

/* What it was before is not known: the device is a new one, which the kernel
 * has made and connected, or NAME.attach is lost.
 */
void queue_is_new (struct device_queue *q);

/* Set it.  False where the kernel refused something; its name is in
 * REFUSED.
 */
bool queue_set (int index, char *refused, size_t size);

/* Of a swap area, which is DISK in /sys/block: an array, or a device that
 * somebody has remembered.
 */
void queue_disable_read_ahead (const char *disk);

/* Put back what is still ours. */
void queue_restore (const struct device_queue *q, int index,
                    uint64_t timeout);

/* Is writeback throttling on?  *USEC is its target. */
bool queue_has_throttling (int index, uint64_t *usec);

#endif /* NBDZRAM_COMMAND_ATTACH_DEVICE_QUEUE_H */
