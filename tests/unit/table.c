/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/mutex.h"
#include "lib/store/table.h"

static struct rng rng;

struct fixture {
  struct pool_file file;
  struct budget budget;
  struct slot_locks *locks;
  struct table t;
};

static void
open_table (struct fixture *f, uint64_t pages)
{
  *f = (struct fixture) {
    .file = { .fd = memfd_create ("table", MFD_CLOEXEC),
              .granule = OS_PAGE_SIZE },
    .locks = aligned_alloc (CACHE_LINE, sizeof *f->locks),
  };
  assert_non_null (f->locks);
  slot_locks_init (f->locks);
  assert_int_equal (ftruncate (f->file.fd, (off_t) (OS_PAGE_SIZE
                                                    + table_bytes (pages))),
                    0);
  assert_int_equal (table_open (&f->t, &f->file, &f->budget, NULL, f->locks,
                                OS_PAGE_SIZE, pages), 0);
}

static void
reopen_table (struct fixture *f)
{
  uint64_t pages = f->t.pages;

  table_close (&f->t);
  f->budget.used = 0;
  assert_int_equal (table_open (&f->t, &f->file, &f->budget, NULL, f->locks,
                                OS_PAGE_SIZE, pages), 0);
}

static void
close_table (struct fixture *f)
{
  table_close (&f->t);
  table_close (&f->t);
  slot_locks_destroy (f->locks);
  free (f->locks);
  close (f->file.fd);
}

static uint64_t
resident (const struct fixture *f)
{
  struct stat st;

  assert_int_equal (fstat (f->file.fd, &st), 0);
  return (uint64_t) st.st_blocks * 512;
}

static int
put (struct fixture *f, uint64_t index, slot_t slot)
{
  LOCK_FOR_SCOPE (table_lock (&f->t, index));

  if (table_prepare (&f->t, index) == -1)
    return -1;
  table_set (&f->t, index, slot, 0);
  return 0;
}

static slot_t
get (struct fixture *f, uint64_t index)
{
  LOCK_FOR_SCOPE (table_lock (&f->t, index));

  return table_get (&f->t, index);
}

/* Assert how many leaves exist, and how much memory the table holds. */
static void
assert_leaves (struct fixture *f, uint64_t leaves, uint64_t map_pages)
{
  uint64_t found = 0, info_pages = 0, last = UINT64_MAX;

  for (uint64_t leaf = table_next_leaf (&f->t, 0); leaf < f->t.leaves;
       leaf = table_next_leaf (&f->t, leaf + 1)) {
    assert_true (table_has_leaf (&f->t, leaf));
    found++;
    info_pages += leaf / LEAVES_PER_INFO_PAGE != last;
    last = leaf / LEAVES_PER_INFO_PAGE;
  }
  assert_int_equal (found, leaves);
  assert_true (f->budget.used
               == (leaves + map_pages + info_pages) * OS_PAGE_SIZE);
  assert_true (resident (f) == leaves * OS_PAGE_SIZE);
}

TEST (reading_costs_nothing)
{
  struct fixture f;
  slot_t slots[LEAF_SLOTS];

  open_table (&f, 100000);
  for (uint64_t index = 0; index < 100000; index += 37)
    assert_true (get (&f, index) == SLOT_EMPTY);
  assert_false (table_copy_leaf (&f.t, 5, slots));
  table_release_leaf (&f.t, 5);
  assert_leaves (&f, 0, 0);
  close_table (&f);
}

TEST (leaves_come_and_go)
{
  struct fixture f;
  slot_t slots[LEAF_SLOTS];

  open_table (&f, 10 * LEAF_SLOTS + 3);
  assert_int_equal (f.t.leaves, 11);
  assert_int_equal (put (&f, 3 * LEAF_SLOTS + 7, slot_same (42)), 0);
  assert_int_equal (put (&f, 10 * LEAF_SLOTS + 2, slot_same (43)), 0);
  assert_leaves (&f, 2, 1);
  assert_int_equal (table_next_leaf (&f.t, 0), 3);
  assert_int_equal (table_next_leaf (&f.t, 4), 10);
  assert_true (table_copy_leaf (&f.t, 3, slots));
  assert_true (slots[7] == slot_same (42) && slots[8] == SLOT_EMPTY);

  /* A leaf that is not empty stays. */
  table_release_leaf (&f.t, 3);
  assert_leaves (&f, 2, 1);
  assert_int_equal (put (&f, 3 * LEAF_SLOTS + 7, SLOT_EMPTY), 0);
  table_release_leaf (&f.t, 3);
  assert_leaves (&f, 1, 1);
  assert_true (get (&f, 3 * LEAF_SLOTS + 7) == SLOT_EMPTY);
  assert_leaves (&f, 1, 1);

  reopen_table (&f);
  assert_leaves (&f, 1, 1);
  assert_true (get (&f, 10 * LEAF_SLOTS + 2) == slot_same (43));
  close_table (&f);
}

/* At attach, empty leaves become holes again. */
TEST (empty_leaves_are_not_kept)
{
  struct fixture f;

  open_table (&f, 20 * LEAF_SLOTS);
  for (uint64_t leaf = 0; leaf < 20; ++leaf)
    assert_int_equal (put (&f, leaf * LEAF_SLOTS + leaf,
                           leaf % 3 == 0 ? slot_same (leaf) : SLOT_EMPTY), 0);
  assert_leaves (&f, 20, 1);
  reopen_table (&f);
  assert_leaves (&f, 7, 1);
  close_table (&f);
}

TEST (the_limit_is_kept)
{
  struct fixture f;

  open_table (&f, UINT64_C (1) << 26);
  f.budget.limit = 7 * OS_PAGE_SIZE;
  assert_int_equal (put (&f, 0, slot_same (0)), 0);
  /* Each of these lies in another OS page of the map, too. */
  for (uint64_t index = 1; index < 4; ++index) {
    errno = 0;
    if (put (&f, index << 24, slot_same (0)) == -1)
      assert_int_equal (errno, ENOSPC);
    assert_true (f.budget.used <= f.budget.limit);
  }
  assert_true (f.budget.used_max <= f.budget.limit);
  close_table (&f);
}

TEST (damage_is_not_believed)
{
  struct fixture f;

  open_table (&f, 1000);
  assert_int_equal (put (&f, 5, slot_stored (64, 100, 1)), 0);
  f.t.slots[5] ^= 1 << 20;
  f.t.slots[6] ^= UINT64_C (1) << 63;
  assert_true (get (&f, 5) == SLOT_BAD);
  assert_true (get (&f, 6) == SLOT_BAD);
  assert_true (table_set (&f.t, 5, SLOT_EMPTY, 0) == SLOT_BAD);
  close_table (&f);
}

/* ---- infos ---- */

#define KEPT (INFO_INCOMPRESSIBLE | 2 << INFO_TRIED_SHIFT)

TEST (access_makes_a_page_young)
{
  struct fixture f;
  uint8_t older[AGE_CODES];

  open_table (&f, 5 * LEAF_SLOTS);
  put (&f, 7, slot_same (1));
  put (&f, 4 * LEAF_SLOTS + 1, slot_same (2));
  age_steps (100, 120, older);
  table_sweep (&f.t, older);
  assert_int_equal (info_age (table_info (&f.t, 7)), 20);
  assert_int_equal (info_age (table_info (&f.t, 4 * LEAF_SLOTS + 1)), 20);

  table_mark (&f.t, 7, INFO_CLAIMED | INFO_IDLE | KEPT, 0);
  table_touch (&f.t, 7);
  assert_int_equal (table_info (&f.t, 7), KEPT);
  table_sweep (&f.t, older);
  assert_int_equal (table_info (&f.t, 7), KEPT | 20);
  table_mark (&f.t, 7, 0, INFO_INCOMPRESSIBLE);
  assert_int_equal (info_tried (table_info (&f.t, 7)), 2);
  put (&f, 7, slot_same (3));
  assert_int_equal (table_info (&f.t, 7), 0);
  close_table (&f);
}

TEST (nothing_is_known_of_a_new_leaf)
{
  struct fixture f;

  open_table (&f, 10 * LEAF_SLOTS);
  put (&f, 7, slot_same (1));
  table_mark (&f.t, 7, INFO_IDLE, 0);
  /* Without table_set, so that the info stays until the leaf is released. */
  f.t.slots[7] = SLOT_EMPTY;
  table_release_leaf (&f.t, 0);
  assert_leaves (&f, 0, 1);
  put (&f, 8, slot_same (1));
  assert_int_equal (table_info (&f.t, 7), 0);
  assert_leaves (&f, 1, 1);
  close_table (&f);
}

/* Few slots that are far apart, as on a huge disk. */
TEST (huge_and_sparse)
{
  const uint64_t pages = PIB / 4096;
  struct fixture f;
  uint64_t indexes[20];

  if (unit_instrumented ()) {
    print_message ("a table of 1 PiB needs 2 TiB of address space\n");
    skip ();
  }
  open_table (&f, pages);
  for (unsigned i = 0; i < 20; ++i) {
    indexes[i] = i == 0 ? pages - 1 : i == 1 ? 0 : rng_below (&rng, pages);
    assert_int_equal (put (&f, indexes[i], slot_same (indexes[i])), 0);
  }
  assert_true (f.budget.used <= 60 * OS_PAGE_SIZE);
  reopen_table (&f);
  for (unsigned i = 0; i < 20; ++i)
    assert_true (get (&f, indexes[i]) == slot_same (indexes[i]));
  assert_true (f.budget.used <= 60 * OS_PAGE_SIZE);
  close_table (&f);
}

/* Random slots, compared with an array. */
TEST (as_an_array)
{
  enum { PAGES = 40 * LEAF_SLOTS };
  static slot_t oracle[PAGES];
  struct fixture f;

  open_table (&f, PAGES);
  for (unsigned i = 0; i < unit_scaled (20000); ++i) {
    uint64_t index = rng_below (&rng, 40) * LEAF_SLOTS + rng_below (&rng, 4);

    assert_true (get (&f, index) == oracle[index]);
    oracle[index] = rng_below (&rng, 2) ? slot_same (i) : SLOT_EMPTY;
    if (oracle[index] != SLOT_EMPTY || table_has_leaf (&f.t,
                                                       index / LEAF_SLOTS))
      assert_int_equal (put (&f, index, oracle[index]), 0);
    table_release_leaf (&f.t, index / LEAF_SLOTS);
    if (i % 1000 == 0)
      reopen_table (&f);
  }
  for (uint64_t leaf = 0; leaf < f.t.leaves; ++leaf) {
    bool any = false;

    for (uint64_t i = leaf * LEAF_SLOTS; i < (leaf + 1) * LEAF_SLOTS; ++i)
      any |= oracle[i] != SLOT_EMPTY;
    assert_int_equal (table_has_leaf (&f.t, leaf), any);
  }
  close_table (&f);
}

/* The slots of a leaf share LEAF_LOCKS locks, and no more. */
TEST (locks_of_a_leaf)
{
  struct fixture f;

  open_table (&f, 100 * LEAF_SLOTS);
  for (uint64_t leaf = 0; leaf < 100; ++leaf)
    for (uint64_t i = 0; i < LEAF_SLOTS; ++i)
      assert_ptr_equal (table_lock (&f.t, leaf * LEAF_SLOTS + i),
                        table_lock (&f.t, leaf * LEAF_SLOTS + i % LEAF_LOCKS));
  close_table (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (reading_costs_nothing),
    cmocka_unit_test (leaves_come_and_go),
    cmocka_unit_test (empty_leaves_are_not_kept),
    cmocka_unit_test (the_limit_is_kept),
    cmocka_unit_test (damage_is_not_believed),
    cmocka_unit_test (access_makes_a_page_young),
    cmocka_unit_test (nothing_is_known_of_a_new_leaf),
    cmocka_unit_test (huge_and_sparse),
    cmocka_unit_test (as_an_array),
    cmocka_unit_test (locks_of_a_leaf),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("table", tests, NULL, NULL);
}
