/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The numbers of "nbdzram analyze", compared with the data. */

#include <config.h>

#include <math.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/verbs/analysis.h"
#include "lib/base/util.h"
#include "lib/maintenance/stats.h"

#define PAGE 4096
#define PLACES 4096

static struct rng rng;
static struct analysis a;

static void
add (enum data_kind kind, uint64_t tag)
{
  uint8_t page[PAGE];

  data_fill (page, PAGE, kind, tag);
  analysis_add (&a, page);
}

static int
setup (void **state)
{
  (void) state;
  return analysis_open (&a, PAGE, 256, PLACES);
}

static int
teardown (void **state)
{
  (void) state;
  analysis_close (&a);
  return 0;
}

static struct verdict
try (const char *spec)
{
  struct algorithm algorithm = unit_algorithm (spec);
  struct verdict v;

  assert_int_equal (analysis_try (&a, &algorithm, 3600, &v), 0);
  return v;
}

TEST (counts_exactly)
{
  for (unsigned i = 0; i < 10; ++i)
    add (DATA_ZERO, i);
  for (unsigned i = 0; i < 20; ++i)
    add (DATA_SAME_STORED, i);
  for (unsigned i = 0; i < 600; ++i)
    add (DATA_RANDOM, i % 400);
  assert_int_equal (a.pages, 630);
  assert_int_equal (a.same_pages, 30);
  assert_int_equal (a.same_stored, 20);
  assert_int_equal (analysis_duplicates (&a), 200);
  assert_false (a.estimated);
  assert_int_equal (a.sample_count, 256);
  assert_int_equal (try ("lz4").huge, 256);
  assert_int_equal (try ("lz4hc").tried, 256);
  assert_float_equal (analysis_incompressible (&a), 600.0 / 630, 1e-9);
}

TEST (nothing_but_same_filled)
{
  struct verdict v;

  for (unsigned i = 0; i < 10; ++i)
    add (DATA_ZERO, i);
  v = try ("lz4");
  assert_int_equal (v.tried, 0);
  assert_float_equal (v.memory, 80, 1e-9);
  assert_float_equal (analysis_incompressible (&a), 0, 1e-9);
}

/* Far more pages than there is room for hashes: the estimate is good. */
TEST (duplicates_are_estimated)
{
  unsigned distinct = 20 * PLACES, pages = 30 * PLACES;
  uint8_t page[PAGE] = { 1 };
  double share;

  for (unsigned i = 0; i < pages; ++i) {
    unsigned tag = i % distinct;

    memcpy (page + 100, &tag, sizeof tag);
    analysis_add (&a, page);
  }
  assert_true (a.estimated);
  share = (double) analysis_duplicates (&a) / pages;
  if (fabs (share - 1.0 / 3) > 0.05)
    fail_msg ("%f of the pages are duplicates, not 1/3", share);
}

/* Each page is in the sample with the same chance: of four quarters, each
 * has about a quarter of it.
 */
TEST (sample_is_fair)
{
  unsigned quarter[4] = { 0 };
  uint8_t page[PAGE] = { 1 };

  for (unsigned i = 0; i < 8000; ++i) {
    memcpy (page + 100, &i, sizeof i);
    analysis_add (&a, page);
  }
  for (unsigned i = 0; i < a.sample_count; ++i) {
    unsigned tag;

    memcpy (&tag, a.sample + (size_t) i * PAGE + 100, sizeof tag);
    quarter[tag / 2000]++;
  }
  for (unsigned i = 0; i < 4; ++i)
    assert_uint_in_range (quarter[i], 64 - 32, 64 + 32);
}

/* The estimate of memory is what a real pool takes. */
static void
memory_is_foretold (const char *spec)
{
  struct unit_pool u;
  struct stats before, after;
  struct device *d;
  uint8_t page[PAGE];
  unsigned pages = 6000;
  double taken;

  analysis_close (&a);
  assert_int_equal (analysis_open (&a, PAGE, pages, PLACES), 0);
  assert_int_equal (unit_open (&u, spec, PAGE, true, 0), 0);
  d = device_open (u.pool, "", (uint64_t) pages * PAGE);
  assert_non_null (d);
  pool_get_stats (u.pool, &before);
  for (unsigned i = 0; i < pages; ++i) {
    data_realistic (page, PAGE, rng_next (&rng));
    analysis_add (&a, page);
    assert_int_equal (device_write (d, page, PAGE, (uint64_t) i * PAGE), 0);
  }
  pool_get_stats (u.pool, &after);
  taken = (double) (after.mem_used_total - before.mem_used_total);
  if (fabs (try (spec).memory / taken - 1) > 0.08)
    fail_msg ("%s: %.0f bytes were foretold, %.0f taken", spec,
              try (spec).memory, taken);
  unit_close (&u);
}

TEST (memory_is_foretold_by_all)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    memory_is_foretold ((*c)->name);
}

/* Duplicates that share their memory. */
TEST (dedup_is_foretold)
{
  struct verdict v;

  for (unsigned i = 0; i < 800; ++i)
    add (DATA_RANDOM, i % 200);
  v = try ("lz4");
  assert_float_equal ((float) (v.memory / v.memory_dedup), 4, 0.05F);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (counts_exactly, setup, teardown),
    cmocka_unit_test_setup_teardown (nothing_but_same_filled, setup, teardown),
    cmocka_unit_test_setup_teardown (duplicates_are_estimated, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (sample_is_fair, setup, teardown),
    cmocka_unit_test_setup_teardown (memory_is_foretold_by_all, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (dedup_is_foretold, setup, teardown),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
