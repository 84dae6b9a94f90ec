/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is there room for what swapoff brings back to memory? */

#ifndef NBDZRAM_COMMAND_SWAP_ROOM_H
#define NBDZRAM_COMMAND_SWAP_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All in bytes. */
struct swap_room {
  uint64_t used;                /* swapped to what shall be turned off */
  uint64_t available;           /* memory that can be had: MemAvailable */
  uint64_t free_swap;           /* in areas that stay, but for those that
                                 * are in this machine's memory */
  uint64_t ram;
};

/* How much must be free at every moment of it. */
uint64_t swap_room_margin (const struct swap_room *r);

/* Bytes that are missing at the end of it, which is the worst moment; 0: it
 * fits.
 *
 * Each page that comes back takes a page of memory, and the pool gives none
 * back meanwhile: the kernel discards nothing of an area that is being
 * turned off, and may read a page twice, so that the server can't know
 * which ones are not needed any more.
 */
uint64_t swap_room_missing (const struct swap_room *r);

/* One line with the numbers, in TEXT. */
const char *swap_room_text (const struct swap_room *r, char *text,
                            size_t size);

/* What the machine says, for COUNT devices that shall be turned off.  0, or
 * -1 with errno.
 */
int swap_room_read (struct swap_room *r, char devices[][32], unsigned count);

#endif /* NBDZRAM_COMMAND_SWAP_ROOM_H */
