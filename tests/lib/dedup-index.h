/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An index of fingerprints without objects, for tests of it: slots are made
 * up.
 */

#ifndef NBDZRAM_TESTS_LIB_DEDUP_INDEX_H
#define NBDZRAM_TESTS_LIB_DEDUP_INDEX_H

#include "lib/store/dedup.h"
#include "unit.h"

#define FP_MASK ((1U << SLOT_SUM_BITS) - 1)

/* What the budget holds besides the index. */
#define ALREADY_USED 1000

struct fixture {
  struct budget budget;
  struct dedup x;
};

#define assert_index_ok(x)                                              \
  do {                                                                  \
    const char *wrong_ = dedup_check (x);                               \
    if (wrong_)                                                         \
      fail_msg ("invariant: %s", wrong_);                               \
  } while (0)

void open_index (struct fixture *f, uint64_t limit);
/* Checks the invariants first. */
void close_index (struct fixture *f);
void assert_stats (struct fixture *f, uint64_t nodes, uint64_t shared);

/* The slot of object number ID: all differ, and both kinds occur. */
slot_t slot_of (uint64_t id, uint32_t fp);

/* Different for different N, and as good as random. */
uint32_t fp_of (uint64_t n);

/* dedup_take, of any object. */
slot_t take (struct fixture *f, uint32_t fp, unsigned scope);

/* For dedup_take: is SLOT the one that OPAQUE points to? */
bool is_this (slot_t slot, void *opaque);

/* Drop a reference.  Returns whether it was the last one. */
bool drop (struct dedup *x, uint32_t fp, slot_t slot);

/* Insert objects from number N on.  Returns the first that had no room. */
unsigned insert_until_full (struct fixture *f, unsigned n);

#endif /* NBDZRAM_TESTS_LIB_DEDUP_INDEX_H */
