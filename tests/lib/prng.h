/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chance that a seed repeats: splitmix64, where any state is as good as
 * any other.  A state is its owner's: no locks.
 */

#ifndef NBDZRAM_TESTS_LIB_PRNG_H
#define NBDZRAM_TESTS_LIB_PRNG_H

#include <stdint.h>

static inline uint64_t
next (uint64_t *state)
{
  uint64_t z = *state += UINT64_C (0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* From 0 to END - 1. */
static inline uint64_t
below (uint64_t *state, uint64_t end)
{
  return next (state) % end;
}

#endif /* NBDZRAM_TESTS_LIB_PRNG_H */
