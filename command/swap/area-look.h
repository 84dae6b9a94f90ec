/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is of the areas of a swap: what the kernel uses of each, what the
 * server stores in it, and how much memory its pool may still take.
 */

#ifndef NBDZRAM_COMMAND_SWAP_AREA_LOOK_H
#define NBDZRAM_COMMAND_SWAP_AREA_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "command/attach/partitions.h"

#include "area-plan.h"

/* Finds the device that is attached for NAME.  -1: there is none. */
int area_find_disk (const char *name, uint64_t *size);

/* Puts in U where the areas of /dev/nbdINDEX are. */
void area_look_at_partitions (int index, struct areas_use *u);

/* Puts in U which of them are on, what is used of each, and the memory of the
 * machine.  Returns 0, or -1 with errno.
 */
int area_look_at_swaps (int index, struct areas_use *u);

/* Puts the limit of the pool of NAME, the memory that it holds, and its page
 * size in U.  0, or -1 when the server does not answer.
 */
int area_look_at_pool (const char *name, struct areas_use *u);

/* Puts in U, which has what the kernel and the pool say, what is stored in
 * each area.  The server looks at each slot of its table, 10 ms for 32 GiB of
 * pages.  0, or -1 when it does not answer.
 */
int area_look_at_stored (const char *name, struct areas_use *u);

#endif /* NBDZRAM_COMMAND_SWAP_AREA_LOOK_H */
