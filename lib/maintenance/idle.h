/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Idle pages: those that a user marks, as zram's idle attribute does,
 * and the clock by which pages grow old (age.h).
 */

#ifndef NBDZRAM_MAINTENANCE_IDLE_H
#define NBDZRAM_MAINTENANCE_IDLE_H

#include <stdint.h>

#include "lib/store/pool.h"

/* Mark the pages idle that have an object in the arena and were not
 * accessed for SECONDS or more; 0: all of them.  Any access ends it.
 * Ages are as of the last sweep.  Returns how many are marked now.
 */
uint64_t pool_mark_idle (struct pool *pool, uint64_t seconds);

/* How many pages have an object in the arena, and are marked idle, or were
 * not accessed for pool->idle_age seconds.
 */
uint64_t pool_count_idle (struct pool *pool);

/* Make all pages as old as they are at NOW, seconds of a clock that never
 * goes back.  The first call only sets the clock.
 */
void pool_sweep (struct pool *pool, uint64_t now);

#endif /* NBDZRAM_MAINTENANCE_IDLE_H */
