/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file and a memory limit that stay full for a long time, and writes
 * that wait for room.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/stats.h"
#include "lib/maintenance/writeback.h"
#include "tests/lib/unit.h"
#include "tests/lib/writeback.h"

#include <cmocka.h>

/* ---- for a long time ---- */

TEST (cleaning_keeps_it_dense)
{
  struct fixture f;
  struct stats st;

  open_disk (&f);
  fill (&f);
  f.u.pool->budget.limit = 0;
  for (unsigned round = 0; round < unit_scaled (100); ++round) {
    write_back (&f, PAGES_ALL);
    assert_int_equal (pool_clean (f.u.pool, NULL), 0);
    st = stats_of (&f);
    /* Such a small file need not give back the last blocks. */
    assert_true (st.bd_used <= st.bd_live * 120 / 100 + 80 * PAGE);
    for (unsigned i = 0; i < PAGES / 10; ++i)
      put (&f, rng_below (&rng, PAGES));
    if (round % 10 == 9)
      reattach (&f);
  }
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  close_disk (&f);
}

/* More is written than fits in memory, faster than pages age. */
TEST (writes_wait_for_room)
{
  struct fixture f;
  struct maintainer m;
  struct maintainer_settings s;
  uint8_t page[PAGE];
  uint64_t limit;

  open_disk (&f);
  limit = f.u.pool->budget.used + MIB;
  f.u.pool->budget.limit = limit;
  maintainer_settings_init (&s);
  assert_int_equal (maintainer_start (&m, f.u.pool, &s), 0);
  fill (&f);
  assert_true (f.u.pool->budget.used_max <= limit);
  assert_true (stats_of (&f).bd_count > PAGES / 4);
  assert_int_equal (stats_of (&f).failed_writes, 0);
  assert_content (&f);

  /* Write a part of a stored page, with memory as full as possible. */
  for (uint64_t i = 0; i < PAGES; i += 7) {
    page_of_tag (page, f.tags[i]);
    assert_int_equal (device_write (f.d, page + 9, 90, i * PAGE + 9), 0);
  }
  assert_content (&f);

  /* Without the maintainer, no memory is freed. */
  s.policy.on = false;
  maintainer_set_settings (&m, &s);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  data_fill (page, PAGE, DATA_RANDOM, 1);
  for (uint64_t i = 0; i < PAGES; ++i)
    if (device_write (f.d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, ENOSPC);
      break;
    }
  assert_true (stats_of (&f).failed_writes > 0);
  maintainer_stop (&m);
  f.u.pool->budget.limit = 0;
  close_disk (&f);
}

/* ---- memory that is freed by others than the maintainer ---- */

static void
do_nothing (void *opaque)
{
  (void) opaque;
}

struct writer {
  struct device *d;
  int result;
  _Atomic bool done;
};

/* More than the pool has free within its zspages. */
static void *
write_pages (void *opaque)
{
  static uint8_t pages[256 * PAGE];
  struct writer *w = opaque;

  data_fill (pages, sizeof pages, DATA_RANDOM, 1);
  w->result = device_write (w->d, pages, sizeof pages, 0);
  w->done = true;
  return NULL;
}

/* Write to a full pool, and call MAKE_ROOM once the write waits.  It waits
 * for two seconds, in which a busy machine may not get far.  Returns how often
 * the write was woken.
 */
static uint64_t
write_beside (void (*make_room) (struct fixture *f))
{
  struct fixture f;
  struct writer w;
  uint64_t rounds;
  unsigned tries = 0;

  do {
    pthread_t thread;

    assert_true (++tries < 20);
    open_disk (&f);
    w = (struct writer) { .d = f.d };
    reclaim_set (&f.u.pool->reclaim, do_nothing, NULL);
    fill (&f);
    f.u.pool->budget.limit = f.u.pool->budget.used;
    assert_int_equal (pthread_create (&thread, NULL, write_pages, &w), 0);
    while (!reclaim_is_wanted (&f.u.pool->reclaim) && !w.done)
      usleep (100);
    make_room (&f);
    pthread_join (thread, NULL);
    rounds = f.u.pool->reclaim.rounds;
    f.u.pool->budget.limit = 0;
    close_disk (&f);
  } while (w.result == -1);
  return rounds;
}

static void
lift_limit (struct fixture *f)
{
  assert_int_equal (pool_set_mem_limit (f->u.pool, 0), 0);
}

static void
trim_most (struct fixture *f)
{
  assert_int_equal (device_zero (f->d, (PAGES - 64) * PAGE, 64 * PAGE), 0);
}

TEST (waiting_writes_see_other_room)
{
  assert_int_equal (write_beside (lift_limit), 1);
  /* A trim does not wake them. */
  assert_int_equal (write_beside (trim_most), 0);
}

/* When the file is full, too, a write fails soon. */
TEST (no_room_anywhere)
{
  struct fixture f;
  struct maintainer m;
  struct maintainer_settings s;
  uint8_t page[PAGE];
  uint64_t i;

  open_with (&f, DEDUP_OFF, MIB);
  f.u.pool->budget.limit = f.u.pool->budget.used + MIB;
  maintainer_settings_init (&s);
  assert_int_equal (maintainer_start (&m, f.u.pool, &s), 0);
  for (i = 0; i < PAGES; ++i) {
    data_fill (page, PAGE, DATA_RANDOM, i + 1);
    if (device_write (f.d, page, PAGE, i * PAGE) == -1)
      break;
  }
  assert_int_equal (errno, ENOSPC);
  assert_uint_in_range (i, 300, 500);
  while (i-- > 0) {
    uint8_t got[PAGE];

    data_fill (page, PAGE, DATA_RANDOM, i + 1);
    assert_int_equal (device_read (f.d, got, PAGE, i * PAGE), 0);
    assert_memory_equal (got, page, PAGE);
  }
  maintainer_stop (&m);
  unit_close (&f.u);
  unlink (backing_path);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (cleaning_keeps_it_dense),
    cmocka_unit_test (writes_wait_for_room),
    cmocka_unit_test (waiting_writes_see_other_room),
    cmocka_unit_test (no_room_anywhere),
  };

  writeback_tests_begin ();
  return cmocka_run_group_tests_name ("writeback-room", tests, NULL, NULL);
}
