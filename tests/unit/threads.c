/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many threads on few pages, with compaction all the time. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/compact.h"

#define PAGE 4096
#define THREADS 4
#define DEVICES 2

/* Pages that threads write whole.  Each begins with the tag that determines
 * the rest.  They lie in few leaves, which are often made and released.
 */
#define WHOLE_LEAVES 4
#define WHOLE_PAGES 12          /* in each leaf */

/* Pages of which each thread has a part of its own.  No other thread writes
 * it, so it must always be what that thread wrote last.
 */
#define PARTS_LEAF WHOLE_LEAVES
#define PARTS_PAGES 8
#define PART (PAGE / THREADS)

#define DEVICE_PAGES ((WHOLE_LEAVES + 1) * LEAF_SLOTS)

static struct pool *pool;
static struct device *devices[DEVICES];
static _Atomic bool stop;
static _Atomic unsigned wrong;
static bool may_be_full;

struct worker {
  pthread_t thread;
  unsigned number;
  struct rng rng;
  uint64_t parts[DEVICES][PARTS_PAGES]; /* tags; 0: zeroes */
  unsigned refused;
};

static void
report (const char *what, uint64_t index)
{
  if (wrong++ == 0)
    fprintf (stderr, "%s, page %u\n", what, (unsigned) index);
}

static void
make_page (uint8_t *page, size_t size, uint64_t tag)
{
  static const enum data_kind kinds[] = {
    DATA_TEXT, DATA_RECORDS, DATA_PARTLY_RANDOM, DATA_RANDOM, DATA_ZERO,
  };

  data_fill (page, size, kinds[tag % ARRAY_SIZE (kinds)], tag);
  memcpy (page, &tag, sizeof tag);
}

/* Is the page all zeroes, or what its tag determines? */
static bool
is_whole (const uint8_t *page, size_t size)
{
  uint8_t expected[PAGE] = { 0 };
  uint64_t tag;

  memcpy (&tag, page, sizeof tag);
  if (tag != 0)
    make_page (expected, size, tag);
  return memcmp (page, expected, size) == 0;
}

static uint64_t
random_tag (struct worker *w)
{
  return rng_next (&w->rng) | 1;
}

static void
check_request (struct worker *w, int r, uint64_t index)
{
  if (r == 0)
    return;
  if (errno == ENOSPC && may_be_full)
    w->refused++;
  else
    report ("request failed", index);
}

static void
use_whole (struct worker *w, struct device *d)
{
  uint64_t index = rng_below (&w->rng, WHOLE_LEAVES) * LEAF_SLOTS
    + rng_below (&w->rng, WHOLE_PAGES);
  uint64_t op = rng_below (&w->rng, 8);
  uint8_t page[PAGE];

  if (op < 3) {
    make_page (page, PAGE, random_tag (w));
    check_request (w, device_write (d, page, PAGE, index * PAGE), index);
  }
  else if (op < 6) {
    if (device_read (d, page, PAGE, index * PAGE) == -1)
      report ("read failed", index);
    else if (!is_whole (page, PAGE))
      report ("torn page", index);
  }
  else if (device_zero (d, op == 6 ? PAGE : WHOLE_PAGES * PAGE,
                        op == 6 ? index * PAGE
                        : align_down (index, LEAF_SLOTS) * PAGE) == -1)
    report ("trim failed", index);
}

static void
check_part (struct worker *w, const uint8_t *part, uint64_t tag,
            uint64_t index)
{
  uint8_t expected[PART] = { 0 };

  if (tag != 0)
    make_page (expected, PART, tag);
  if (memcmp (part, expected, PART) != 0)
    report (w ? "lost update" : "torn part", index);
}

static void
use_part (struct worker *w, unsigned device)
{
  struct device *d = devices[device];
  uint64_t n = rng_below (&w->rng, PARTS_PAGES);
  uint64_t index = PARTS_LEAF * LEAF_SLOTS + n;
  uint64_t op = rng_below (&w->rng, 4), tag = 0;
  uint64_t mine = index * PAGE + w->number * PART;
  uint8_t page[PAGE];
  int r;

  if (op == 0) {
    if (device_read (d, page, PAGE, index * PAGE) == -1) {
      report ("read failed", index);
      return;
    }
    check_part (w, page + w->number * PART, w->parts[device][n], index);
    for (unsigned t = 0; t < THREADS; ++t)
      if (!is_whole (page + t * PART, PART))
        report ("torn part", index);
    return;
  }
  if (op == 1)
    r = device_zero (d, PART, mine);
  else {
    tag = random_tag (w);
    make_page (page, PART, tag);
    r = device_write (d, page, PART, mine);
  }
  check_request (w, r, index);
  if (r == 0)
    w->parts[device][n] = tag;
}

static void *
work (void *arg)
{
  struct worker *w = arg;

  for (unsigned i = unit_scaled (20000); i > 0; --i) {
    unsigned device = (unsigned) rng_below (&w->rng, DEVICES);

    if (rng_below (&w->rng, 3) == 0)
      use_part (w, device);
    else
      use_whole (w, devices[device]);
  }
  return NULL;
}

static int
ignore_extent (void *opaque, uint64_t offset, uint64_t length,
               enum extent_kind kind)
{
  uint64_t *next = opaque;

  (void) kind;
  if (offset != *next)
    report ("gap in extents", offset / PAGE);
  *next = offset + length;
  return 0;
}

static void *
maintain (void *unused)
{
  (void) unused;
  while (!stop) {
    pool_compact (pool, NULL);
    for (unsigned i = 0; i < DEVICES; ++i) {
      uint64_t next = 0;

      device_extents (devices[i], DEVICE_PAGES * PAGE, 0, ignore_extent,
                      &next);
      if (next != DEVICE_PAGES * PAGE)
        report ("extents end early", next / PAGE);
    }
  }
  return NULL;
}

static void
check_at_rest (struct worker *workers)
{
  uint8_t page[PAGE];

  for (unsigned i = 0; i < DEVICES; ++i)
    for (uint64_t n = 0; n < PARTS_PAGES; ++n) {
      uint64_t index = PARTS_LEAF * LEAF_SLOTS + n;

      assert_int_equal (device_read (devices[i], page, PAGE, index * PAGE),
                        0);
      for (unsigned t = 0; t < THREADS; ++t)
        check_part (&workers[t], page + t * PART, workers[t].parts[i][n],
                    index);
    }
}

static void
run (struct worker *workers, uint64_t seed)
{
  pthread_t maintainer;

  stop = false;
  assert_int_equal (pthread_create (&maintainer, NULL, maintain, NULL), 0);
  for (unsigned t = 0; t < THREADS; ++t) {
    workers[t].number = t;
    workers[t].rng.state = seed + t;
    assert_int_equal (pthread_create (&workers[t].thread, NULL, work,
                                      &workers[t]), 0);
  }
  for (unsigned t = 0; t < THREADS; ++t)
    pthread_join (workers[t].thread, NULL);
  stop = true;
  pthread_join (maintainer, NULL);
}

static void
try_threads (uint64_t limit)
{
  struct worker workers[THREADS] = { { .number = 0 } };
  struct unit_pool u;

  may_be_full = limit != 0;
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, limit), 0);
  pool = u.pool;
  for (unsigned i = 0; i < DEVICES; ++i) {
    devices[i] = device_open (pool, i == 0 ? "a" : "b", DEVICE_PAGES * PAGE);
    assert_non_null (devices[i]);
  }
  for (unsigned round = 0; round < 3; ++round) {
    run (workers, unit_seed () + 100 * round);
    assert_pool_ok (pool);
    check_at_rest (workers);
    assert_int_equal (wrong, 0);
    assert_true (limit == 0 || pool->budget.used_max <= limit);
    assert_int_equal (unit_reopen (&u), 0);
    pool = u.pool;
    devices[0] = device_open (pool, "a", 0);
    devices[1] = device_open (pool, "b", 0);
    assert_pool_ok (pool);
    check_at_rest (workers);
  }
  assert_int_equal (pool->counters.checksum_errors, 0);
  unit_close (&u);
}

TEST (without_limit)
{
  try_threads (0);
}

/* With so little memory that writes are refused again and again. */
TEST (at_the_limit)
{
  struct pool_options options = {
    .algorithm = unit_algorithm ("lz4"),
    .geometry = { .page_size = PAGE, .checksum = true },
  };

  try_threads (pool_mem_limit_min (&options));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (without_limit),
    cmocka_unit_test (at_the_limit),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("threads", tests, NULL, NULL);
}
