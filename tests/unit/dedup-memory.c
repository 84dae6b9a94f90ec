/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory that an index of fingerprints takes, and gives back. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "tests/lib/dedup-index.h"

/* The most bytes that a node may take: 1.5 % of 1530 while the index shrinks,
 * and less while it grows.
 */
#define NODE_BYTES_MAX 22.95
#define NODE_BYTES_GROWING 20

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_node_is_small),
    cmocka_unit_test (nothing_is_lost),
    cmocka_unit_test (coming_and_going_is_free),
    cmocka_unit_test (limits_are_kept),
    cmocka_unit_test (no_memory_at_all),
    cmocka_unit_test (no_address_space),
    cmocka_unit_test (memory_really_goes),
    cmocka_unit_test (memory_really_goes_when_locked),
  };

  return cmocka_run_group_tests_name ("dedup-memory", tests, NULL, NULL);
}
