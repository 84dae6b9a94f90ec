/* SPDX-License-Identifier: GPL-2.0-or-later */
/* At the memory limit, writes are refused, and everything else works. */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/compact.h"
#include "lib/maintenance/stats.h"

#define PAGE 4096
#define PAGES 4000

static struct rng rng;
static uint64_t tags[PAGES];    /* by page; 0: never written */

static void
expect (uint64_t index, uint8_t page[PAGE])
{
  if (tags[index] == 0)
    memset (page, 0, PAGE);
  else
    data_realistic (page, PAGE, tags[index]);
}

static void
compare (struct device *d, uint64_t index)
{
  uint8_t expected[PAGE], found[PAGE];

  expect (index, expected);
  assert_int_equal (device_read (d, found, PAGE, index * PAGE), 0);
  assert_memory_equal (found, expected, PAGE);
}

/* Returns whether there was room. */
static bool
put (struct device *d, uint64_t index)
{
  uint64_t tag = rng_next (&rng) | 1;
  const struct budget *b = &d->pool->budget;
  uint8_t page[PAGE];
  int r;

  data_realistic (page, PAGE, tag);
  errno = 0;
  r = device_write (d, page, PAGE, index * PAGE);
  assert_true (b->used <= b->limit && b->used_max <= b->limit);
  if (r == 0)
    tags[index] = tag;
  else {
    assert_int_equal (errno, ENOSPC);
    compare (d, index);
  }
  return r == 0;
}

/* A partial write is also refused or done as a whole.  Afterwards the tags of
 * the pages are no longer valid.
 */
static void
put_parts (struct device *d)
{
  uint8_t before[PAGE], after[PAGE], part[100];

  for (unsigned i = 0; i < unit_scaled (2000); ++i) {
    uint64_t index = rng_below (&rng, PAGES);
    uint64_t at = rng_below (&rng, PAGE - sizeof part);
    int r;

    data_fill (part, sizeof part, DATA_RANDOM, rng_next (&rng));
    assert_int_equal (device_read (d, before, PAGE, index * PAGE), 0);
    r = i % 2 == 0 ? device_write (d, part, sizeof part, index * PAGE + at)
      : device_zero (d, sizeof part, index * PAGE + at);
    if (r == 0 && i % 2 == 0)
      memcpy (before + at, part, sizeof part);
    else if (r == 0)
      memset (before + at, 0, sizeof part);
    assert_int_equal (device_read (d, after, PAGE, index * PAGE), 0);
    assert_memory_equal (before, after, PAGE);
  }
}

static void
fill_and_fight (struct unit_pool *u, struct device *d)
{
  unsigned refused = 0;
  struct stats st;

  for (uint64_t index = 0; index < PAGES; ++index)
    refused += !put (d, index);
  assert_true (refused > 0);
  pool_get_stats (u->pool, &st);
  assert_true (st.failed_writes == refused && st.failed_reads == 0);
  assert_pool_ok (u->pool);

  for (unsigned i = 0; i < unit_scaled (4000); ++i) {
    put (d, rng_below (&rng, PAGES));
    if (i % 1000 == 0) {
      pool_compact (u->pool, NULL);
      assert_pool_ok (u->pool);
    }
  }
  for (uint64_t index = 0; index < PAGES; ++index)
    compare (d, index);
  put_parts (d);
  assert_pool_ok (u->pool);
}

TEST (writes_are_refused)
{
  struct unit_pool u;
  struct device *d;
  uint64_t empty, empty_file;

  memset (tags, 0, sizeof tags);
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 3 * MIB), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  assert_non_null (d);
  empty = u.pool->budget.used;
  empty_file = unit_file_bytes (u.pool);
  fill_and_fight (&u, d);

  /* Trimming works in a full pool, and makes room. */
  assert_int_equal (device_zero (d, PAGES * PAGE, 0), 0);
  memset (tags, 0, sizeof tags);
  assert_pool_ok (u.pool);
  arena_drain (&u.pool->arena);
  assert_true (u.pool->budget.used <= empty + 32 * KIB);
  assert_true (unit_file_bytes (u.pool) == empty_file);
  assert_true (put (d, 17));
  compare (d, 17);
  unit_close (&u);
}

/* With a limit below what the pool holds, attaching and reading work. */
TEST (attach_above_the_limit)
{
  struct unit_pool u;
  struct device *d;

  memset (tags, 0, sizeof tags);
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 64 * MIB), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  for (uint64_t index = 0; index < PAGES; ++index)
    assert_true (put (d, index));
  assert_true (u.pool->budget.used > 2 * MIB);

  u.options.mem_limit = 2 * MIB;
  assert_int_equal (unit_reopen (&u), 0);
  d = device_open (u.pool, "", 0);
  assert_pool_ok (u.pool);
  for (uint64_t index = 0; index < PAGES; ++index)
    compare (d, index);
  assert_int_equal (device_zero (d, (PAGES - 100) * PAGE, 0), 0);
  memset (tags, 0, (PAGES - 100) * sizeof tags[0]);
  pool_compact (u.pool, NULL);
  assert_true (u.pool->budget.used < 2 * MIB);
  d->pool->budget.used_max = d->pool->budget.used;
  assert_true (put (d, 5));
  for (uint64_t index = 0; index < PAGES; ++index)
    compare (d, index);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

static void
the_least_limit (const char *algorithm, uint32_t page_size)
{
  struct unit_pool u = { .fd = -1 };
  struct pool_options options = {
    .algorithm = unit_algorithm (algorithm),
    .geometry = { .page_size = page_size, .checksum = true },
  };
  uint64_t least = pool_mem_limit_min (&options);
  struct device *d;
  static uint8_t page[65536], found[65536];
  unsigned kept = 0;

  errno = 0;
  assert_int_equal (unit_open (&u, algorithm, page_size, true, least - 1), -1);
  assert_int_equal (errno, ERANGE);
  unit_close (&u);

  assert_int_equal (unit_open (&u, algorithm, page_size, true, least), 0);
  d = device_open (u.pool, "", 1000 * (uint64_t) page_size);
  assert_non_null (d);
  for (uint64_t i = 0; i < 100; ++i) {
    data_fill (page, page_size, DATA_RANDOM, i);
    if (device_write (d, page, page_size, i * page_size) == -1)
      break;
    assert_int_equal (device_read (d, found, page_size, i * page_size), 0);
    assert_memory_equal (found, page, page_size);
    kept++;
  }
  assert_true (kept >= 64);
  assert_true (u.pool->budget.used_max <= least);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (the_least_limits_work)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    for (uint32_t page_size = 4096; page_size <= 65536; page_size *= 4)
      the_least_limit ((*c)->name, page_size);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (writes_are_refused),
    cmocka_unit_test (attach_above_the_limit),
    cmocka_unit_test (the_least_limits_work),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("limit", tests, NULL, NULL);
}
