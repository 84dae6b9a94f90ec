/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device as a swap area. */

#ifndef NBDZRAM_COMMAND_SWAP_AREA_H
#define NBDZRAM_COMMAND_SWAP_AREA_H

#include <stddef.h>

enum swap_content {
  SWAP_EMPTY,                   /* only zeroes at both ends */
  SWAP_SIGNATURE,               /* a swap area for this machine */
  SWAP_OTHER_PAGES,             /* a swap area for another page size */
  SWAP_OTHER,                   /* something that mkswap would destroy */
};

/* What the device holds, an enum swap_content; or -1 with errno.  For a swap
 * area, *PAGE is the page size that it was made for.
 */
int swap_content (const char *device, size_t *page);

/* Make a swap area with LABEL, as mkswap(8) does; but without another program,
 * since it may be called when memory is short.  What the device held is lost.
 * 0, or -1 with errno.
 */
int swap_make_area (const char *device, const char *label);

/* Turn swap on at PRIORITY (-1: the kernel's choice), with discard of what is
 * no longer used.  0, or -1 with errno.
 */
int swap_on (const char *device, int priority);

/* The priority of area K, from 0, if the first has FIRST: the kernel fills one
 * after the other.
 */
static inline int
area_priority (int first, unsigned k)
{
  return first < 0 ? -1 : first > (int) k ? first - (int) k : 0;
}

/* Turn swap off, which reads everything back into memory.  Any signal that
 * is caught interrupts it, and swap stays on.  0, or -1 with errno.
 */
int swap_off (const char *device);

#endif /* NBDZRAM_COMMAND_SWAP_AREA_H */
