/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /dev/nbdN as the kernel shows it in /sys. */

#ifndef NBDZRAM_COMMAND_ATTACH_NBD_DEVICE_H
#define NBDZRAM_COMMAND_ATTACH_NBD_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_DEVICE_PATH_SIZE 32

/* "/dev/nbdN". */
const char *nbd_device_path (char path[NBD_DEVICE_PATH_SIZE], int index);

bool nbd_device_connected (int index);

/* Is it connected for IDENTIFIER?  Before Linux 5.14 nobody knows: then
 * it is.
 */
bool nbd_device_belongs (int index, const char *identifier);

/* Is it, for certain, connected for somebody else?  False where that can't
 * be read.
 */
bool nbd_device_foreign (int index, const char *identifier);

/* The device that is connected for IDENTIFIER, or -1. */
int nbd_device_find (const char *identifier);

/* The first one from INDEX on that is there and not connected, or -1. */
int nbd_device_free (int index);

/* Bytes; 0 where it is not connected. */
uint64_t nbd_device_size (int index);

/* Is it in use, as swap or mounted? */
bool nbd_device_busy (int index);

/* Is the module there, or nbd built in? */
bool nbd_is_loaded (void);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_DEVICE_H */
