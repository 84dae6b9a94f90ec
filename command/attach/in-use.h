/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a device that we serve in use, as swap or by a file system? */

#ifndef NBDZRAM_COMMAND_ATTACH_IN_USE_H
#define NBDZRAM_COMMAND_ATTACH_IN_USE_H

#include <stdbool.h>
#include <stddef.h>

/* Returns whether a device in /proc/swaps, or a member of an array there,
 * belongs to the server NAME, and puts it in DEVICE.  The identifier of the
 * device (/sys/block/nbdN/backend) tells.  A device that plain nbd-client
 * attached has none: it counts as ours if CLIENTS are connected.  If the
 * kernel can't be asked, the answer is CLIENTS, too.
 */
bool is_in_use_as_swap (const char *name, bool clients, char *device,
                        size_t size);

/* The same for a file system that is mounted, on such a device, a partition of
 * it, or an array.
 */
bool is_in_use_as_file_system (const char *name, bool clients, char *device,
                               size_t size);

#endif /* NBDZRAM_COMMAND_ATTACH_IN_USE_H */
