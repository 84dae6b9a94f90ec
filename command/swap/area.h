/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device as an area of swap. */

#ifndef NBDZRAM_COMMAND_SWAP_AREA_H
#define NBDZRAM_COMMAND_SWAP_AREA_H

#include <stddef.h>

enum swap_content {
  SWAP_EMPTY,                   /* nothing but zeroes at its ends */
  SWAP_SIGNATURE,               /* mkswap was there */
  SWAP_OTHER_PAGES,             /* mkswap for another size of pages was */
  SWAP_OTHER,                   /* what mkswap would destroy */
};

/* What the device holds, and the size of its pages where it is swap; -1
 * with errno.
 */
int swap_content (const char *device, size_t *page);

/* Make it an area with LABEL, by mkswap(8).  0, or -1 with a line in
 * ERROR.
 */
int swap_make (const char *device, const char *label, char *error,
               size_t size);

/* Swap to it, at PRIORITY (-1: the kernel's choice), and discard what is
 * no longer used.  0, or -1 with errno.
 */
int swap_on (const char *device, int priority);

/* No more; all that is there comes back to memory.  It is interrupted by
 * any signal that is caught: then all stays as it was.  0, or -1 with
 * errno.
 */
int swap_off (const char *device);

#endif /* NBDZRAM_COMMAND_SWAP_AREA_H */
