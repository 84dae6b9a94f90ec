/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel swaps to: /proc/swaps. */

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

/* All active ones.  Returns how many, -1 with errno. */
int swaps_read (struct swap_area list[SWAPS_MAX]);

/* Is PATH one of them?  What is said of it goes to *AREA, which may be
 * NULL.
 */
bool swap_find (const char *path, struct swap_area *area);

#endif /* NBDZRAM_COMMAND_BASE_PROC_SWAPS_H */
