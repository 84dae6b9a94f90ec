/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Idle pages: those that a user marks, as with zram's idle attribute, and the
 * clock by which pages age (age.h).
 */

#ifndef NBDZRAM_MAINTENANCE_IDLE_H
#define NBDZRAM_MAINTENANCE_IDLE_H

#include <stdint.h>

#include "lib/store/pool.h"

/* Mark the pages idle that have an object in the arena and were not accessed
 * for SECONDS or more; 0: all of them.  Any access removes the mark.  Ages
 * are those of the last sweep.  Returns how many pages were marked.
 */
uint64_t pool_mark_idle (struct pool *pool, uint64_t seconds);

/* Count the pages that have an object in the arena, and are marked idle or
 * were not accessed for pool->idle_age seconds.
 */
uint64_t pool_count_idle (struct pool *pool);

/* Set the ages of all pages to those at NOW, in seconds of a clock that never
 * goes back.  The first call only sets the clock.
 */
void pool_sweep (struct pool *pool, uint64_t now);

#endif /* NBDZRAM_MAINTENANCE_IDLE_H */
