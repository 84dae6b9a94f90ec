/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy decides what its header and the manual say, over a week that
 * takes a moment, and the maintainer does what it decides.
 */

#include <config.h>

#include <string.h>
#include <unistd.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/idle.h"
#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/stats.h"
#include "lib/store/group.h"
#include "lib/store/page-state.h"

#define PAGE 4096
#define WEEK (7 * 86400)

static struct rng rng;

static struct policy_settings
defaults (void)
{
  struct maintainer_settings s;

  maintainer_settings_init (&s);
  return s.policy;
}

/* ---- decisions ---- */

TEST (off_is_off)
{
  struct policy p = { .next = { 0 } };
  struct policy_settings s = defaults ();
  struct policy_view v = {
    .mem_used = 100, .mem_limit = 100, .in_zspages = GIB,
    .can_recompress = true, .can_write_back = true, .needs_cleaning = true,
    .has_stale = true, .needs_training = true,
  };

  s.on = false;
  for (uint64_t now = 0; now < 1000; ++now)
    assert_int_equal (policy_decide (&p, &s, &v, now).action, POLICY_REST);
}

TEST (nothing_without_its_means)
{
  struct policy p = { .next = { 0 } };
  struct policy_settings s = defaults ();
  struct policy_view v = { .mem_used = 100, .mem_limit = 100 };

  for (uint64_t now = 0; now < 1000; ++now)
    assert_int_equal (policy_decide (&p, &s, &v, now).action, POLICY_REST);
}

TEST (writeback_begins_at_the_watermark)
{
  struct policy_settings s = defaults ();
  struct policy_view v = { .can_write_back = true };
  uint64_t last = s.writeback_age;

  assert_true (policy_writeback_age (&s, &v) == s.writeback_age);
  v.mem_limit = 100 * MIB;
  v.mem_used = 79 * MIB;
  assert_true (policy_writeback_age (&s, &v) == UINT64_MAX);
  for (v.mem_used = 81 * MIB; v.mem_used < 100 * MIB; v.mem_used += MIB) {
    uint64_t age = policy_writeback_age (&s, &v);

    assert_true (age < last && age >= WRITEBACK_AGE_MIN);
    last = age;
  }
  v.mem_used = 90 * MIB;
  assert_uint_in_range (policy_writeback_age (&s, &v),
                        s.writeback_age * 9 / 20, s.writeback_age * 11 / 20);
  v.mem_used = 100 * MIB;
  assert_int_equal (policy_writeback_age (&s, &v), WRITEBACK_AGE_MIN);
  v.mem_used = 200 * MIB;
  assert_int_equal (policy_writeback_age (&s, &v), WRITEBACK_AGE_MIN);
  v.can_write_back = false;
  assert_true (policy_writeback_age (&s, &v) == UINT64_MAX);
}

/* Each action is done as often as its pages need, and no more often. */
TEST (a_week_of_decisions)
{
  struct policy p = { .next = { 0 } };
  struct policy_settings s = defaults ();
  struct policy_view v = {
    .in_zspages = GIB, .in_objects = GIB / 2, .can_recompress = true,
    .can_write_back = true, .needs_cleaning = true, .has_stale = true,
    .needs_training = true,
  };
  uint64_t runs[POLICY_ACTIONS] = { 0 }, last[POLICY_ACTIONS] = { 0 };

  for (uint64_t now = 1; now < WEEK; now += 1 + rng_below (&rng, 2)) {
    struct policy_decision d;

    while ((d = policy_decide (&p, &s, &v, now)).action != POLICY_REST) {
      assert_true (last[d.action] != now);
      last[d.action] = now;
      runs[d.action]++;
      if (d.action == POLICY_RECOMPRESS)
        assert_int_equal (d.age, s.recompress_age);
      if (d.action == POLICY_GROUP)
        assert_int_equal (d.age, s.recompress_age * GROUP_AGES);
      if (d.action == POLICY_WRITE_BACK)
        assert_int_equal (d.age, s.writeback_age);
    }
  }
  assert_uint_in_range (runs[POLICY_RECOMPRESS], WEEK / 40, WEEK / 37);
  assert_uint_in_range (runs[POLICY_GROUP], WEEK / 62, WEEK / 60);
  assert_uint_in_range (runs[POLICY_WRITE_BACK], WEEK / 62, WEEK / 60);
  assert_uint_in_range (runs[POLICY_COMPACT], WEEK / 32, WEEK / 30);
  assert_uint_in_range (runs[POLICY_TRAIN], WEEK / 62, WEEK / 60);
  assert_uint_in_range (runs[POLICY_CLEAN], WEEK / 2, WEEK);
  assert_uint_in_range (runs[POLICY_REFRESH], WEEK / 2, WEEK);
}

/* ---- a pool with this policy ---- */

#define PAGES 160

static struct unit_pool u;
static struct device *d;

static void
open_disk (void)
{
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  u.options.recompress[0] = unit_algorithm (unit_strong ());
  u.options.recompress_count = 1;
  assert_int_equal (unit_reopen (&u), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  assert_non_null (d);
}

static void
put (uint64_t index)
{
  uint8_t page[PAGE];

  data_fill (page, PAGE, DATA_TEXT, index + 1);
  assert_int_equal (device_write (d, page, PAGE, index * PAGE), 0);
}

static unsigned
flags_of (uint64_t index)
{
  struct page_state state;
  uint64_t next;

  assert_int_equal (device_page_states (d, index, index + 1, &state, 1, &next),
                    1);
  return state.flags;
}

static bool
is_first_of_run (uint64_t index)
{
  return index % GROUP_PAGES_MAX == 0;
}

/* A quarter of the pages is read every four minutes, a quarter every fifteen
 * minutes, one page of each run every second, and the others never.
 */
static void
access_pages (uint64_t second)
{
  uint8_t byte;

  for (uint64_t i = 0; i < PAGES; ++i)
    if (is_first_of_run (i) || (i % 4 == 1 && second % 240 == 0)
        || (i % 4 == 2 && second % 900 == 0))
      assert_int_equal (device_read (d, &byte, 1, i * PAGE + 17), 0);
}

static void
check_pages (uint64_t second)
{
  unsigned grouped = 0;

  for (uint64_t i = 0; i < PAGES; ++i) {
    unsigned flags = flags_of (i);

    if (is_first_of_run (i) || i % 4 == 1)
      assert_int_equal (flags & (PAGE_RECOMPRESSED | PAGE_GROUPED), 0);
    else if (i % 4 == 2) {
      assert_int_equal (flags & PAGE_GROUPED, 0);
      if (second > 400)
        assert_true ((flags & PAGE_RECOMPRESSED) != 0);
    }
    else
      grouped += (flags & PAGE_GROUPED) != 0;
  }
  /* The last page of a run may stay ungrouped. */
  if (second > 1400)
    assert_uint_in_range (grouped, 6 * PAGES / 16, 7 * PAGES / 16);
}

TEST (a_week_of_pages)
{
  struct policy p = { .next = { 0 } };
  struct policy_settings s = defaults ();
  struct stats st;

  open_disk ();
  for (uint64_t i = 0; i < PAGES; ++i)
    put (i);
  for (uint64_t second = 0; second < (unit_quick () ? WEEK / 50 : WEEK / 7);
       ++second) {
    access_pages (second);
    pool_sweep (u.pool, 1000 + second);
    while (maintainer_step (u.pool, &p, &s, NULL, 1000 + second)
           != POLICY_REST)
      ;
    if (second % 100 == 0)
      check_pages (second);
  }
  pool_get_stats (u.pool, &st);
  assert_true (st.group_pages > PAGES / 4);
  assert_pool_ok (u.pool);

  /* With the policy off, nothing happens any more. */
  s.on = false;
  for (uint64_t i = 0; i < PAGES; ++i)
    put (i);
  for (uint64_t second = WEEK; second < WEEK + 5000; ++second) {
    pool_sweep (u.pool, 1000 + second);
    assert_int_equal (maintainer_step (u.pool, &p, &s, NULL, 1000 + second),
                      POLICY_REST);
  }
  for (uint64_t i = 0; i < PAGES; ++i)
    assert_int_equal (flags_of (i), 0);
  unit_close (&u);
}

/* ---- the thread ---- */

TEST (the_thread_works_and_stops)
{
  struct maintainer m;
  struct maintainer_settings s;
  struct stats st;

  open_disk ();
  for (uint64_t i = 0; i < PAGES; ++i)
    put (i);
  maintainer_settings_init (&s);
  s.policy.recompress_age = 1;
  s.cpu = 100;
  assert_int_equal (maintainer_start (&m, u.pool, &s), 0);
  do {
    usleep (50000);
    pool_get_stats (u.pool, &st);
  } while (st.group_pages < PAGES / 2);

  /* A user's command does not wait until the job of the thread ends. */
  assert_true (pool_mark_idle (u.pool, 0) > 0);
  s.policy.on = false;
  maintainer_set_settings (&m, &s);
  maintainer_get_settings (&m, &s);
  assert_false (s.policy.on);
  maintainer_stop (&m);
  maintainer_stop (&m);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (off_is_off),
    cmocka_unit_test (nothing_without_its_means),
    cmocka_unit_test (writeback_begins_at_the_watermark),
    cmocka_unit_test (a_week_of_decisions),
    cmocka_unit_test (a_week_of_pages),
    cmocka_unit_test (the_thread_works_and_stops),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("policy", tests, NULL, NULL);
}
