/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <math.h>
#include <stdlib.h>

#include "bench/measure.h"
#include "tests/lib/prng.h"

#include "zipf.h"

struct zipf
zipf_new (uint64_t n, double exponent, uint64_t seed)
{
  struct zipf z = { .n = n };
  double sum = 0;

  z.order = shuffled (n, seed);
  z.sums = must_alloc (n * sizeof *z.sums);
  for (uint64_t k = 0; k < n; ++k)
    z.sums[k] = sum += pow ((double) k + 1, -exponent);
  return z;
}

/* The first whose sum is above a random part of the last one. */
uint64_t
zipf_next (const struct zipf *z, uint64_t *state)
{
  double wanted = (double) (next (state) >> 11) * 0x1p-53 * z->sums[z->n - 1];
  uint64_t low = 0, high = z->n - 1;

  while (low < high) {
    uint64_t middle = low + (high - low) / 2;

    if (z->sums[middle] > wanted)
      high = middle;
    else
      low = middle + 1;
  }
  return z->order[low];
}

void
zipf_free (struct zipf *z)
{
  free (z->order);
  free (z->sums);
}
