/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings that change while the pool is in use. */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/mutex.h"
#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/maintenance/stats.h"
#include "lib/store/device-objects.h"

#define PAGE 4096
#define PAGES 6000

static struct unit_pool u;
static struct device *d;

static void
open_disk (const char *algorithm)
{
  assert_int_equal (unit_open (&u, algorithm, PAGE, true, 0), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  assert_non_null (d);
}

static void
put (uint64_t index, enum data_kind kind)
{
  uint8_t page[PAGE];

  data_fill (page, PAGE, kind, index + 1);
  assert_int_equal (device_write (d, page, PAGE, index * PAGE), 0);
}

static void
assert_content (uint64_t count, enum data_kind kind)
{
  uint8_t page[PAGE], expected[PAGE];

  for (uint64_t i = 0; i < count; ++i) {
    data_fill (expected, PAGE, kind, i + 1);
    assert_int_equal (device_read (d, page, PAGE, i * PAGE), 0);
    assert_memory_equal (page, expected, PAGE);
  }
}

static unsigned
codec_at (uint64_t index)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  return slot_codec (table_get (&d->table, index));
}

TEST (old_pages_follow_the_algorithm)
{
  struct algorithm lz4hc = unit_algorithm ("lz4hc:level=9");
  struct policy p = { .next = { 0 } };
  struct maintainer_settings s;
  uint64_t refreshed;

  open_disk ("lz4");
  for (uint64_t i = 0; i < 100; ++i)
    put (i, DATA_TEXT);
  assert_false (pool_has_stale (u.pool));
  assert_int_equal (pool_set_algorithm (u.pool, &lz4hc), 0);
  assert_true (pool_has_stale (u.pool));
  put (3, DATA_TEXT);
  assert_int_equal (codec_at (3), CODEC_LZ4HC);
  assert_int_equal (codec_at (4), CODEC_LZ4);
  assert_content (100, DATA_TEXT);

  assert_int_equal (pool_refresh (u.pool, NULL, &refreshed), 0);
  assert_int_equal (refreshed, 99);
  assert_false (pool_has_stale (u.pool));
  for (uint64_t i = 0; i < 100; ++i)
    assert_int_equal (codec_at (i), CODEC_LZ4HC);
  assert_int_equal (pool_refresh (u.pool, NULL, &refreshed), 0);
  assert_int_equal (refreshed, 0);

  /* The policy does it by itself. */
  lz4hc = unit_algorithm ("lz4");
  assert_int_equal (pool_set_algorithm (u.pool, &lz4hc), 0);
  maintainer_settings_init (&s);
  assert_int_equal (maintainer_step (u.pool, &p, &s.policy, NULL, 100),
                    POLICY_REFRESH);
  assert_int_equal (codec_at (99), CODEC_LZ4);
  assert_content (100, DATA_TEXT);
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  assert_content (100, DATA_TEXT);
  unit_close (&u);
}

/* A full pool must start, even if the present options alone could not read all
 * of its pages.
 */
TEST (a_full_pool_starts)
{
  const char *other = codec_by_name ("zstd") ? "zstd" : "deflate";
  uint8_t page[PAGE];

  if (!codec_by_name (other)) {
    print_message ("no codec with a context is built in\n");
    skip ();
  }
  open_disk (other);
  for (uint64_t i = 0; i < 1000; ++i)
    put (i, DATA_RANDOM);
  put (1000, DATA_TEXT);        /* the first page that needs a codec */
  u.options.algorithm = unit_algorithm ("lz4");
  u.options.mem_limit = pool_mem_limit_min (&u.options);
  assert_true (u.pool->budget.used > u.options.mem_limit);
  assert_int_equal (unit_reopen (&u), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  assert_int_equal (u.pool->budget.limit, u.options.mem_limit);
  assert_content (1000, DATA_RANDOM);
  assert_true (codec_at (1000) != CODEC_LZ4);
  assert_int_equal (device_read (d, page, PAGE, 1000 * PAGE), 0);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (the_limit_moves)
{
  uint8_t page[PAGE];
  uint64_t i;

  open_disk ("lz4");
  for (i = 0; i < 1000; ++i)
    put (i, DATA_RANDOM);
  errno = 0;
  assert_int_equal (pool_set_mem_limit (u.pool, 1), -1);
  assert_int_equal (errno, ERANGE);
  assert_int_equal (u.pool->budget.limit, 0);

  /* With a limit below what it has, nothing is lost, and nothing added. */
  assert_int_equal (pool_set_mem_limit (u.pool, 3 * MIB), 0);
  data_fill (page, PAGE, DATA_RANDOM, i + 1);
  assert_int_equal (device_write (d, page, PAGE, i * PAGE), -1);
  assert_int_equal (errno, ENOSPC);
  assert_content (1000, DATA_RANDOM);
  assert_int_equal (pool_set_mem_limit (u.pool, 0), 0);
  put (i, DATA_RANDOM);
  assert_content (1001, DATA_RANDOM);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* With dedup, a page must not be taken for its own duplicate. */
TEST (shared_pages_follow_too)
{
  struct algorithm lz4hc = unit_algorithm ("lz4hc:level=9");
  uint64_t refreshed;
  struct stats st;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  u.options.dedup = DEDUP_POOL;
  assert_int_equal (unit_reopen (&u), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  for (uint64_t i = 0; i < 100; ++i) {
    uint8_t page[PAGE];

    data_fill (page, PAGE, DATA_TEXT, i % 10 + 1);
    assert_int_equal (device_write (d, page, PAGE, i * PAGE), 0);
  }
  assert_int_equal (pool_set_algorithm (u.pool, &lz4hc), 0);
  assert_int_equal (pool_refresh (u.pool, NULL, &refreshed), 0);
  assert_int_equal (refreshed, 100);
  for (uint64_t i = 0; i < 100; ++i)
    assert_int_equal (codec_at (i), CODEC_LZ4HC);
  pool_get_stats (u.pool, &st);
  assert_int_equal (st.dup_pages, 90);
  assert_content (10, DATA_TEXT);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (dictionaries_are_trained)
{
  struct policy p = { .next = { 0 } };
  struct maintainer_settings s;
  struct stats before, after;

  if (!codec_by_name ("zstd")) {
    print_message ("zstd is not built in\n");
    skip ();
  }
  open_disk ("zstd:level=3:dict=auto");
  maintainer_settings_init (&s);
  for (uint64_t i = 0; i < PAGES / 4; ++i)
    put (i, DATA_RECORDS);
  assert_int_equal (maintainer_step (u.pool, &p, &s.policy, NULL, 100),
                    POLICY_REST);
  for (uint64_t i = 0; i < PAGES; ++i)
    put (i, DATA_RECORDS);
  pool_get_stats (u.pool, &before);
  assert_int_equal (maintainer_step (u.pool, &p, &s.policy, NULL, 101),
                    POLICY_TRAIN);
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  assert_int_equal (maintainer_step (u.pool, &p, &s.policy, NULL, 200),
                    POLICY_REST);
  for (uint64_t i = 0; i < PAGES; ++i)
    put (i, DATA_RECORDS);
  assert_true (codec_at (5) >= CODEC_DICTIONARY);
  pool_get_stats (u.pool, &after);
  assert_true (after.compr_data_size < before.compr_data_size);
  assert_content (PAGES, DATA_RECORDS);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* Devices with an algorithm of their own don't use the dictionary, unless
 * their pages are recompressed with one.
 */
TEST (dictionaries_are_for_the_pools)
{
  struct algorithm lz4 = unit_algorithm ("lz4");
  struct device *pools, *own;

  if (!codec_by_name ("zstd")) {
    print_message ("zstd is not built in\n");
    skip ();
  }
  for (unsigned recompress = 0; recompress < 2; ++recompress) {
    open_disk ("zstd:level=3:dict=auto");
    if (recompress) {
      u.options.recompress[0] = unit_algorithm ("zstd:level=9:dict=auto");
      u.options.recompress_count = 1;
      assert_int_equal (unit_reopen (&u), 0);
    }
    pools = device_open (u.pool, "", PAGES * PAGE);
    own = d = device_add (u.pool, "own", PAGES * PAGE, "", &lz4);
    for (uint64_t i = 0; i < PAGES; ++i)
      put (i, DATA_RECORDS);
    assert_int_equal (pool_needs_training (u.pool), recompress);
    d = pools;
    for (uint64_t i = 0; i < PAGES; ++i)
      put (i, DATA_RECORDS);
    assert_true (pool_needs_training (u.pool));
    assert_int_equal (pool_train (u.pool, NULL), 0);
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
    assert_false (pool_needs_training (u.pool));
    put (5, DATA_RECORDS);
    assert_true (codec_at (5) >= CODEC_DICTIONARY);
    d = own;
    put (5, DATA_RECORDS);
    assert_int_equal (codec_at (5), CODEC_LZ4);
    assert_content (PAGES, DATA_RECORDS);
    assert_pool_ok (u.pool);
    unit_close (&u);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (old_pages_follow_the_algorithm),
    cmocka_unit_test (a_full_pool_starts),
    cmocka_unit_test (the_limit_moves),
    cmocka_unit_test (shared_pages_follow_too),
    cmocka_unit_test (dictionaries_are_trained),
    cmocka_unit_test (dictionaries_are_for_the_pools),
  };

  return cmocka_run_group_tests_name ("live", tests, NULL, NULL);
}
