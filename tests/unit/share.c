/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dedup in the store: identical pages share an object, and no page is lost
 * when another one is overwritten or trimmed.
 */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/compact.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/stats.h"
#include "lib/store/device-objects.h"

#define PAGE 4096
#define PAGES 1000

static struct rng rng;

struct fixture {
  struct unit_pool u;
  struct device *d[2];
  uint64_t tags[2][PAGES];      /* 0: not written */
};

static void
find_devices (struct fixture *f)
{
  f->d[0] = device_open (f->u.pool, "a", PAGES * PAGE);
  f->d[1] = device_open (f->u.pool, "b", PAGES * PAGE);
  assert_non_null (f->d[0]);
  assert_non_null (f->d[1]);
}

static void
open_disks (struct fixture *f, enum dedup_mode mode, uint64_t limit)
{
  memset (f, 0, sizeof *f);
  assert_int_equal (unit_open (&f->u, "lz4", PAGE, true, 0), 0);
  f->u.options.dedup = mode;
  f->u.options.dedup_limit = limit;
  f->u.options.recompress[0] = unit_algorithm (unit_strong ());
  f->u.options.recompress_count = 1;
  assert_int_equal (unit_reopen (&f->u), 0);
  find_devices (f);
}

static void
reattach (struct fixture *f, enum dedup_mode mode)
{
  f->u.options.dedup = mode;
  assert_int_equal (unit_reopen (&f->u), 0);
  find_devices (f);
  assert_pool_ok (f->u.pool);
}

static void
page_of_tag (uint8_t *page, uint64_t tag)
{
  static const enum data_kind kinds[] = {
    DATA_TEXT, DATA_RECORDS, DATA_RANDOM, DATA_SAME, DATA_SAME_STORED,
  };

  if (tag == 0)
    memset (page, 0, PAGE);
  else
    data_fill (page, PAGE, kinds[tag % ARRAY_SIZE (kinds)], tag);
}

static void
put (struct fixture *f, unsigned n, uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE];

  page_of_tag (page, tag);
  if (tag == 0)
    assert_int_equal (device_zero (f->d[n], PAGE, index * PAGE), 0);
  else
    assert_int_equal (device_write (f->d[n], page, PAGE, index * PAGE), 0);
  f->tags[n][index] = tag;
}

static void
assert_content (struct fixture *f)
{
  uint8_t page[PAGE], expected[PAGE];

  for (unsigned n = 0; n < 2; ++n)
    for (uint64_t i = 0; i < PAGES; ++i) {
      page_of_tag (expected, f->tags[n][i]);
      assert_int_equal (device_read (f->d[n], page, PAGE, i * PAGE), 0);
      assert_memory_equal (page, expected, PAGE);
    }
}

static struct stats
stats_of (struct fixture *f)
{
  struct stats st;

  pool_get_stats (f->u.pool, &st);
  return st;
}

/* Tags 5n and 5n + 1 are text and records. */
TEST (one_object_for_all)
{
  struct fixture f;
  uint64_t one;

  open_disks (&f, DEDUP_POOL, 0);
  put (&f, 0, 0, 5);
  one = stats_of (&f).compr_data_size;
  for (uint64_t i = 0; i < 20; ++i)
    for (unsigned n = 0; n < 2; ++n)
      put (&f, n, i, 5);
  assert_int_equal (stats_of (&f).compr_data_size, one);
  assert_int_equal (stats_of (&f).dup_pages, 39);
  assert_pool_ok (f.u.pool);
  assert_content (&f);

  /* The last page that refers to the object frees it. */
  for (uint64_t i = 0; i < 20; ++i)
    for (unsigned n = 0; n < 2; ++n) {
      assert_int_equal (stats_of (&f).compr_data_size, one);
      put (&f, n, i, 0);
    }
  assert_int_equal (stats_of (&f).compr_data_size, 0);
  assert_pool_ok (f.u.pool);
  unit_close (&f.u);
}

TEST (devices_keep_to_themselves)
{
  struct fixture f;

  open_disks (&f, DEDUP_DEVICE, 0);
  for (uint64_t i = 0; i < 10; ++i)
    for (unsigned n = 0; n < 2; ++n)
      put (&f, n, i, 6);
  assert_int_equal (stats_of (&f).dup_pages, 18);
  assert_content (&f);
  assert_pool_ok (f.u.pool);
  unit_close (&f.u);
}

static void
churn (struct fixture *f, unsigned times)
{
  while (times-- > 0)
    put (f, (unsigned) rng_below (&rng, 2), rng_below (&rng, PAGES),
         rng_below (&rng, 200));
}

static void
recompress (struct fixture *f)
{
  struct recompress_request req = { .max_pages = 0 };
  struct recompress_result r;

  assert_int_equal (pool_recompress (f->u.pool, &req, NULL, &r), 0);
  assert_int_equal (pool_group (f->u.pool, &req, NULL, &r), 0);
}

TEST (everything_together)
{
  struct fixture f;
  enum dedup_mode modes[] = { DEDUP_POOL, DEDUP_OFF, DEDUP_DEVICE };

  open_disks (&f, DEDUP_POOL, 0);
  for (unsigned round = 0; round < unit_scaled (40); ++round) {
    churn (&f, 500);
    if (round % 3 == 0)
      pool_compact (f.u.pool, NULL);
    assert_pool_ok (f.u.pool);
    if (round % 4 == 1)
      recompress (&f);
    if (round % 7 == 6)
      reattach (&f, modes[rng_below (&rng, 3)]);
    assert_pool_ok (f.u.pool);
    assert_content (&f);
  }
  for (unsigned n = 0; n < 2; ++n)
    assert_int_equal (device_zero (f.d[n], PAGES * PAGE, 0), 0);
  assert_int_equal (stats_of (&f).compr_data_size, 0);
  assert_int_equal (stats_of (&f).dup_pages, 0);
  assert_pool_ok (f.u.pool);
  unit_close (&f.u);
}

/* Pages still share objects after recompression, compaction and attach. */
TEST (sharing_survives_maintenance)
{
  struct fixture f;
  uint64_t shared;

  open_disks (&f, DEDUP_POOL, 0);
  for (uint64_t i = 0; i < PAGES; ++i)
    put (&f, 0, i, i % 100 * 5 + 5);
  shared = stats_of (&f).dup_pages;
  assert_int_equal (shared, PAGES - 100);
  recompress (&f);
  assert_int_equal (stats_of (&f).dup_pages, shared);
  for (uint64_t i = 0; i < PAGES; ++i)
    if (i % 100 % 3 != 0)
      put (&f, 0, i, 0);
  shared = stats_of (&f).dup_pages;
  pool_compact (f.u.pool, NULL);
  assert_int_equal (stats_of (&f).dup_pages, shared);
  assert_pool_ok (f.u.pool);
  reattach (&f, DEDUP_POOL);
  assert_int_equal (stats_of (&f).dup_pages, shared);
  assert_content (&f);
  unit_close (&f.u);
}

TEST (a_full_index_stops_nothing)
{
  struct fixture f;

  open_disks (&f, DEDUP_POOL, 1);
  churn (&f, 5000);
  assert_content (&f);
  assert_pool_ok (f.u.pool);
  unit_close (&f.u);
}

/* Damage of a shared object affects all its pages and no other page, also when
 * they are trimmed and dedup can't find the object.
 */
TEST (damage_does_not_spread)
{
  struct fixture f;
  uint8_t page[PAGE];
  slot_t slot;

  open_disks (&f, DEDUP_POOL, 0);
  for (uint64_t i = 0; i < 10; ++i)
    put (&f, 0, i, 5);
  slot = table_get (&f.d[0]->table, 0);
  object_at (f.d[0], slot_offset (slot))[1] ^= 4; /* of its checksum */
  for (uint64_t i = 0; i < 5; ++i)
    put (&f, 0, i, 0);
  for (uint64_t i = 10; i < PAGES; ++i)
    put (&f, 0, i, i * 5);
  for (uint64_t i = 5; i < 10; ++i) {
    assert_int_equal (device_read (f.d[0], page, PAGE, i * PAGE), -1);
    assert_int_equal (errno, EIO);
    put (&f, 0, i, i);
  }
  assert_content (&f);
  unit_close (&f.u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (one_object_for_all),
    cmocka_unit_test (devices_keep_to_themselves),
    cmocka_unit_test (everything_together),
    cmocka_unit_test (sharing_survives_maintenance),
    cmocka_unit_test (a_full_index_stops_nothing),
    cmocka_unit_test (damage_does_not_spread),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("share", tests, NULL, NULL);
}
