/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Marking idle pages, reading the state of pages, and trimming. */

#include <config.h>

#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/idle.h"
#include "lib/maintenance/stats.h"
#include "lib/maintenance/trim.h"
#include "lib/store/page-state.h"

#define PAGE 4096
#define PAGES 3000

static const struct job always;
static struct unit_pool u;
static struct device *d;

static void
open_disk (void)
{
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  d = device_open (u.pool, "", PAGES * PAGE - 100);
  assert_non_null (d);
}

static void
put (uint64_t index, enum data_kind kind)
{
  uint8_t page[PAGE];

  data_fill (page, PAGE, kind, index + 1);
  assert_int_equal (device_write (d, page, PAGE, index * PAGE), 0);
}

static struct page_state
state_of (uint64_t index)
{
  struct page_state state;
  uint64_t next;

  assert_int_equal (device_page_states (d, index, index + 1, &state, 1, &next),
                    1);
  assert_int_equal (next, index + 1);
  return state;
}

static struct stats
stats_now (void)
{
  struct stats st;

  pool_get_stats (u.pool, &st);
  return st;
}

TEST (idle_until_accessed)
{
  uint8_t page[PAGE];

  open_disk ();
  for (uint64_t i = 0; i < 10; ++i)
    put (i, DATA_TEXT);
  put (10, DATA_SAME);
  assert_int_equal (stats_now ().idle_pages, 0);
  assert_int_equal (pool_mark_idle (u.pool, 0), 10);
  assert_int_equal (stats_now ().idle_pages, 10);
  assert_int_equal (state_of (3).flags, PAGE_IDLE);
  assert_int_equal (state_of (10).flags, PAGE_SAME);
  device_read (d, page, PAGE, 3 * PAGE);
  assert_int_equal (state_of (3).flags, 0);
  put (4, DATA_TEXT);
  assert_int_equal (state_of (4).flags, 0);
  assert_int_equal (state_of (5).flags, PAGE_IDLE);
  unit_close (&u);
}

TEST (idle_by_age)
{
  uint8_t page[PAGE];

  open_disk ();
  pool_sweep (u.pool, 1000);
  for (uint64_t i = 0; i < 10; ++i)
    put (i, DATA_TEXT);
  pool_sweep (u.pool, 1020);
  device_read (d, page, 1, 7 * PAGE + 5);
  put (8, DATA_TEXT);
  pool_sweep (u.pool, 1030);
  assert_int_equal (state_of (0).age, 30);
  assert_int_equal (state_of (7).age, 10);
  u.pool->idle_age = 30;
  assert_int_equal (stats_now ().idle_pages, 8);
  u.pool->idle_age = 0;
  assert_int_equal (pool_mark_idle (u.pool, 31), 0);
  assert_int_equal (pool_mark_idle (u.pool, 30), 8);
  assert_int_equal (state_of (7).flags | state_of (8).flags, 0);
  assert_int_equal (pool_mark_idle (u.pool, 10), 10);
  /* The clock does not go back. */
  pool_sweep (u.pool, 1000);
  assert_int_equal (state_of (0).age, 30);
  unit_close (&u);
}

TEST (states_of_all_kinds)
{
  struct page_state states[100];
  uint64_t next = 0, total = 0;
  unsigned n;

  open_disk ();
  put (5, DATA_RANDOM);
  put (6, DATA_TEXT);
  put (1500, DATA_SAME_STORED);
  put (PAGES - 2, DATA_ZERO);
  assert_int_equal (state_of (5).flags, PAGE_HUGE);
  assert_int_equal (state_of (5).bytes, PAGE);
  assert_null (state_of (5).codec);
  assert_string_equal (state_of (6).codec->name, "lz4");
  assert_uint_in_range (state_of (6).bytes, 20, PAGE - 1);
  assert_int_equal (state_of (1500).flags, PAGE_SAME);
  assert_int_equal (state_of (PAGES - 2).flags, PAGE_SAME);
  assert_int_equal (state_of (PAGES - 2).bytes, 0);
  assert_int_equal (device_page_states (d, 0, PAGES, states, 100, &next), 4);
  assert_int_equal (next, PAGES);
  assert_int_equal (device_page_states (d, 7, 1500, states, 100, &next), 0);
  assert_int_equal (next, 1500);

  /* In several parts, the result is the same. */
  for (uint64_t i = 0; i < 1000; ++i)
    put (i, DATA_TEXT);
  for (next = 0; next < PAGES; total += n)
    n = device_page_states (d, next, PAGES, states, 7, &next);
  assert_int_equal (total, 1002);
  unit_close (&u);
}

TEST (written_zeroes_become_holes)
{
  uint8_t page[PAGE], zero[PAGE] = { 0 };

  open_disk ();
  for (uint64_t i = 0; i < PAGES - 1; ++i)
    put (i, i == 700 ? DATA_TEXT : i == 800 ? DATA_SAME : DATA_ZERO);
  assert_int_equal (pool_trim_empty (u.pool, &always), PAGES - 3);
  assert_pool_ok (u.pool);
  assert_int_equal (stats_now ().orig_data_size, 2 * PAGE);
  assert_int_equal (unit_file_bytes (u.pool) / OS_PAGE_SIZE, 4);
  device_read (d, page, PAGE, 100 * PAGE);
  assert_memory_equal (page, zero, PAGE);
  unit_close (&u);
}

TEST (reset_leaves_nothing)
{
  uint64_t before;

  open_disk ();
  before = u.pool->budget.used;
  for (uint64_t i = 0; i < PAGES - 1; ++i)
    put (i, (enum data_kind) (i % DATA_KINDS));
  pool_reset (u.pool);
  assert_pool_ok (u.pool);
  assert_int_equal (stats_now ().orig_data_size, 0);
  /* But for what knows of frames that were used once. */
  assert_uint_in_range (u.pool->budget.used - before, 0, 3 * OS_PAGE_SIZE);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (idle_until_accessed),
    cmocka_unit_test (idle_by_age),
    cmocka_unit_test (states_of_all_kinds),
    cmocka_unit_test (written_zeroes_become_holes),
    cmocka_unit_test (reset_leaves_nothing),
  };

  return cmocka_run_group_tests_name ("tidy", tests, NULL, NULL);
}
