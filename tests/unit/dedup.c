/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index of fingerprints: what is found, shared and dropped, and how long
 * a chain becomes.
 */

#include <config.h>

#include <errno.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "tests/lib/dedup-index.h"

static struct rng rng;

/* ---- one object ---- */

TEST (shared_and_dropped)
{
  struct fixture f;
  slot_t slot = slot_of (7, 42);

  open_index (&f, 0);
  assert_true (take (&f, 42, 3) == SLOT_EMPTY);
  assert_int_equal (dedup_insert (&f.x, 42, 3, slot), 0);
  assert_stats (&f, 1, 0);
  assert_true (take (&f, 42, 3) == slot);
  assert_true (take (&f, 42, 3) == slot);
  assert_stats (&f, 1, 2);
  assert_false (drop (&f.x, 42, slot));
  assert_false (drop (&f.x, 42, slot));
  assert_stats (&f, 1, 0);
  assert_true (drop (&f.x, 42, slot));
  assert_stats (&f, 0, 0);
  assert_true (take (&f, 42, 3) == SLOT_EMPTY);

  /* It is not in the index: the caller may free it. */
  assert_true (drop (&f.x, 42, slot));
  close_index (&f);
}

/* No bit of a slot is lost in the index. */
TEST (slots_come_back_whole)
{
  const uint64_t last = SLOT_ARENA_MAX;
  const slot_t slots[] = {
    slot_stored (0, 1, 0),
    slot_stored (last - SLOT_STORED_UNIT, 65536, 15),
    slot_huge (0, 0),
    slot_huge (last - SLOT_HUGE_UNIT, FP_MASK),
  };
  struct fixture f;

  open_index (&f, 0);
  for (unsigned i = 0; i < ARRAY_SIZE (slots); ++i) {
    uint32_t fp = i * (FP_MASK / 3);

    assert_int_equal (dedup_insert (&f.x, fp, i, slots[i]), 0);
    assert_true (take (&f, fp, i) == slots[i]);
  }
  close_index (&f);
}

/* Fingerprints and scopes that differ only in the lowest or highest bit. */
TEST (found_by_both_only)
{
  const uint32_t fp = 0x2aaaaaa;
  struct fixture f;

  open_index (&f, 0);
  assert_int_equal (dedup_insert (&f.x, fp, 5, slot_of (1, fp)), 0);
  assert_true (take (&f, fp ^ 1, 5) == SLOT_EMPTY);
  assert_true (take (&f, fp ^ 1 << 26, 5) == SLOT_EMPTY);
  assert_true (take (&f, fp ^ 1 << 15, 5) == SLOT_EMPTY);
  assert_true (take (&f, fp, 4) == SLOT_EMPTY);
  assert_true (take (&f, fp, 5 + 256) == SLOT_EMPTY);
  assert_true (take (&f, fp, DEDUP_SCOPE_POOL) == SLOT_EMPTY);

  assert_int_equal (dedup_insert (&f.x, fp, DEDUP_SCOPE_POOL,
                                  slot_of (2, fp)), 0);
  assert_true (take (&f, fp, DEDUP_SCOPE_POOL) == slot_of (2, fp));
  assert_true (take (&f, fp, 5) == slot_of (1, fp));
  close_index (&f);
}

TEST (references_are_bounded)
{
  struct fixture f;
  slot_t a = slot_of (1, 9), b = slot_of (2, 9);

  open_index (&f, 0);
  assert_int_equal (dedup_insert (&f.x, 9, 0, a), 0);
  for (unsigned i = 1; i < DEDUP_REFS_MAX; ++i)
    assert_true (take (&f, 9, 0) == a);
  assert_true (take (&f, 9, 0) == SLOT_EMPTY);
  assert_stats (&f, 1, DEDUP_REFS_MAX - 1);

  /* The next copy of the page gets a second object. */
  assert_int_equal (dedup_insert (&f.x, 9, 0, b), 0);
  assert_true (take (&f, 9, 0) == b);
  for (unsigned i = 2; i < DEDUP_REFS_MAX; ++i)
    assert_true (take (&f, 9, 0) == b);
  assert_true (take (&f, 9, 0) == SLOT_EMPTY);
  assert_false (drop (&f.x, 9, a));
  assert_true (take (&f, 9, 0) == a);
  assert_index_ok (&f.x);

  for (unsigned i = 1; i < DEDUP_REFS_MAX; ++i)
    assert_false (drop (&f.x, 9, a));
  assert_true (drop (&f.x, 9, a));
  assert_stats (&f, 1, DEDUP_REFS_MAX - 1);
  close_index (&f);
}

TEST (the_caller_chooses)
{
  struct fixture f;
  slot_t slots[3], other = slot_of (99, 1);

  open_index (&f, 0);
  for (unsigned i = 0; i < 3; ++i) {
    slots[i] = slot_of (i, 1);
    assert_int_equal (dedup_insert (&f.x, 1, 0, slots[i]), 0);
  }
  for (unsigned i = 0; i < 3; ++i)
    assert_true (dedup_take (&f.x, 1, 0, is_this, &slots[i]) == slots[i]);
  assert_true (dedup_take (&f.x, 1, 0, is_this, &other) == SLOT_EMPTY);
  assert_stats (&f, 3, 3);
  close_index (&f);
}

TEST (moved_unless_shared)
{
  struct fixture f;
  slot_t from = slot_stored (64, 500, 1), to = slot_moved (from, 96);

  open_index (&f, 0);
  assert_true (dedup_move (&f.x, 6, from, to));
  assert_true (take (&f, 6, 0) == SLOT_EMPTY);

  assert_int_equal (dedup_insert (&f.x, 6, 0, from), 0);
  assert_true (take (&f, 6, 0) == from);
  assert_false (dedup_move (&f.x, 6, from, to));
  assert_true (take (&f, 6, 0) == from);
  assert_false (drop (&f.x, 6, from));
  assert_false (drop (&f.x, 6, from));

  assert_true (dedup_move (&f.x, 6, from, to));
  assert_true (take (&f, 6, 0) == to);
  assert_false (drop (&f.x, 6, to));
  assert_true (drop (&f.x, 6, to));
  assert_stats (&f, 0, 0);
  close_index (&f);
}

/* ---- attach ---- */

TEST (claimed_at_attach)
{
  struct fixture f;
  slot_t slot = slot_of (3, 8);

  open_index (&f, 0);
  assert_int_equal (dedup_claim (&f.x, 8, 1, slot), 0);
  /* The scope differs after a change of dedup's mode; the object is the same.
   */
  assert_int_equal (dedup_claim (&f.x, 8, 2, slot), 1);
  assert_int_equal (dedup_claim (&f.x, 8, 1, slot_of (4, 8)), 0);
  assert_stats (&f, 2, 1);
  assert_false (drop (&f.x, 8, slot));
  assert_true (drop (&f.x, 8, slot));

  assert_int_equal (dedup_claim (&f.x, 8, 1, slot), 0);
  for (unsigned i = 1; i < DEDUP_REFS_MAX; ++i)
    assert_int_equal (dedup_claim (&f.x, 8, 1, slot), 1);
  errno = 0;
  assert_int_equal (dedup_claim (&f.x, 8, 1, slot), -1);
  assert_int_equal (errno, EUCLEAN);
  assert_stats (&f, 2, DEDUP_REFS_MAX - 1);
  close_index (&f);
}

/* Limits are ignored at attach: an object with two owners must have a node. */
TEST (claims_exceed_limits)
{
  const unsigned nodes = 5000, shared = 700;
  struct fixture f;
  uint64_t held;

  open_index (&f, 10 * OS_PAGE_SIZE);
  f.budget.limit = ALREADY_USED + 5 * OS_PAGE_SIZE;
  for (unsigned i = 0; i < nodes; ++i)
    assert_int_equal (dedup_claim (&f.x, fp_of (i), 0, slot_of (i, fp_of (i))),
                      0);
  for (unsigned i = 0; i < shared; ++i)
    assert_int_equal (dedup_claim (&f.x, fp_of (i), 0, slot_of (i, fp_of (i))),
                      1);
  assert_index_ok (&f.x);
  assert_stats (&f, nodes, shared);
  assert_true (f.x.held.used > f.x.held.limit);
  held = f.x.held.used;
  insert_until_full (&f, nodes);
  assert_true (f.x.held.used == held);

  /* Nodes of shared objects stay, also beyond the limit. */
  dedup_forget (&f.x, 10 * OS_PAGE_SIZE);
  assert_stats (&f, shared, shared);
  for (unsigned i = 0; i < nodes; ++i)
    assert_int_equal (drop (&f.x, fp_of (i), slot_of (i, fp_of (i))),
                      i >= shared);
  for (unsigned i = 0; i < shared; ++i)
    assert_true (drop (&f.x, fp_of (i), slot_of (i, fp_of (i))));
  assert_stats (&f, 0, 0);
  close_index (&f);
}

/* ---- long chains ---- */

/* Many pages with one fingerprint, written by an attacker or not: the cost of
 * a lookup is bounded.
 */
TEST (a_flood_of_one_fingerprint)
{
  struct fixture f;
  unsigned n = 0;

  open_index (&f, 0);
  while (dedup_insert (&f.x, 77, n % 3, slot_of (n, 77)) == 0)
    ++n;
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (n, DEDUP_CHAIN_MAX);
  /* Other chains are not affected. */
  assert_int_equal (dedup_insert (&f.x, 78, 0, slot_of (n, 78)), 0);
  assert_int_equal (dedup_insert (&f.x, 77 + DEDUP_SHARDS, 0,
                                  slot_of (n + 1, 77 + DEDUP_SHARDS)), 0);
  assert_true (drop (&f.x, 77, slot_of (5, 77)));
  assert_int_equal (dedup_insert (&f.x, 77, 0, slot_of (n, 77)), 0);
  assert_index_ok (&f.x);

  /* At attach there is no such bound. */
  for (unsigned i = 1; i < 100; ++i)
    assert_int_equal (dedup_claim (&f.x, 77, 0, slot_of (n + i, 77)), 0);
  assert_stats (&f, DEDUP_CHAIN_MAX + 2 + 99, 0);
  close_index (&f);
}

/* Claim N more objects, all in shard 0, in chain LOW of the chains that a new
 * index has.
 */
static void
claim_in_chain (struct fixture *f, unsigned low, unsigned n, uint32_t *fps)
{
  for (unsigned i = 0; i < n; ++i) {
    fps[i] = (((uint32_t) rng_next (&rng) << 6 | low) * DEDUP_SHARDS)
             & FP_MASK;
    assert_int_equal (dedup_claim (&f->x, fps[i], 0,
                                   slot_of (low * 1000 + i, fps[i])), 0);
  }
}

static void
drop_from_chain (struct fixture *f, unsigned low, unsigned n,
                 const uint32_t *fps)
{
  for (unsigned i = 0; i < n; ++i)
    assert_true (drop (&f->x, fps[i],
                             slot_of (low * 1000 + i, fps[i])));
}

/* A chain of many lines is split when the list of holes is full, so that
 * freeing its lines moves other lines of the same chain.
 */
TEST (lines_move_while_chains_split)
{
  uint32_t fps[64][300];
  struct fixture f;

  for (unsigned i = 0; i < unit_scaled (200); ++i) {
    unsigned n = 290 + (unsigned) rng_below (&rng, 10);

    open_index (&f, 0);
    claim_in_chain (&f, 1, 100, fps[1]);
    claim_in_chain (&f, 0, n, fps[0]);
    drop_from_chain (&f, 1, 100, fps[1]);
    assert_int_equal (f.x.shards[0].buckets, 64);
    assert_int_equal (f.x.shards[0].holes, DEDUP_HOLES);
    for (unsigned low = 2; low < 64; ++low)
      claim_in_chain (&f, low, 3, fps[low]);
    assert_uint_in_range (f.x.shards[0].buckets, 65, 128);
    assert_index_ok (&f.x);
    for (unsigned low = 2; low < 64; ++low)
      drop_from_chain (&f, low, 3, fps[low]);
    drop_from_chain (&f, 0, n, fps[0]);
    assert_stats (&f, 0, 0);
    close_index (&f);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (shared_and_dropped),
    cmocka_unit_test (slots_come_back_whole),
    cmocka_unit_test (found_by_both_only),
    cmocka_unit_test (references_are_bounded),
    cmocka_unit_test (the_caller_chooses),
    cmocka_unit_test (moved_unless_shared),
    cmocka_unit_test (claimed_at_attach),
    cmocka_unit_test (claims_exceed_limits),
    cmocka_unit_test (a_flood_of_one_fingerprint),
    cmocka_unit_test (lines_move_while_chains_split),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dedup", tests, NULL, NULL);
}
