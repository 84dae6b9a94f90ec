/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reserve: memory that is allocated before it is needed. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/alloc/reserve.h"
#include "lib/maintenance/compact.h"

#define PAGE 4096
#define PAGES 6000
#define RESERVE (1024 * 1024)
#define FRAME (16 * PAGE)
#define THREADS 4

static uint64_t tags[PAGES];    /* by page; 0: nothing written */

static void
make_page (uint8_t page[PAGE], uint64_t tag)
{
  if (tag == 0)
    memset (page, 0, PAGE);
  else
    data_realistic (page, PAGE, tag);
}

static int
put (struct device *d, uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE];

  make_page (page, tag);
  if (device_write (d, page, PAGE, index * PAGE) == -1)
    return -1;
  tags[index] = tag;
  return 0;
}

static void
drop (struct device *d, uint64_t index)
{
  assert_int_equal (device_zero (d, PAGE, index * PAGE), 0);
  tags[index] = 0;
}

static void
compare_all (struct device *d)
{
  uint8_t expected[PAGE], found[PAGE];

  for (uint64_t i = 0; i < PAGES; ++i) {
    make_page (expected, tags[i]);
    assert_int_equal (device_read (d, found, PAGE, i * PAGE), 0);
    assert_memory_equal (found, expected, PAGE);
  }
}

static struct device *
open_all (struct unit_pool *u, uint64_t limit, bool reserve)
{
  struct device *d;

  memset (tags, 0, sizeof tags);
  assert_int_equal (unit_open (u, "lz4", PAGE, true, limit), 0);
  d = device_open (u->pool, "", PAGES * PAGE);
  assert_non_null (d);
  assert_int_equal (table_make_resident (&d->table), 0);
  if (reserve)
    assert_int_equal (reserve_start (&u->pool->reserve, &u->pool->objects,
                                     RESERVE), 0);
  return d;
}

static struct reserve_stats
stats (struct unit_pool *u)
{
  struct reserve_stats st;

  reserve_get_stats (&u->pool->reserve, &st);
  return st;
}

/* Return whether the thread has work.  It sets is_working before it clears
 * is_wanted, so reading them in this order misses nothing.
 */
static bool
is_busy (struct unit_pool *u)
{
  return u->pool->reserve.is_wanted || u->pool->reserve.is_working;
}

/* Wait until the thread has nothing to do.  Returns false after a minute. */
static bool
settles (struct unit_pool *u, uint64_t at_least)
{
  const struct timespec moment = { .tv_nsec = 1000000 };

  for (unsigned i = 0; i < 60000; ++i) {
    bool busy = is_busy (u);
    struct reserve_stats st = stats (u);

    if (!busy && st.now >= at_least && st.now <= st.size)
      return true;
    nanosleep (&moment, NULL);
  }
  return false;
}

TEST (is_full_from_the_start)
{
  struct unit_pool u;
  struct reserve_stats st;

  open_all (&u, 0, false);
  st = stats (&u);
  assert_true (st.size == 0 && st.now == 0 && st.misses == 0);
  unit_close (&u);

  open_all (&u, 0, true);
  st = stats (&u);
  assert_true (st.size == RESERVE && st.now == RESERVE && st.low == RESERVE);
  reserve_stop (&u.pool->reserve);
  assert_pool_ok (u.pool);      /* it is in the budget, and in the file */
  unit_close (&u);
}

/* As long as the thread can follow the writer, no write asks the system for
 * memory.  Memory is added by the OS page, as without a reserve.
 */
TEST (serves_and_is_refilled)
{
  struct unit_pool u, plain;
  struct objects_stats with, without;
  struct device *d;

  d = open_all (&u, 0, true);
  for (uint64_t i = 0; i < PAGES; ++i) {
    assert_int_equal (put (d, i, i + 1), 0);
    if (is_busy (&u) || stats (&u).now < RESERVE / 2)
      assert_true (settles (&u, RESERVE / 2));
  }
  assert_true (stats (&u).misses == 0);
  assert_true (stats (&u).refills > 0);
  assert_true (stats (&u).low < RESERVE);
  reserve_stop (&u.pool->reserve);
  compare_all (d);
  assert_pool_ok (u.pool);
  objects_get_stats (&u.pool->objects, &with);
  unit_close (&u);

  d = open_all (&plain, 0, false);
  for (uint64_t i = 0; i < PAGES; ++i)
    assert_int_equal (put (d, i, i + 1), 0);
  objects_get_stats (&plain.pool->objects, &without);
  assert_true (with.used == without.used && with.bytes == without.bytes);
  if (!unit_quick ())           /* under valgrind the thread is late */
    assert_true (with.committed < without.committed * 21 / 20);
  unit_close (&plain);
}

/* A burst uses up the reserve; the next write asks the system, which counts
 * as a miss.  Without the thread, the number of writes is known: the first
 * zspage of a class keeps three OS pages, and all others are whole.
 */
TEST (misses_are_counted)
{
  struct unit_pool u;
  struct device *d;
  uint8_t page[PAGE];

  d = open_all (&u, 0, true);
  reserve_stop (&u.pool->reserve);
  for (uint64_t i = 0; i < RESERVE / PAGE - 13; ++i) {
    data_fill (page, PAGE, DATA_RANDOM, i + 1);
    assert_int_equal (device_write (d, page, PAGE, i * PAGE), 0);
  }
  assert_true (stats (&u).now == 0 && stats (&u).low == 0);
  assert_true (stats (&u).misses == 0);
  data_fill (page, PAGE, DATA_RANDOM, 0);
  assert_int_equal (device_write (d, page, PAGE, RESERVE), 0);
  assert_true (stats (&u).misses == 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* Return how many pages fit in a limit.  With a reserve, all that the limit
 * allows can be used for pages, too.
 */
static uint64_t
pages_that_fit (bool reserve)
{
  const uint64_t limit = 10 * MIB;
  struct unit_pool u;
  struct device *d = open_all (&u, limit, reserve);
  uint64_t n = 0;

  /* Write until nothing fits any more, even after the thread has worked. */
  for (unsigned tries = 0; tries < 3 && n < PAGES; ++tries) {
    while (n < PAGES && put (d, n, n + 1) == 0)
      ++n;
    assert_int_equal (errno, ENOSPC);
    if (reserve)
      assert_true (settles (&u, 0));
  }
  assert_true (u.pool->budget.used_max <= limit);
  compare_all (d);
  reserve_stop (&u.pool->reserve);
  if (reserve)
    assert_true (stats (&u).now == 0);
  assert_pool_ok (u.pool);
  unit_close (&u);
  return n;
}

TEST (takes_nothing_from_pages)
{
  uint64_t without, with;

  without = pages_that_fit (false);
  with = pages_that_fit (true);
  assert_true (without < PAGES);
  /* The reserve costs the list of its frames, and the unused ends of a few
   * zspages after bursts; 10 % of such a small pool.
   */
  assert_true (with >= without - without / 10);
}

TEST (freed_memory_goes_back)
{
  struct unit_pool u;
  struct device *d;
  uint64_t empty;

  d = open_all (&u, 0, true);
  empty = unit_file_bytes (u.pool);
  for (uint64_t i = 0; i < PAGES; ++i)
    assert_int_equal (put (d, i, i + 1), 0);
  for (uint64_t i = 0; i < PAGES; ++i)
    drop (d, i);
  assert_true (settles (&u, 0));
  reserve_stop (&u.pool->reserve);
  assert_pool_ok (u.pool);
  assert_true (unit_file_bytes (u.pool) <= empty);
  assert_true (arena_spare_bytes (&u.pool->arena) <= RESERVE);
  unit_close (&u);
}

/* After a kill, the frames of the old reserve contain no objects. */
TEST (attach_gives_the_old_one_back)
{
  struct unit_pool u;
  struct device *d;
  uint64_t bytes;

  d = open_all (&u, 0, true);
  for (uint64_t i = 0; i < 500; ++i)
    assert_int_equal (put (d, i, i + 1), 0);
  assert_true (settles (&u, 0));
  bytes = unit_file_bytes (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  assert_true (unit_file_bytes (u.pool) <= bytes - RESERVE / 2);
  assert_pool_ok (u.pool);
  d = device_open (u.pool, "", PAGES * PAGE);
  compare_all (d);
  assert_int_equal (table_make_resident (&d->table), 0);
  assert_int_equal (reserve_start (&u.pool->reserve, &u.pool->objects,
                                   RESERVE), 0);
  assert_int_equal (put (d, 0, 7), 0);
  assert_true (settles (&u, 0));
  reserve_stop (&u.pool->reserve);
  compare_all (d);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* ---- a resident table ---- */

TEST (a_resident_table_stays)
{
  struct unit_pool u;
  struct device *d;
  uint64_t used, file;

  d = open_all (&u, 0, false);
  arena_drain (&u.pool->arena);
  used = u.pool->budget.used;
  file = unit_file_bytes (u.pool);
  assert_true (table_next_leaf (&d->table, 0) == d->table.leaves);
  assert_int_equal (put (d, PAGES - 1, 1), 0);
  assert_true (table_next_leaf (&d->table, 0) == d->table.leaves - 1);
  drop (d, PAGES - 1);
  arena_drain (&u.pool->arena);
  assert_true (table_next_leaf (&d->table, 0) == d->table.leaves);
  assert_true (unit_file_bytes (u.pool) == file);
  assert_true (u.pool->budget.used <= used + sizeof (struct zspage));
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (a_table_beyond_the_limit_does_not)
{
  struct unit_pool u;
  struct device *d;
  uint64_t used;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 4 * MIB), 0);
  d = device_open (u.pool, "", 8 * GIB);
  assert_non_null (d);
  used = u.pool->budget.used;
  errno = 0;
  assert_int_equal (table_make_resident (&d->table), -1);
  assert_int_equal (errno, ENOSPC);
  assert_true (u.pool->budget.used == used);
  assert_int_equal (put (d, 0, 1), 0);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* ---- a file system that becomes full ---- */

TEST (a_full_file_system)
{
  static char dir[] = "/tmp/unit-reserve.XXXXXX";
  static char path[sizeof dir + 8];
  struct unit_pool u = { .fd = -1 };
  struct device *d;
  uint64_t n = 0, refused = 0;

  if (unshare (CLONE_NEWNS) == -1
      || mount ("none", "/", "none", MS_REC | MS_PRIVATE, "") == -1)
    skip ();
  assert_non_null (mkdtemp (dir));
  assert_int_equal (mount ("unit", dir, "tmpfs", 0, "size=8M"), 0);
  snprintf (path, sizeof path, "%s/pool", dir);
  memset (tags, 0, sizeof tags);
  u.options = (struct pool_options) {
    .path = path,
    .geometry = { .page_size = PAGE, .checksum = true },
    .algorithm = unit_algorithm ("lz4"),
  };
  assert_int_equal (unit_attach (&u), 0);
  d = device_open (u.pool, "", PAGES * PAGE);
  assert_int_equal (reserve_start (&u.pool->reserve, &u.pool->objects,
                                   RESERVE), 0);
  while (n < PAGES && put (d, n, n + 1) == 0)
    ++n;
  assert_int_equal (errno, ENOSPC);
  assert_true (n > 0 && n < PAGES);
  compare_all (d);
  for (uint64_t i = 0; i < n; i += 2)
    drop (d, i);
  /* Memory that was added ahead to one class is not available to others. */
  for (uint64_t i = 0; i < n; i += 2)
    if (put (d, i, i + 1) == -1) {
      assert_int_equal (errno, ENOSPC);
      refused++;
    }
  assert_true (refused <= n / 16);
  compare_all (d);
  reserve_stop (&u.pool->reserve);
  assert_pool_ok (u.pool);
  unit_close (&u);
  umount2 (dir, MNT_DETACH);
  rmdir (dir);
}

/* ---- races ---- */

struct worker {
  pthread_t thread;
  struct device *d;
  unsigned number;
  struct rng rng;
  unsigned failed;
};

/* Each thread has pages of its own, so that their content is known. */
static void *
churn (void *opaque)
{
  struct worker *w = opaque;

  for (unsigned i = unit_scaled (40000); i > 0; --i) {
    uint64_t index = rng_below (&w->rng, PAGES / THREADS) * THREADS
      + w->number;
    uint64_t tag = rng_below (&w->rng, 3) == 0 ? 0 : rng_next (&w->rng) | 1;

    /* Write many pages at once from time to time. */
    for (unsigned n = rng_below (&w->rng, 50) == 0 ? 100 : 1; n > 0; --n) {
      if (tag == 0 ? device_zero (w->d, PAGE, index * PAGE) == -1
          : put (w->d, index, tag) == -1)
        w->failed++;
      else
        tags[index] = tag;
      index = (index + THREADS) % PAGES;
    }
  }
  return NULL;
}

static void
races (uint64_t limit)
{
  struct job job = { 0 };
  struct worker workers[THREADS];
  struct unit_pool u;
  struct device *d = open_all (&u, limit, true);
  unsigned failed = 0;

  for (unsigned i = 0; i < THREADS; ++i) {
    workers[i] = (struct worker) {
      .d = d, .number = i, .rng = { unit_seed () + i },
    };
    assert_int_equal (pthread_create (&workers[i].thread, NULL, churn,
                                      &workers[i]), 0);
  }
  for (unsigned i = 0; i < 10; ++i) {
    pool_compact (u.pool, &job);
    sched_yield ();
  }
  for (unsigned i = 0; i < THREADS; ++i) {
    pthread_join (workers[i].thread, NULL);
    failed += workers[i].failed;
  }
  assert_true (settles (&u, 0));
  reserve_stop (&u.pool->reserve);
  assert_true ((failed > 0) == (limit > 0));
  compare_all (d);
  assert_pool_ok (u.pool);
  assert_true (limit == 0 || u.pool->budget.used_max <= limit);
  assert_true (stats (&u).now <= RESERVE);
  unit_close (&u);
}

TEST (races_without_a_limit)
{
  races (0);
}

TEST (races_at_the_limit)
{
  races (5 * MIB);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (is_full_from_the_start),
    cmocka_unit_test (serves_and_is_refilled),
    cmocka_unit_test (misses_are_counted),
    cmocka_unit_test (takes_nothing_from_pages),
    cmocka_unit_test (freed_memory_goes_back),
    cmocka_unit_test (attach_gives_the_old_one_back),
    cmocka_unit_test (a_resident_table_stays),
    cmocka_unit_test (a_table_beyond_the_limit_does_not),
    cmocka_unit_test (races_without_a_limit),
    cmocka_unit_test (races_at_the_limit),
    cmocka_unit_test (a_full_file_system),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
