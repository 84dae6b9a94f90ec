/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recompression, page by page and in groups: what it saves, which pages it
 * does not touch, and that it loses no page.
 */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/mutex.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/maintenance/stats.h"
#include "lib/store/device-objects.h"
#include "lib/store/page-claim.h"

#define PAGE 4096
#define PAGES 2000

static struct rng rng;
static const struct job always;

/* ---- a device whose pages are known by their tags ---- */

struct fixture {
  struct unit_pool u;
  struct device *d;
  uint64_t tags[PAGES];         /* 0: never written */
};

static void
open_disk (struct fixture *f, const char *first, const char *second)
{
  const char *specs[] = { first, second };

  memset (f, 0, sizeof *f);
  assert_int_equal (unit_open (&f->u, "lz4", PAGE, true, 0), 0);
  for (int i = 0; i < 2 && specs[i]; ++i)
    f->u.options.recompress[f->u.options.recompress_count++]
      = unit_algorithm (specs[i]);
  assert_int_equal (unit_reopen (&f->u), 0);
  f->d = device_open (f->u.pool, "", PAGES * PAGE);
  assert_non_null (f->d);
}

static void
page_of_tag (uint8_t *page, uint64_t tag)
{
  if (tag == 0)
    memset (page, 0, PAGE);
  else
    data_realistic (page, PAGE, tag);
}

static void
put (struct fixture *f, uint64_t index)
{
  uint8_t page[PAGE];

  f->tags[index] = 1 + rng_next (&rng);
  page_of_tag (page, f->tags[index]);
  assert_int_equal (device_write (f->d, page, PAGE, index * PAGE), 0);
}

static void
fill (struct fixture *f)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    put (f, i);
}

static void
assert_content (struct fixture *f)
{
  uint8_t page[PAGE], expected[PAGE];

  for (uint64_t i = 0; i < PAGES; ++i) {
    page_of_tag (expected, f->tags[i]);
    assert_int_equal (device_read (f->d, page, PAGE, i * PAGE), 0);
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

static struct recompress_result
recompress (struct fixture *f, struct recompress_request req)
{
  struct recompress_result r;

  assert_int_equal (pool_recompress (f->u.pool, &req, &always, &r), 0);
  return r;
}

static struct recompress_result
group (struct fixture *f, enum page_type type)
{
  struct recompress_request req = { .which = select_type (type) };
  struct recompress_result r;

  assert_int_equal (pool_group (f->u.pool, &req, &always, &r), 0);
  return r;
}

static void
mark_idle (struct fixture *f, uint64_t first, uint64_t end)
{
  for (uint64_t i = first; i < end; ++i) {
    LOCK_FOR_SCOPE (table_lock (&f->d->table, i));

    if (table_has_leaf (&f->d->table, i / LEAF_SLOTS))
      table_mark (&f->d->table, i, INFO_IDLE, 0);
  }
}

static void
close_disk (struct fixture *f)
{
  assert_pool_ok (f->u.pool);
  unit_close (&f->u);
}

static void
reattach (struct fixture *f)
{
  assert_int_equal (unit_reopen (&f->u), 0);
  f->d = device_open (f->u.pool, "", PAGES * PAGE);
  assert_pool_ok (f->u.pool);
}

/* ---- page by page ---- */

TEST (idle_pages_get_smaller)
{
  struct fixture f;
  struct recompress_result r;
  struct stats before, after;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  before = stats_of (&f);
  r = recompress (&f, (struct recompress_request) {
      .which = select_type (PAGES_IDLE) });
  assert_int_equal (r.tried, 0);

  mark_idle (&f, 0, PAGES / 2);
  r = recompress (&f, (struct recompress_request) {
      .which = select_type (PAGES_IDLE) });
  assert_uint_in_range (r.tried, 500, PAGES / 2);
  assert_uint_in_range (r.recompressed, 100, r.tried);
  after = stats_of (&f);
  assert_true (after.compr_data_size < before.compr_data_size);
  assert_true (r.saved > 0);
  assert_pool_ok (f.u.pool);

  /* They are no longer idle, and the only algorithm was tried. */
  mark_idle (&f, 0, PAGES / 2);
  r = recompress (&f, (struct recompress_request) {
      .which = select_type (PAGES_IDLE) });
  assert_int_equal (r.tried, 0);
  assert_content (&f);
  reattach (&f);
  assert_content (&f);
  close_disk (&f);
}

TEST (the_largest_come_first)
{
  struct fixture f;
  struct recompress_result r;
  uint64_t huge;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  huge = stats_of (&f).huge_pages;
  assert_true (huge > 20);
  r = recompress (&f, (struct recompress_request) { .max_pages = 20 });
  assert_int_equal (r.tried, 20);
  for (uint64_t i = 0; i < PAGES; ++i)
    if (info_tried (table_info (&f.d->table, i)) != 0)
      assert_true (slot_is_huge (table_get (&f.d->table, i))
                   || object_bytes (f.d, table_get (&f.d->table, i)) < PAGE);
  assert_int_equal (r.recompressed + r.incompressible, 20);
  assert_content (&f);
  close_disk (&f);
}

TEST (the_threshold_spares_the_small)
{
  struct fixture f;
  struct recompress_result r;
  uint64_t tried = 0;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  r = recompress (&f, (struct recompress_request) { .threshold = 3000 });
  for (uint64_t i = 0; i < PAGES; ++i) {
    bool was_tried = info_tried (table_info (&f.d->table, i)) != 0;

    tried += was_tried;
    if (was_tried && info_tried (table_info (&f.d->table, i)) == 1
        && (table_info (&f.d->table, i) & INFO_INCOMPRESSIBLE) == 0)
      assert_true (object_bytes (f.d, table_get (&f.d->table, i)) < 3000);
  }
  assert_int_equal (tried, r.tried);
  assert_true (tried > 0 && tried < PAGES);
  close_disk (&f);
}

TEST (algorithms_follow_each_other)
{
  struct fixture f;
  struct recompress_result r;

  open_disk (&f, "lz4hc", unit_strong ());
  fill (&f);
  r = recompress (&f, (struct recompress_request) { .priority = 1 });
  assert_true (r.recompressed > 0 && r.incompressible == 0);
  r = recompress (&f, (struct recompress_request) { .max_pages = 0 });
  assert_true (r.recompressed > 0);
  assert_content (&f);
  r = recompress (&f, (struct recompress_request) { .max_pages = 0 });
  assert_int_equal (r.tried, 0);
  close_disk (&f);
}

TEST (noise_is_incompressible)
{
  struct fixture f;
  struct recompress_result r;
  uint8_t page[PAGE];

  open_disk (&f, "lz4hc", unit_strong ());
  data_fill (page, PAGE, DATA_RANDOM, 7);
  assert_int_equal (device_write (f.d, page, PAGE, 5 * PAGE), 0);
  r = recompress (&f, (struct recompress_request) {
      .which = select_type (PAGES_HUGE), .priority = 1 });
  assert_int_equal (r.tried, 1);
  assert_int_equal (r.incompressible, 0);
  assert_int_equal (table_info (&f.d->table, 5) & INFO_INCOMPRESSIBLE, 0);

  assert_int_equal (device_write (f.d, page, PAGE, 5 * PAGE), 0);
  r = recompress (&f, (struct recompress_request) {
      .which = select_type (PAGES_HUGE) });
  assert_int_equal (r.incompressible, 1);
  r = recompress (&f, (struct recompress_request) {
      .which = select_type (PAGES_INCOMPRESSIBLE) });
  assert_int_equal (r.tried, 0);
  assert_int_equal (device_write (f.d, page, PAGE, 5 * PAGE), 0);
  assert_int_equal (table_info (&f.d->table, 5) & INFO_INCOMPRESSIBLE, 0);
  unit_close (&f.u);
}

TEST (what_there_is_not_is_refused)
{
  struct fixture f;
  struct recompress_request req = { .priority = 2 };
  struct recompress_result r;

  open_disk (&f, unit_strong (), NULL);
  assert_int_equal (pool_recompress (f.u.pool, &req, &always, &r), -1);
  assert_int_equal (errno, EINVAL);
  assert_int_equal (pool_group (f.u.pool, &req, &always, &r), -1);
  assert_int_equal (errno, EINVAL);
  unit_close (&f.u);
  open_disk (&f, NULL, NULL);
  req.priority = 0;
  assert_int_equal (pool_recompress (f.u.pool, &req, &always, &r), -1);
  assert_int_equal (errno, EINVAL);
  unit_close (&f.u);
}

/* ---- in groups ---- */

TEST (groups_are_smaller_still)
{
  struct fixture f;
  struct recompress_result r;
  uint64_t alone;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  recompress (&f, (struct recompress_request) { .max_pages = 0 });
  alone = stats_of (&f).compr_data_size;
  r = group (&f, PAGES_ALL);
  assert_uint_in_range (r.recompressed, PAGES / 8, PAGES);
  assert_int_equal (stats_of (&f).group_pages, r.recompressed);
  assert_true (stats_of (&f).compr_data_size < alone);
  assert_pool_ok (f.u.pool);
  assert_content (&f);
  assert_int_equal (group (&f, PAGES_ALL).recompressed, 0);
  reattach (&f);
  assert_content (&f);
  assert_int_equal (stats_of (&f).group_pages, r.recompressed);
  close_disk (&f);
}

/* A group has fewer of the larger pages, but as many are candidates. */
TEST (large_pages_are_grouped)
{
  for (uint32_t size = 2 * PAGE; size <= 16 * PAGE; size *= 2) {
    uint8_t page[16 * PAGE], expected[16 * PAGE];
    struct fixture f = { .tags = { 0 } };

    assert_int_equal (unit_open (&f.u, "lz4", size, true, 0), 0);
    f.u.options.recompress[0] = unit_algorithm (unit_strong ());
    f.u.options.recompress_count = 1;
    assert_int_equal (unit_reopen (&f.u), 0);
    f.d = device_open (f.u.pool, "", 200 * (uint64_t) size);
    for (uint64_t i = 0; i < 200; ++i) {
      data_fill (page, size, i % 3 ? DATA_TEXT : DATA_RECORDS, i);
      assert_int_equal (device_write (f.d, page, size, i * size), 0);
    }
    group (&f, PAGES_ALL);
    assert_true ((stats_of (&f).group_pages > 0) == (size < 16 * PAGE));
    for (uint64_t i = 0; i < 200; ++i) {
      data_fill (expected, size, i % 3 ? DATA_TEXT : DATA_RECORDS, i);
      assert_int_equal (device_read (f.d, page, size, i * size), 0);
      assert_memory_equal (page, expected, size);
    }
    close_disk (&f);
  }
}

TEST (writing_one_keeps_its_neighbours)
{
  struct fixture f;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  group (&f, PAGES_ALL);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 100; ++i) {
      uint64_t index = rng_below (&rng, PAGES);
      uint64_t part = rng_below (&rng, PAGE - 8);
      uint8_t page[PAGE];

      switch (rng_below (&rng, 3)) {
      case 0:
        put (&f, index);
        break;
      case 1:
        assert_int_equal (device_zero (f.d, PAGE, index * PAGE), 0);
        f.tags[index] = 0;
        break;
      default:                  /* a part of a page, unchanged */
        page_of_tag (page, f.tags[index]);
        assert_int_equal (device_write (f.d, page + part, 8,
                                        index * PAGE + part), 0);
      }
    }
    if (round % 4 == 0)
      group (&f, PAGES_ALL);
    if (round % 4 == 1)
      pool_compact (f.u.pool, NULL);
    if (round % 4 == 2)
      reattach (&f);
    assert_pool_ok (f.u.pool);
    assert_content (&f);
  }
  assert_int_equal (device_zero (f.d, PAGES * PAGE, 0), 0);
  assert_int_equal (stats_of (&f).compr_data_size, 0);
  close_disk (&f);
}

/* The rest of broken groups is grouped again. */
TEST (half_dead_groups_are_made_anew)
{
  struct fixture f;
  uint64_t before;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  group (&f, PAGES_ALL);
  for (uint64_t i = 0; i < PAGES; ++i)
    if (i % 4 != 0) {
      device_zero (f.d, PAGE, i * PAGE);
      f.tags[i] = 0;
    }
  before = stats_of (&f).compr_data_size;
  assert_true (group (&f, PAGES_ALL).recompressed > 0);
  assert_true (stats_of (&f).compr_data_size < before);
  assert_content (&f);
  close_disk (&f);
}

TEST (damage_in_a_group_is_noticed)
{
  struct fixture f;
  uint64_t failed = 0;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  group (&f, PAGES_ALL);
  for (uint64_t i = 0; i < PAGES; ++i) {
    slot_t slot = table_get (&f.d->table, i);
    uint8_t page[PAGE], expected[PAGE], *object, kept;

    if (!slot_is_group (slot))
      continue;
    object = object_at (f.d, slot_offset (slot))
             + rng_below (&rng, slot_length (slot));
    kept = *object;
    *object ^= (uint8_t) (1 << rng_below (&rng, 8));
    page_of_tag (expected, f.tags[i]);
    if (device_read (f.d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, EIO);
      failed++;
    }
    else
      assert_memory_equal (page, expected, PAGE);
    *object = kept;
  }
  assert_true (failed > 0);
  assert_content (&f);
  unit_close (&f.u);
}

/* Any access ends a claim. */
TEST (who_accesses_wins)
{
  struct fixture f;
  uint8_t page[PAGE], copy[PAGE];
  slot_t slot;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  for (uint64_t i = 0; i < 40; ++i) {
    bool claimed;

    slot = table_get (&f.d->table, i);
    if (!slot_has_object (slot))
      continue;
    assert_true (page_claim (f.d, i, slot, copy));
    switch (i % 3) {
    case 0:
      device_read (f.d, page, PAGE, i * PAGE);
      break;
    case 1:
      put (&f, i);
      break;
    default:
      break;
    }
    claimed = page_replace (f.d, i, slot_same (42), 0);
    assert_int_equal (claimed, i % 3 == 2);
    if (claimed)
      put (&f, i);
  }
  assert_content (&f);
  close_disk (&f);
}

/* With little memory there is one stream: a job must not keep it while it
 * sleeps.
 */
static bool
others_can_read (void *opaque)
{
  struct fixture *f = opaque;
  uint8_t page[PAGE];

  assert_int_equal (streams_in_use (&f->u.pool->streams), 0);
  assert_int_equal (device_read (f->d, page, PAGE, 0), 0);
  return true;
}

TEST (jobs_keep_no_stream)
{
  struct fixture f;
  const struct job job = { others_can_read, &f };
  const struct recompress_request req = { .threshold = 0 };
  struct algorithm lz4hc = unit_algorithm ("lz4hc");
  struct recompress_result r;
  uint64_t refreshed;

  open_disk (&f, unit_strong (), NULL);
  fill (&f);
  assert_int_equal (pool_set_algorithm (f.u.pool, &lz4hc), 0);
  assert_int_equal (pool_refresh (f.u.pool, &job, &refreshed), 0);
  assert_true (refreshed > 0);
  assert_int_equal (pool_recompress (f.u.pool, &req, &job, &r), 0);
  assert_true (r.tried > 0);
  assert_int_equal (pool_group (f.u.pool, &req, &job, &r), 0);
  assert_true (r.tried > 0);
  assert_int_equal (pool_train (f.u.pool, &job), 0);
  assert_content (&f);
  close_disk (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (idle_pages_get_smaller),
    cmocka_unit_test (the_largest_come_first),
    cmocka_unit_test (the_threshold_spares_the_small),
    cmocka_unit_test (algorithms_follow_each_other),
    cmocka_unit_test (noise_is_incompressible),
    cmocka_unit_test (what_there_is_not_is_refused),
    cmocka_unit_test (groups_are_smaller_still),
    cmocka_unit_test (large_pages_are_grouped),
    cmocka_unit_test (writing_one_keeps_its_neighbours),
    cmocka_unit_test (half_dead_groups_are_made_anew),
    cmocka_unit_test (damage_in_a_group_is_noticed),
    cmocka_unit_test (who_accesses_wins),
    cmocka_unit_test (jobs_keep_no_stream),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("recompress", tests, NULL, NULL);
}
