/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages that are written back to the backing file, and come back. */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/maintenance/stats.h"
#include "lib/maintenance/writeback.h"
#include "tests/lib/unit.h"
#include "tests/lib/writeback.h"

#include <cmocka.h>

/* ---- written back and read ---- */

TEST (memory_goes_and_pages_stay)
{
  struct fixture f;
  struct writeback_result r;
  struct stats before, after;

  open_disk (&f);
  fill (&f);
  before = stats_of (&f);
  r = write_back (&f, PAGES_ALL);
  after = stats_of (&f);
  assert_int_equal (r.written, r.tried);
  assert_int_equal (after.bd_count, r.written);
  assert_int_equal (after.bd_writes, r.written);
  assert_true (after.compr_data_size < before.compr_data_size / 20);
  assert_int_equal (after.orig_data_size, before.orig_data_size);

  /* Of what compression saves, nine tenths are saved there. */
  assert_true (PAGE * r.written - after.bd_used
               >= (PAGE * r.written - r.bytes) * 9 / 10);
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_count, 0);
  assert_int_equal (stats_of (&f).bd_promoted, r.written);
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_reads, r.written);
  assert_int_equal (stats_of (&f).compr_data_size, before.compr_data_size);
  close_disk (&f);
}

/* ---- requests that must not wait ---- */

/* Puts a page that has an object at INDEX. */
static void
put_object (struct fixture *f, uint64_t index)
{
  uint8_t page[PAGE];
  uint64_t tag;

  do {
    tag = 1 + rng_next (&rng) % 100000;
    page_of_tag (page, tag);
  } while (memcmp (page, page + 8, PAGE - 8) == 0);
  put_tag (f, index, tag);
}

TEST (reads_that_would_wait)
{
  struct fixture f;
  struct stats before;
  uint64_t reads, trims;
  uint8_t page[PAGE], half[PAGE / 2];

  open_disk (&f);
  for (uint64_t i = 0; i < 8; ++i)
    put_object (&f, i);
  assert_int_equal (device_try_read (f.d, page, PAGE, 0), 0);
  assert_int_equal (write_back (&f, PAGES_ALL).written, 8);
  before = stats_of (&f);
  reads = f.d->counters.reads;
  trims = f.d->counters.trims;

  /* Nothing is counted that another thread does again. */
  errno = 0;
  assert_int_equal (device_try_read (f.d, page, PAGE, 0), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (device_try_read (f.d, half, sizeof half, 100), -1);
  assert_int_equal (errno, EAGAIN);
  memset (half, 7, sizeof half);
  assert_int_equal (device_try_write (f.d, half, sizeof half, PAGE), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (device_try_zero (f.d, PAGE / 2, 2 * PAGE), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (f.d->counters.reads, reads);
  assert_int_equal (f.d->counters.trims, trims);
  assert_int_equal (f.d->counters.failed, 0);
  assert_int_equal (stats_of (&f).bd_reads, before.bd_reads);

  /* Whole pages need nothing from the file. */
  f.tags[3] = 5;
  page_of_tag (page, f.tags[3]);
  assert_int_equal (device_try_write (f.d, page, PAGE, 3 * PAGE), 0);
  f.tags[4] = 0;
  assert_int_equal (device_try_zero (f.d, PAGE, 4 * PAGE), 0);
  for (uint64_t i = 0; i < 8; ++i)
    assert_page (&f, i);

  /* The streams that were used wait again when they may. */
  write_back (&f, PAGES_ALL);
  for (uint64_t i = 0; i < 8; ++i)
    assert_page (&f, i);
  close_disk (&f);
}

TEST (writes_that_would_wait)
{
  struct fixture f;
  uint8_t page[PAGE];
  uint64_t writes;

  open_disk (&f);
  put_tag (&f, 0, 1);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  data_fill (page, PAGE, DATA_RANDOM, 9);
  writes = f.d->counters.writes;
  assert_int_equal (device_try_write (f.d, page, PAGE, PAGE), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (f.d->counters.writes, writes);
  assert_int_equal (stats_of (&f).failed_writes, 0);
  /* Here nothing frees memory, so waiting ends at once. */
  assert_int_equal (device_write (f.d, page, PAGE, PAGE), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (stats_of (&f).failed_writes, 1);
  assert_page (&f, 0);
  assert_page (&f, 1);
  close_disk (&f);
}

TEST (no_room_no_promotion)
{
  struct fixture f;
  struct writeback_result r;

  open_disk (&f);
  fill (&f);
  r = write_back (&f, PAGES_ALL);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_count, r.written);
  f.u.pool->budget.limit = 0;
  reattach (&f);
  assert_int_equal (stats_of (&f).bd_count, r.written);
  assert_content (&f);
  close_disk (&f);
}

TEST (parts_of_pages_are_changed)
{
  struct fixture f;
  uint8_t page[PAGE], got[PAGE];

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  for (uint64_t i = 0; i < 50; ++i) {
    page_of_tag (page, f.tags[i]);
    memset (page + 100, 0xa5, 7);
    assert_int_equal (device_write (f.d, page + 100, 7, i * PAGE + 100), 0);
    memset (page + 2000, 0, 600);
    assert_int_equal (device_zero (f.d, 600, i * PAGE + 2000), 0);
    assert_int_equal (device_read (f.d, got + 5, PAGE - 5, i * PAGE + 5), 0);
    assert_memory_equal (got + 5, page + 5, PAGE - 5);
    put (&f, i);
  }
  assert_content (&f);
  close_disk (&f);
}

TEST (trimming_frees_the_file)
{
  struct fixture f;
  uint64_t empty;

  open_disk (&f);
  empty = stats_of (&f).bd_live;
  fill (&f);
  write_back (&f, PAGES_ALL);
  assert_true (stats_of (&f).bd_live > 100 * PAGE);
  assert_int_equal (device_zero (f.d, PAGES * PAGE, 0), 0);
  memset (f.tags, 0, sizeof f.tags);
  assert_int_equal (stats_of (&f).bd_live, empty);
  assert_int_equal (stats_of (&f).bd_count, 0);
  assert_int_equal (stats_of (&f).orig_data_size, 0);
  assert_content (&f);
  close_disk (&f);
}

TEST (types_are_kept_to)
{
  struct fixture f;
  struct writeback_result r;
  uint64_t huge;

  open_disk (&f);
  fill (&f);
  assert_int_equal (write_back (&f, PAGES_IDLE).tried, 0);
  assert_int_equal (write_back (&f, PAGES_INCOMPRESSIBLE).tried, 0);
  huge = stats_of (&f).huge_pages;
  assert_true (huge > 0);
  r = write_back (&f, PAGES_HUGE);
  assert_int_equal (r.written, huge);
  assert_int_equal (stats_of (&f).huge_pages, 0);
  assert_content (&f);
  close_disk (&f);
}

TEST (groups_go_whole)
{
  struct fixture f;
  uint64_t grouped;

  open_disk (&f);
  fill (&f);
  group_pages (&f);
  grouped = stats_of (&f).group_pages;
  write_back (&f, PAGES_ALL);
  assert_int_equal (stats_of (&f).group_pages, 0);
  assert_true (stats_of (&f).bd_count >= grouped);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  f.u.pool->budget.limit = 0;
  reattach (&f);
  for (uint64_t i = 0; i < PAGES; i += 3)
    put (&f, i);
  assert_content (&f);
  close_disk (&f);
}

TEST (shared_objects_go_once)
{
  struct fixture f;
  struct writeback_result r;

  open_with (&f, DEDUP_POOL, 16 * MIB);
  for (uint64_t i = 0; i < PAGES; ++i)
    put_tag (&f, i, 1 + i % 100);
  r = write_back (&f, PAGES_ALL);
  assert_true (r.written > PAGES / 2);
  assert_true (stats_of (&f).bd_written < 150 * PAGE);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  f.u.pool->budget.limit = 0;
  for (uint64_t i = 0; i < PAGES; i += 2)
    put (&f, i);
  reattach (&f);
  assert_content (&f);
  close_disk (&f);
}

TEST (the_limit_of_a_day)
{
  struct fixture f;
  struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;
  uint64_t limit, left;

  open_disk (&f);
  fill (&f);
  pool_writeback_clock (f.u.pool, 100);
  pool_set_writeback_limit (f.u.pool, 100000);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_int_equal (errno, EDQUOT);
  assert_uint_in_range (r.bytes, 100000 - PAGE, 100000);
  pool_get_writeback_limit (f.u.pool, &limit, &left);
  assert_int_equal (limit, 100000);
  assert_int_equal (left, limit - r.bytes);
  pool_writeback_clock (f.u.pool, 100 + 86399);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_uint_in_range (r.bytes, 0, PAGE);
  pool_writeback_clock (f.u.pool, 100 + 86400);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_uint_in_range (r.bytes, 100000 - PAGE, 100000);
  pool_set_writeback_limit (f.u.pool, 0);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), 0);
  assert_content (&f);
  close_disk (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (memory_goes_and_pages_stay),
    cmocka_unit_test (reads_that_would_wait),
    cmocka_unit_test (writes_that_would_wait),
    cmocka_unit_test (no_room_no_promotion),
    cmocka_unit_test (parts_of_pages_are_changed),
    cmocka_unit_test (trimming_frees_the_file),
    cmocka_unit_test (types_are_kept_to),
    cmocka_unit_test (groups_go_whole),
    cmocka_unit_test (shared_objects_go_once),
    cmocka_unit_test (the_limit_of_a_day),
  };

  writeback_tests_begin ();
  return cmocka_run_group_tests_name ("writeback", tests, NULL, NULL);
}
