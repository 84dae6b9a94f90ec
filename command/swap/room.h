/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is there room for what swapoff reads back into memory? */

#ifndef NBDZRAM_COMMAND_SWAP_ROOM_H
#define NBDZRAM_COMMAND_SWAP_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All in bytes. */
struct swap_room {
  uint64_t used;                /* swapped out to devices to turn off */
  uint64_t available;           /* memory: MemAvailable */
  uint64_t free_swap;           /* in areas that stay on, without those
                                 * in the memory of this machine */
  uint64_t ram;
};

/* How much must stay free until swapoff has ended. */
uint64_t swap_room_margin (const struct swap_room *r);

/* How many bytes will be missing at the end of swapoff, its worst moment; 0
 * if everything fits.
 *
 * Each page that is read back takes a page of memory, and the pool frees none
 * in the meantime: the kernel discards nothing in an area that is being
 * turned off, and it may read a page twice, so the server can't know which
 * pages are no longer needed.
 */
uint64_t swap_room_missing (const struct swap_room *r);

/* Put a message for the user with these numbers into TEXT; returns TEXT. */
const char *swap_room_text (const struct swap_room *r, char *text,
                            size_t size);

/* Fill in R for COUNT devices to turn off.  0, or -1 with errno. */
int swap_room_read (struct swap_room *r, char devices[][32], unsigned count);

#endif /* NBDZRAM_COMMAND_SWAP_ROOM_H */
