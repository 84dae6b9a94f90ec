/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index of fingerprints.  No objects exist: slots are made up. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "lib/store/dedup.h"

/* The most bytes that a node may take: 1.5 % of 1530 while the index shrinks,
 * and less while it grows.
 */
#define NODE_BYTES_MAX 22.95
#define NODE_BYTES_GROWING 20

#define FP_MASK ((1U << SLOT_SUM_BITS) - 1)

/* Drop a reference.  Returns whether it was the last one. */
static bool
drop (struct dedup *x, uint32_t fp, slot_t slot)
{
  return dedup_drop (x, fp, slot) != DEDUP_SHARED;
}

static struct rng rng;

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

#define ALREADY_USED 1000

static void
open_index (struct fixture *f, uint64_t limit)
{
  f->budget = (struct budget) { .used = ALREADY_USED };
  assert_int_equal (dedup_open (&f->x, &f->budget, limit), 0);
  assert_true (f->budget.used == ALREADY_USED);
}

static void
close_index (struct fixture *f)
{
  assert_index_ok (&f->x);
  dedup_close (&f->x);
  assert_true (f->budget.used == ALREADY_USED);
  dedup_close (&f->x);
}

static void
assert_stats (struct fixture *f, uint64_t nodes, uint64_t shared)
{
  struct dedup_stats st;

  dedup_get_stats (&f->x, &st);
  assert_true (st.nodes == nodes);
  assert_true (st.shared == shared);
  assert_true (st.bytes == f->budget.used - ALREADY_USED);
  assert_true (nodes > 0 || st.bytes == 0);
}

/* The slot of object number ID: all differ, and both kinds occur. */
static slot_t
slot_of (uint64_t id, uint32_t fp)
{
  return id % 4 == 0
    ? slot_huge (id * 4096, fp)
    : slot_stored (id * 4096 + id % 128 * 32, 1 + (uint32_t) (id * 7 % 65536),
                   id % 16);
}

/* Different for different N, and as good as random. */
static uint32_t
fp_of (uint64_t n)
{
  struct rng r = { n };

  return (uint32_t) rng_next (&r) & FP_MASK;
}

static slot_t
take (struct fixture *f, uint32_t fp, unsigned scope)
{
  return dedup_take (&f->x, fp, scope, NULL, NULL);
}

static unsigned
insert_until_full (struct fixture *f, unsigned n)
{
  errno = 0;
  while (dedup_insert (&f->x, fp_of (n), 0, slot_of (n, fp_of (n))) == 0)
    ++n;
  assert_int_equal (errno, ENOSPC);
  return n;
}

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

static bool
is_this (slot_t slot, void *opaque)
{
  return slot == *(slot_t *) opaque;
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

/* ---- memory ---- */

static void
insert_many (struct fixture *f, unsigned from, unsigned to)
{
  for (unsigned i = from; i < to; ++i)
    assert_int_equal (dedup_insert (&f->x, fp_of (i), 0,
                                    slot_of (i, fp_of (i))), 0);
}

static void
drop_many (struct fixture *f, unsigned from, unsigned to)
{
  for (unsigned i = from; i < to; ++i)
    assert_true (drop (&f->x, fp_of (i), slot_of (i, fp_of (i))));
}

static double
bytes_per_node (struct fixture *f)
{
  struct dedup_stats st;

  dedup_get_stats (&f->x, &st);
  return (double) st.bytes / (double) st.nodes;
}

/* At every size while the index grows and shrinks, not only at round ones. */
TEST (a_node_is_small)
{
  static const unsigned checked[] = { 20000, 48000, 100000, 500000, 1000000 };
  unsigned last = unit_quick () ? 100000 : 1000000;
  struct fixture f;
  double worst = 0;

  open_index (&f, 0);
  for (unsigned n = 0, c = 0; n < last; n += 500) {
    insert_many (&f, n, n + 500);
    if (n + 500 >= checked[0])
      worst = MAX (worst, bytes_per_node (&f));
    if (n + 500 == checked[c]) {
      print_message ("%u nodes: %.2f bytes each\n", checked[c++],
                     bytes_per_node (&f));
      assert_true (bytes_per_node (&f) <= NODE_BYTES_GROWING);
      assert_index_ok (&f.x);
    }
  }
  assert_stats (&f, last, 0);
  for (unsigned n = 0; n < last; n += 500) {
    drop_many (&f, n, n + 500);
    if (last - n - 500 >= checked[0])
      worst = MAX (worst, bytes_per_node (&f));
    if (n % 100000 == 0 && n + 500 < last)
      assert_index_ok (&f.x);
  }
  print_message ("at most %.2f\n", worst);
  assert_true (worst <= NODE_BYTES_MAX);
  assert_stats (&f, 0, 0);
  assert_true (f.budget.used == ALREADY_USED);
  close_index (&f);
}

/* At any size, all remaining nodes can be found, and no other. */
TEST (nothing_is_lost)
{
  const unsigned nodes = 60000;
  struct fixture f;

  open_index (&f, 0);
  insert_many (&f, 0, nodes);
  for (unsigned gone = 0; gone < nodes; gone += nodes / 10) {
    for (unsigned i = 0; i < nodes; i += 7) {
      slot_t slot = slot_of (i, fp_of (i));

      assert_true (dedup_take (&f.x, fp_of (i), 0, is_this, &slot)
                   == (i < gone ? SLOT_EMPTY : slot));
      assert_true (i < gone || !drop (&f.x, fp_of (i), slot));
    }
    drop_many (&f, gone, gone + nodes / 10);
    assert_index_ok (&f.x);
  }
  assert_stats (&f, 0, 0);
  close_index (&f);
}

/* Overwriting pages again and again makes no system calls: wherever the last
 * line lies, adding and removing a few nodes does not move it to another OS
 * page.
 */
TEST (coming_and_going_is_free)
{
  struct fixture f;
  uint64_t bytes;

  open_index (&f, 0);
  for (unsigned n = 2000; n < 3000; ++n) {
    insert_many (&f, n - (n == 2000 ? n : 1), n);
    /* The first lines that become empty are kept. */
    insert_many (&f, n, n + DEDUP_HOLES);
    drop_many (&f, n, n + DEDUP_HOLES);
    if (n == 2000)
      continue;
    bytes = f.budget.used;
    for (unsigned i = 0; i < 10; ++i) {
      insert_many (&f, n, n + 2);
      assert_true (f.budget.used == bytes);
      drop_many (&f, n, n + 2);
      assert_true (f.budget.used == bytes);
    }
  }
  assert_index_ok (&f.x);
  close_index (&f);
}

TEST (limits_are_kept)
{
  const uint64_t limit = 50 * OS_PAGE_SIZE;
  struct fixture f;
  unsigned n;

  for (int whose = 0; whose < 2; ++whose) {
    open_index (&f, whose == 0 ? limit : 0);
    f.budget.limit = whose == 0 ? 0 : ALREADY_USED + limit;
    n = insert_until_full (&f, 0);
    /* Most of the memory is used, and the index still works. */
    assert_uint_in_range (n, (limit - 17 * OS_PAGE_SIZE) / 20, limit / 16);
    assert_true (f.budget.used_max - ALREADY_USED <= limit);
    assert_true (take (&f, fp_of (n - 1), 0)
                 == slot_of (n - 1, fp_of (n - 1)));
    assert_true (drop (&f.x, fp_of (n), slot_of (n, fp_of (n))));
    assert_index_ok (&f.x);
    assert_false (drop (&f.x, fp_of (n - 1),
                              slot_of (n - 1, fp_of (n - 1))));
    drop_many (&f, 0, n);
    assert_stats (&f, 0, 0);
    assert_int_equal (insert_until_full (&f, 0), n);
    close_index (&f);
  }
}

/* Not enough memory for one node: all that was taken is given back. */
TEST (no_memory_at_all)
{
  struct fixture f;

  for (uint64_t limit = 1; limit < OS_PAGE_SIZE; limit += 1000) {
    open_index (&f, limit);
    assert_int_equal (insert_until_full (&f, 0), 0);
    assert_stats (&f, 0, 0);
    close_index (&f);
  }
}

/* Bytes of address space or of memory that this process has. */
static uint64_t
statm (bool address_space)
{
  FILE *fp = fopen ("/proc/self/statm", "re");
  unsigned long size = 0, resident = 0;

  assert_non_null (fp);
  assert_int_equal (fscanf (fp, "%lu %lu", &size, &resident), 2);
  fclose (fp);
  return (address_space ? size : resident) * OS_PAGE_SIZE;
}

TEST (no_address_space)
{
  struct fixture f = { .budget.used = ALREADY_USED };
  uint64_t size = statm (true);
  struct rlimit old, low;

  if (unit_instrumented ()) {
    print_message ("sanitizers need address space themselves\n");
    skip ();
  }
  assert_int_equal (getrlimit (RLIMIT_AS, &old), 0);
  /* The areas take a MiB or less: each is once the first that can't be mapped.
   */
  for (uint64_t room = 0; room < DEDUP_SHARDS * MIB; room += MIB / 8) {
    low = (struct rlimit) { size + room, old.rlim_max };
    setrlimit (RLIMIT_AS, &low);
    errno = 0;
    assert_int_equal (dedup_open (&f.x, &f.budget, MIB), -1);
    assert_int_equal (errno, ENOMEM);
    setrlimit (RLIMIT_AS, &old);
    assert_true (statm (true) == size);
  }
  assert_true (f.budget.used == ALREADY_USED);
}

static void
fill_and_empty (void)
{
  const unsigned nodes = 500000;
  struct fixture f;
  uint64_t before, full;

  open_index (&f, 0);
  insert_many (&f, 0, 1);
  before = statm (false);
  insert_many (&f, 1, nodes);
  full = statm (false);
  assert_true (full >= before + f.budget.used / 10 * 9);
  /* All resident memory has been taken from the budget. */
  assert_true (full <= before + f.budget.used + MIB);
  drop_many (&f, 0, nodes);
  assert_true (statm (false) <= before + MIB / 2);
  close_index (&f);
}

TEST (memory_really_goes)
{
  if (unit_instrumented ()) {
    print_message ("instrumented: what is resident says little\n");
    skip ();
  }
  fill_and_empty ();
}

TEST (memory_really_goes_when_locked)
{
  if (unit_instrumented ()) {
    print_message ("instrumented: what is resident says little\n");
    skip ();
  }
  if (geteuid () != 0
      || mlockall (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1) {
    print_message ("may not lock memory\n");
    skip ();
  }
  fill_and_empty ();
  munlockall ();
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

/* ---- random operations, compared with a list ---- */

#define MODEL_OBJECTS 8000

struct object {
  uint32_t fp;
  unsigned scope, refs;
  bool indexed;                 /* false after dedup_forget */
  slot_t slot;
};

struct model {
  struct fixture f;
  struct object objects[MODEL_OBJECTS];
  unsigned count, max;
  unsigned shards;              /* how many shards are used */
  bool crowded;                 /* all nodes are in few chains */
  uint64_t made;                /* objects, ever */
};

static uint32_t
model_fp (const struct model *m)
{
  uint32_t fp = fp_of (rng_below (&rng, m->max / 2));

  fp &= m->crowded ? ~0x1ffU : ~(DEDUP_SHARDS - 1U);
  return fp | (uint32_t) rng_below (&rng, m->shards);
}

static bool
by_salt (slot_t slot, void *opaque)
{
  return (slot * *(uint64_t *) opaque >> 63) == 0;
}

static void
model_insert (struct model *m)
{
  struct object *o = &m->objects[m->count];

  if (m->count == m->max)
    return;
  *o = (struct object) {
    .fp = model_fp (m),
    .scope = rng_below (&rng, 4) == 0 ? DEDUP_SCOPE_POOL : 510,
    .refs = 1,
    .indexed = true,
  };
  o->slot = slot_of (m->made++, o->fp);
  if (!m->crowded && rng_below (&rng, 2))
    assert_int_equal (dedup_insert (&m->f.x, o->fp, o->scope, o->slot), 0);
  else
    assert_int_equal (dedup_claim (&m->f.x, o->fp, o->scope, o->slot), 0);
  m->count++;
}

static void
model_take (struct model *m)
{
  uint32_t fp = model_fp (m);
  unsigned scope = rng_below (&rng, 2) ? DEDUP_SCOPE_POOL : 510;
  uint64_t salt = rng_next (&rng) | 1;
  slot_t got = dedup_take (&m->f.x, fp, scope, by_salt, &salt);
  unsigned could = 0, found = 0;

  for (struct object *o = m->objects; o < m->objects + m->count; ++o)
    if (o->indexed && o->fp == fp && o->scope == scope
        && o->refs < DEDUP_REFS_MAX && by_salt (o->slot, &salt)) {
      could++;
      if (o->slot == got) {
        o->refs++;
        found++;
      }
    }
  assert_int_equal (found, could > 0);
  assert_int_equal (got != SLOT_EMPTY, could > 0);
}

static void
model_drop (struct model *m, struct object *o)
{
  assert_int_equal (drop (&m->f.x, o->fp, o->slot), o->refs == 1);
  if (--o->refs == 0)
    *o = m->objects[--m->count];
}

static void
model_move (struct model *m, struct object *o)
{
  slot_t to = slot_of (m->made++, o->fp);

  assert_int_equal (dedup_move (&m->f.x, o->fp, o->slot, to), o->refs == 1);
  if (o->refs == 1)
    o->slot = to;
}

static void
model_claim (struct model *m, struct object *o)
{
  if (o->refs == DEDUP_REFS_MAX)
    return;
  assert_int_equal (dedup_claim (&m->f.x, o->fp, o->scope, o->slot),
                    o->indexed);
  o->refs += o->indexed;
  o->indexed = true;
}

static void
model_forget (struct model *m)
{
  dedup_forget (&m->f.x, 0);
  for (unsigned i = 0; i < m->count; ++i)
    m->objects[i].indexed &= m->objects[i].refs > 1;
}

static void
model_check (struct model *m)
{
  uint64_t nodes = 0, shared = 0;

  for (unsigned i = 0; i < m->count; ++i) {
    nodes += m->objects[i].indexed;
    shared += m->objects[i].refs - 1;
  }
  assert_index_ok (&m->f.x);
  assert_stats (&m->f, nodes, shared);
}

/* GROW of ten times insert an object, otherwise drop one. */
static void
model_step (struct model *m, unsigned grow)
{
  struct object *o = &m->objects[rng_below (&rng, MAX (m->count, 1))];

  if (rng_below (&rng, 10) < grow)
    model_insert (m);
  else if (m->count > 0)
    model_drop (m, o);
  if (m->count == 0)
    return;

  o = &m->objects[rng_below (&rng, m->count)];
  switch (rng_below (&rng, 20)) {
  case 0: model_take (m); break;
  case 1: model_move (m, o); break;
  case 2: model_claim (m, o); break;
  }
}

static void
compare_with_a_list (unsigned max, unsigned shards, bool crowded)
{
  static struct model m;
  unsigned grow = 8, steps = unit_scaled (200000);

  m = (struct model) { .max = max, .shards = shards, .crowded = crowded };
  open_index (&m.f, 0);
  for (unsigned i = 0; i < steps; ++i) {
    if (m.count == m.max)
      grow = 2;
    else if (m.count == 0)
      grow = 8;
    model_step (&m, grow);
    if (i % 1000 == 0)
      model_check (&m);
    if (i % 50000 == 49999)
      model_forget (&m);
  }
  model_check (&m);
  while (m.count > 0)
    model_drop (&m, &m.objects[m.count - 1]);
  model_check (&m);
  close_index (&m.f);
}

TEST (as_a_list)
{
  compare_with_a_list (MODEL_OBJECTS, 2, false);
}

/* With few long chains, the line that moves often belongs to the chain that is
 * split or merged.
 */
TEST (as_a_list_in_long_chains)
{
  compare_with_a_list (1000, 1, true);
}

/* ---- threads ---- */

#define THREADS 4
#define THREAD_STEPS 50000
#define THREAD_FPS 24
#define THREAD_HELD 24

/* Stands for an object: what its allocator would know. */
struct fake_object {
  _Atomic unsigned holders;
  _Atomic bool taken;
  uint32_t fp;
};

static struct {
  struct fixture f;
  struct fake_object objects[THREADS * THREAD_STEPS * 2];
  _Atomic unsigned made, wrong;
} shared;

struct holder {
  pthread_t thread;
  struct rng rng;
  bool maintains;
  slot_t held[THREAD_HELD];
};

static void
check_true (bool right, const char *what)
{
  if (!right && shared.wrong++ == 0)
    fprintf (stderr, "%s\n", what);
}

static struct fake_object *
fake_of (slot_t slot)
{
  return &shared.objects[slot_offset (slot) / 4096];
}

static slot_t
fake_make (uint32_t fp)
{
  unsigned id = shared.made++;
  slot_t slot = slot_of (id, fp);

  shared.objects[id].fp = fp;
  shared.objects[id].holders = 1;
  shared.objects[id].taken = true;
  return slot;
}

/* No other thread may hold a reference to an object that is freed. */
static void
fake_free (slot_t slot)
{
  check_true (fake_of (slot)->holders == 0,
              "freed while a thread refers to it");
  check_true (atomic_exchange (&fake_of (slot)->taken, false), "freed twice");
}

static slot_t
hold (uint32_t fp)
{
  slot_t slot = take (&shared.f, fp, 0);

  if (slot == SLOT_EMPTY) {
    slot = fake_make (fp);
    dedup_insert (&shared.f.x, fp, 0, slot);
    return slot;
  }
  fake_of (slot)->holders++;
  check_true (fake_of (slot)->taken, "shared when freed");
  check_true (fake_of (slot)->fp == fp, "another fingerprint");
  return slot;
}

static void
let_go (slot_t slot)
{
  struct fake_object *o = fake_of (slot);

  check_true (o->taken, "freed while held");
  o->holders--;
  if (drop (&shared.f.x, o->fp, slot))
    fake_free (slot);
}

static void
move (slot_t *slot)
{
  slot_t from = *slot, to = fake_make (fake_of (from)->fp);

  if (dedup_move (&shared.f.x, fake_of (from)->fp, from, to)) {
    *slot = to;
    fake_of (from)->holders--;
    fake_free (from);
  }
  else {
    fake_of (to)->holders--;
    fake_free (to);
  }
}

static void
maintain (struct holder *h)
{
  struct dedup_stats st;
  const char *wrong = dedup_check (&shared.f.x);

  check_true (!wrong, wrong);
  dedup_get_stats (&shared.f.x, &st);
  check_true (st.nodes + st.shared <= THREADS * THREAD_HELD, "too many");
  if (rng_below (&h->rng, 2))
    dedup_forget (&shared.f.x, 0);
}

static void *
hold_and_let_go (void *arg)
{
  struct holder *h = arg;

  for (unsigned i = unit_scaled (THREAD_STEPS); i > 0; --i) {
    slot_t *slot = &h->held[rng_below (&h->rng, THREAD_HELD)];

    if (*slot == SLOT_EMPTY)
      *slot = hold (fp_of (rng_below (&h->rng, THREAD_FPS)));
    else if (rng_below (&h->rng, 3) == 0)
      move (slot);
    else {
      let_go (*slot);
      *slot = SLOT_EMPTY;
    }
    if (h->maintains && i % 128 == 0)
      maintain (h);
  }
  return NULL;
}

TEST (threads_share_and_free_once)
{
  struct holder holders[THREADS];
  uint64_t references = 0;
  struct dedup_stats st;

  open_index (&shared.f, 0);
  for (unsigned t = 0; t < THREADS; ++t) {
    holders[t] = (struct holder) { .rng = { rng_next (&rng) },
                                   .maintains = t == 0 };
    assert_int_equal (pthread_create (&holders[t].thread, NULL,
                                      hold_and_let_go, &holders[t]), 0);
  }
  for (unsigned t = 0; t < THREADS; ++t)
    pthread_join (holders[t].thread, NULL);
  assert_int_equal (shared.wrong, 0);
  assert_index_ok (&shared.f.x);

  for (unsigned t = 0; t < THREADS; ++t)
    for (unsigned i = 0; i < THREAD_HELD; ++i)
      references += holders[t].held[i] != SLOT_EMPTY;
  dedup_get_stats (&shared.f.x, &st);
  assert_true (st.nodes + st.shared <= references);

  for (unsigned t = 0; t < THREADS; ++t)
    for (unsigned i = 0; i < THREAD_HELD; ++i)
      if (holders[t].held[i] != SLOT_EMPTY)
        let_go (holders[t].held[i]);
  for (unsigned i = 0; i < shared.made; ++i)
    assert_false (shared.objects[i].taken);
  assert_int_equal (shared.wrong, 0);
  assert_stats (&shared.f, 0, 0);
  close_index (&shared.f);
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
    cmocka_unit_test (a_node_is_small),
    cmocka_unit_test (nothing_is_lost),
    cmocka_unit_test (coming_and_going_is_free),
    cmocka_unit_test (limits_are_kept),
    cmocka_unit_test (no_memory_at_all),
    cmocka_unit_test (no_address_space),
    cmocka_unit_test (memory_really_goes),
    cmocka_unit_test (memory_really_goes_when_locked),
    cmocka_unit_test (a_flood_of_one_fingerprint),
    cmocka_unit_test (lines_move_while_chains_split),
    cmocka_unit_test (as_a_list),
    cmocka_unit_test (as_a_list_in_long_chains),
    cmocka_unit_test (threads_share_and_free_once),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dedup", tests, NULL, NULL);
}
