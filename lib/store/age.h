/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long ago a page was last accessed, in one byte.
 *
 * An access stores 0: no clock is read on the request path.  From time
 * to time a sweep over all pages makes the others older.  Ages up to 31
 * are seconds; from there on the byte counts in steps of 2, 4, 8 ...
 * seconds, sixteen of each, so that it is right to 1/16 up to five days
 * and a half, where it stays.
 *
 * A sweep keeps its precision however often it comes: a page whose age
 * counts in steps of 2^k grows older at each second that is a multiple
 * of 2^k.
 *
 * Pure functions, no state.
 */

#ifndef NBDZRAM_STORE_AGE_H
#define NBDZRAM_STORE_AGE_H

#include <stdint.h>

#define AGE_MAX 255             /* the oldest */
#define AGE_CODES 256

/* The least number of seconds that AGE stands for. */
uint64_t age_seconds (uint8_t age);

/* The youngest age that stands for SECONDS or more; AGE_MAX when there
 * is none.
 */
uint8_t age_of_seconds (uint64_t seconds);

/* What each age becomes between two sweeps, at FROM and at TO seconds
 * of a clock that starts anywhere and never goes back.
 */
void age_steps (uint64_t from, uint64_t to, uint8_t older[AGE_CODES]);

#endif /* NBDZRAM_STORE_AGE_H */
