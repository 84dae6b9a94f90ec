/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/stats.h"
#include "lib/store/device-objects.h"

#define PAGE 4096

TEST (the_table_is_complete)
{
  unsigned count = 0;
  bool seen[sizeof (struct stats)] = { false };

  for (const struct stats_field *f = stats_fields; f->name; ++f, ++count) {
    assert_true (f->offset % sizeof (uint64_t) == 0);
    assert_true (f->offset < sizeof (struct stats));
    assert_false (seen[f->offset]);
    seen[f->offset] = true;
    assert_non_null (f->unit);
    assert_true (strlen (f->meaning) > 0);
    assert_int_equal (f->meaning[strlen (f->meaning) - 1], '.');
  }
  assert_int_equal (count, sizeof (struct stats) / sizeof (uint64_t));
}

static struct stats
stats_of (struct pool *pool)
{
  struct stats st;

  pool_get_stats (pool, &st);
  return st;
}

static void
put (struct device *d, uint64_t index, enum data_kind kind)
{
  uint8_t page[PAGE];

  data_fill (page, PAGE, kind, index);
  assert_int_equal (device_write (d, page, PAGE, index * PAGE), 0);
}

TEST (each_kind_is_counted)
{
  struct unit_pool u;
  struct device *d;
  struct stats st;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 100 * MIB), 0);
  d = device_open (u.pool, "", GIB);
  st = stats_of (u.pool);
  assert_true (st.orig_data_size == 0 && st.compr_data_size == 0);
  assert_true (st.mem_limit == 100 * MIB);
  assert_true (st.mem_used_total == st.mem_bookkeeping);

  for (uint64_t i = 0; i < 70; ++i)
    put (d, i, (enum data_kind) (i % DATA_KINDS));
  st = stats_of (u.pool);
  assert_true (st.orig_data_size == 70 * PAGE);
  assert_true (st.same_pages == 30);
  assert_true (st.huge_pages >= 10 && st.huge_pages < 20);
  assert_true (st.huge_pages_since == st.huge_pages);
  assert_true (st.compr_data_size >= st.huge_pages * PAGE + 10 * 8);
  assert_true (st.compr_data_size < 40 * PAGE);
  assert_true (st.mem_used_max >= st.mem_used_total);
  assert_true (st.notify_free == 0 && st.failed_reads == 0
               && st.failed_writes == 0 && st.checksum_errors == 0);
  assert_pool_ok (u.pool);

  /* Writing the same pages again does not add to them. */
  for (uint64_t i = 0; i < 70; ++i)
    put (d, i, (enum data_kind) (i % DATA_KINDS));
  assert_true (stats_of (u.pool).orig_data_size == 70 * PAGE);
  assert_true (stats_of (u.pool).same_pages == 30);
  assert_true (stats_of (u.pool).compr_data_size == st.compr_data_size);

  assert_int_equal (device_zero (d, GIB, 0), 0);
  st = stats_of (u.pool);
  assert_true (st.notify_free == 70);
  assert_true (st.orig_data_size == 0 && st.same_pages == 0);
  assert_true (st.huge_pages == 0 && st.compr_data_size == 0);
  assert_true (st.zspages == 0 && st.compr_data_size == 0);
  assert_true (st.mem_waste == arena_spare_bytes (&u.pool->arena));
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (damage_is_counted)
{
  struct unit_pool u;
  struct device *d;
  uint8_t page[PAGE];

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  d = device_open (u.pool, "", MIB);
  put (d, 3, DATA_TEXT);
  u.pool->arena.base[slot_offset (d->table.slots[3])] ^= 1;
  assert_int_equal (device_read (d, page, PAGE, 3 * PAGE), -1);
  assert_int_equal (device_write (d, page, 10, 3 * PAGE), -1);
  assert_true (stats_of (u.pool).checksum_errors == 2);
  assert_true (stats_of (u.pool).failed_reads == 1);
  assert_true (stats_of (u.pool).failed_writes == 1);
  d->table.slots[3] ^= 1 << 9;
  assert_int_equal (unit_reopen (&u), 0);
  assert_true (stats_of (u.pool).bad_slots == 1);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_table_is_complete),
    cmocka_unit_test (each_kind_is_counted),
    cmocka_unit_test (damage_is_counted),
  };

  return cmocka_run_group_tests_name ("stats", tests, NULL, NULL);
}
