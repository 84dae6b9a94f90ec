/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers that are not equally wanted, as by Zipf: the k-th most popular
 * comes up in proportion to 1 / k^exponent.  Which ones are popular, the
 * seed tells; they do not lie together.
 *
 * Takes 12 bytes for each number.
 */

#ifndef NBDZRAM_BENCH_REMOTE_ZIPF_H
#define NBDZRAM_BENCH_REMOTE_ZIPF_H

#include <stdint.h>

struct zipf {
  double *sums;                 /* of what is wanted of the first k */
  uint32_t *order;              /* by popularity */
  uint64_t n;
};

/* From 0 to N - 1, N from 1 to 2^32 - 1.  Ends the program when there is no
 * memory.
 */
struct zipf zipf_new (uint64_t n, double exponent, uint64_t seed);

/* The next by the chance of STATE, see tests/lib/prng.h. */
uint64_t zipf_next (const struct zipf *z, uint64_t *state);

void zipf_free (struct zipf *z);

#endif /* NBDZRAM_BENCH_REMOTE_ZIPF_H */
