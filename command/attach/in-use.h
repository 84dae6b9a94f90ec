/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does the kernel swap to a device that we serve? */

#ifndef NBDZRAM_COMMAND_ATTACH_IN_USE_H
#define NBDZRAM_COMMAND_ATTACH_IN_USE_H

#include <stdbool.h>
#include <stddef.h>

/* Is one of the devices in /proc/swaps ours, or an array that has one that
 * is: NAME's by its identifier (/sys/block/nbdN/backend), or, where it has
 * none, as plain nbd-client attaches it, perhaps ours, since CLIENTS are
 * connected?  Then it is in DEVICE.  If it can't be told, it is.
 */
bool is_in_use_as_swap (const char *name, bool clients, char *device,
                     size_t size);

#endif /* NBDZRAM_COMMAND_ATTACH_IN_USE_H */
