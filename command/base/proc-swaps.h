/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The active swap areas, from /proc/swaps. */

#ifndef NBDZRAM_COMMAND_BASE_PROC_SWAPS_H
#define NBDZRAM_COMMAND_BASE_PROC_SWAPS_H

#include <stdbool.h>
#include <stdint.h>

#define SWAPS_MAX 64            /* the kernel allows 32 */

struct swap_area {
  char path[256];
  uint64_t size, used;          /* bytes */
  int priority;
};

/* Reads all active swap areas.  Returns how many, or -1 with errno. */
int swaps_read (struct swap_area list[SWAPS_MAX]);

/* Returns whether PATH is an active swap area, and fills *AREA, which may be
 * NULL.
 */
bool swap_find (const char *path, struct swap_area *area);

/* Is PATH the disk DISK, or a partition of it, "/dev/nbd0p1" of "/dev/nbd0"?
 */
bool swap_is_on_disk (const char *path, const char *disk);

/* The same for DISK as a whole or partitions of it: AREA has their sizes
 * added up, and the highest priority.
 */
bool swap_find_on_disk (const char *disk, struct swap_area *area);

#endif /* NBDZRAM_COMMAND_BASE_PROC_SWAPS_H */
