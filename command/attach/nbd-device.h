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

/* Is it connected with IDENTIFIER?  Kernels before 5.14 don't show the
 * identifier: then any connected device counts.
 */
bool nbd_device_belongs (int index, const char *identifier);

/* Is it certainly connected with another identifier?  False if the kernel
 * does not show that.
 */
bool nbd_device_foreign (int index, const char *identifier);

/* The device that is connected with IDENTIFIER, or -1. */
int nbd_device_find (const char *identifier);

/* The first device from INDEX on that exists and is not connected, or -1. */
int nbd_device_free (int index);

/* Bytes; 0 if it is not connected. */
uint64_t nbd_device_size (int index);

/* Is it in use, as swap or mounted? */
bool nbd_device_busy (int index);

/* Is the module loaded, or nbd built in? */
bool nbd_is_loaded (void);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_DEVICE_H */
