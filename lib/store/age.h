/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long ago a page was last accessed, in one byte.
 *
 * An access stores 0: no clock is read on the request path.  A sweep over
 * all pages, from time to time, makes the other pages older.  Ages up to 31
 * are seconds.  Above that the byte counts in steps of 2, 4, 8 ... seconds,
 * sixteen steps of each size, so an age is exact to 1/16.  The oldest age
 * stands for five and a half days or more.
 *
 * The precision does not depend on how often the sweep runs: a page whose
 * age counts in steps of 2^k grows older at each second that is a multiple
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

/* The youngest age that stands for SECONDS or more, or AGE_MAX if no age
 * does.
 */
uint8_t age_of_seconds (uint64_t seconds);

/* Set OLDER[age] to what each age becomes between two sweeps, at FROM and
 * at TO seconds of a clock that starts anywhere and never goes back.
 */
void age_steps (uint64_t from, uint64_t to, uint8_t older[AGE_CODES]);

#endif /* NBDZRAM_STORE_AGE_H */
