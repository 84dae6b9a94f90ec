/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/stats.h"

static struct rng rng;
static uint8_t page[65536], found[65536];

struct fixture {
  struct unit_pool u;
  struct device *d;
  uint32_t page_size;
  uint64_t pages;
  uint64_t *tags;               /* 0: trimmed */
};

static void
fill (struct fixture *f, const char *algorithm, uint32_t page_size,
      uint64_t pages)
{
  *f = (struct fixture) { .page_size = page_size, .pages = pages };
  f->tags = calloc (pages, sizeof f->tags[0]);
  assert_non_null (f->tags);
  assert_int_equal (unit_open (&f->u, algorithm, page_size, true, 0), 0);
  f->d = device_open (f->u.pool, "", pages * page_size);
  assert_non_null (f->d);
  for (uint64_t i = 0; i < pages; ++i) {
    f->tags[i] = rng_next (&rng) | 1;
    data_realistic (page, page_size, f->tags[i]);
    assert_int_equal (device_write (f->d, page, page_size, i * page_size), 0);
  }
}

static void
trim_randomly (struct fixture *f, unsigned percent)
{
  for (uint64_t i = 0; i < f->pages; ++i)
    if (rng_below (&rng, 100) < percent) {
      f->tags[i] = 0;
      assert_int_equal (device_zero (f->d, f->page_size, i * f->page_size), 0);
    }
}

static void
compare (struct fixture *f)
{
  for (uint64_t i = 0; i < f->pages; ++i) {
    if (f->tags[i] == 0)
      memset (page, 0, f->page_size);
    else
      data_realistic (page, f->page_size, f->tags[i]);
    assert_int_equal (device_read (f->d, found, f->page_size,
                                   i * f->page_size), 0);
    assert_memory_equal (found, page, f->page_size);
  }
}

static void
done (struct fixture *f)
{
  free (f->tags);
  unit_close (&f->u);
}

static void
try_packing (const char *algorithm, uint32_t page_size, uint64_t pages)
{
  struct fixture f;
  struct objects_stats before, after;
  uint64_t file, given, spare;

  fill (&f, algorithm, page_size, pages);
  trim_randomly (&f, 90);
  assert_pool_ok (f.u.pool);
  objects_get_stats (&f.u.pool->objects, &before);
  file = unit_file_bytes (f.u.pool);
  spare = arena_spare_bytes (&f.u.pool->arena);
  given = pool_compact (f.u.pool, NULL);
  objects_get_stats (&f.u.pool->objects, &after);
  assert_pool_ok (f.u.pool);

  assert_true (given == before.committed + spare - after.committed);
  assert_true (file - unit_file_bytes (f.u.pool) == given);
  assert_true (f.u.pool->counters.pages_compacted == given / OS_PAGE_SIZE);
  assert_true (after.used == before.used && after.bytes == before.bytes);
  assert_true (after.committed <= after.bytes + after.bytes * 15 / 100);
  compare (&f);
  assert_int_equal (unit_reopen (&f.u), 0);
  f.d = device_open (f.u.pool, "", 0);
  compare (&f);
  assert_pool_ok (f.u.pool);
  done (&f);
}

TEST (sparse_zspages_are_packed)
{
  unsigned n = unit_quick () ? 4 : 1;

  try_packing ("lz4", 4096, 60000 / n);
#ifdef HAVE_ZSTD
  try_packing ("zstd", 16384, 20000 / n);
#endif
}

/* Compacting again and again moves nothing and frees nothing. */
TEST (it_comes_to_rest)
{
  struct fixture f;
  unsigned rounds = 0;

  fill (&f, "lz4", 4096, unit_scaled (5000));
  trim_randomly (&f, 50);
  while (pool_compact (f.u.pool, NULL) > 0)
    assert_true (++rounds < 20);
  assert_true (pool_compact (f.u.pool, NULL) == 0);
  assert_pool_ok (f.u.pool);
  compare (&f);
  done (&f);
}

/* At the memory limit, compaction needs no memory itself. */
TEST (it_works_at_the_limit)
{
  struct fixture f;
  uint64_t used;

  fill (&f, "lz4", 4096, unit_scaled (5000));
  trim_randomly (&f, 50);
  used = f.u.pool->budget.used;
  f.u.pool->budget.limit = used;
  f.u.pool->budget.used_max = used;
  assert_true (pool_compact (f.u.pool, NULL) > 0);
  assert_true (f.u.pool->budget.used_max <= used);
  assert_pool_ok (f.u.pool);
  compare (&f);
  done (&f);
}

TEST (an_empty_pool)
{
  struct unit_pool u;

  assert_int_equal (unit_open (&u, "lz4", 4096, true, 0), 0);
  assert_true (pool_compact (u.pool, NULL) == 0);
  assert_non_null (device_open (u.pool, "", GIB));
  assert_true (pool_compact (u.pool, NULL) == 0);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (sparse_zspages_are_packed),
    cmocka_unit_test (it_comes_to_rest),
    cmocka_unit_test (it_works_at_the_limit),
    cmocka_unit_test (an_empty_pool),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("compact", tests, NULL, NULL);
}
