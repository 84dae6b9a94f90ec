/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing the size of devices while a pool is in use, or full. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/store/devices.h"
#include "tests/lib/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

/* ---- size ---- */

TEST (becomes_larger_and_smaller)
{
  struct device *d;

  open_pool (0);
  d = device_add (u.pool, "a", 100 * PAGE, "quota=1M", NULL);
  fill (d, 0, 100, 1);

  assert_int_equal (device_resize (d, TIB), 0);
  assert_true (d->size == TIB && d->pages == TIB / PAGE);
  verify (d, 0, 100, 1);
  verify_zero (d, 100, 200);
  verify_zero (d, TIB / PAGE - 10, TIB / PAGE);
  fill (d, TIB / PAGE - 10, TIB / PAGE, 2);
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  d = device_find (u.pool, "a");
  assert_true (d->size == TIB);
  verify (d, 0, 100, 1);

  /* The new end lies within a page: the rest of the page is lost, too. */
  assert_int_equal (device_resize (d, 49 * PAGE + 100), 0);
  assert_int_equal (d->pages, 50);
  verify (d, 0, 49, 1);
  assert_pool_ok (u.pool);
  assert_int_equal (device_resize (d, 200 * PAGE), 0);
  verify (d, 0, 49, 1);
  verify_zero (d, 50, 200);
  {
    uint8_t page[PAGE], found[PAGE];

    data_realistic (page, PAGE, 1 + 49);
    memset (page + 100, 0, PAGE - 100);
    assert_int_equal (device_read (d, found, PAGE, 49 * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  d = device_find (u.pool, "a");
  assert_true (d->size == 200 * PAGE);
  verify (d, 0, 49, 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (who_can_not_be_resized)
{
  struct device *d;

  open_pool (0);
  d = device_add (u.pool, "a", 100 * PAGE, "", NULL);
  assert_ptr_equal (device_find (u.pool, "a"), d);
  assert_int_equal (device_resize (d, 200 * PAGE), -1);
  assert_int_equal (errno, EBUSY);
  device_put (d);
  assert_int_equal (device_resize (d, 0), -1);
  assert_int_equal (errno, EINVAL);
  assert_int_equal (device_resize (d, DEVICE_SIZE_MAX + 1), -1);
  assert_int_equal (errno, EINVAL);
  assert_true (d->size == 100 * PAGE);
  device_remove (d);
  assert_int_equal (device_resize (d, 200 * PAGE), -1);
  assert_int_equal (errno, ENOENT);
  device_put (d);
  unit_close (&u);
}

/* ---- resizing on a full pool ---- */

struct resizer {
  struct device *d;
  uint64_t size;
  int result, error;
  _Atomic bool done;
};

static void *
resize (void *opaque)
{
  struct resizer *r = opaque;

  r->result = device_resize (r->d, r->size);
  r->error = errno;
  r->done = true;
  return NULL;
}

/* A maintainer that never makes room. */
static void
ignore (void *opaque)
{
  (void) opaque;
}

/* Shrink A so that its end lies in a page for which there is no memory, and
 * use B while the resize waits.  Then raise the limit.  Returns false if the
 * resize did not wait for long enough.
 */
static bool
resize_beside (struct device *a, struct device *b)
{
  struct resizer r = { .d = a, .size = 51 * PAGE - 100 };
  pthread_t thread;
  bool in_time;

  u.pool->budget.limit = u.pool->budget.used;
  assert_int_equal (pthread_create (&thread, NULL, resize, &r), 0);
  while (!reclaim_is_wanted (&u.pool->reclaim) && !r.done)
    usleep (100);
  in_time = device_find (u.pool, "a") == NULL;
  if (in_time)
    assert_int_equal (errno, EBUSY);
  else
    device_put (a);
  assert_ptr_equal (device_find (u.pool, "b"), b);
  device_put (b);
  verify (b, 0, 100, 2);
  assert_int_equal (pool_set_mem_limit (u.pool, 0), 0);
  pthread_join (thread, NULL);
  assert_true (r.result == 0 || r.error == ENOSPC);
  return in_time && r.result == 0;
}

/* Resizing holds no lock that other threads need.  It waits for memory for two
 * seconds, which may be too short on a busy machine, so it is tried again.
 */
TEST (resized_while_others_connect)
{
  uint8_t page[PAGE], found[PAGE];
  struct device *a, *b;
  unsigned tries = 0;

  open_pool (0);
  reclaim_set (&u.pool->reclaim, ignore, NULL);
  a = device_add (u.pool, "a", 51 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 100 * PAGE, "", NULL);
  fill (a, 0, 50, 1);
  data_fill (page, PAGE, DATA_RANDOM, 1);
  assert_int_equal (device_write (a, page, PAGE, 50 * PAGE), 0);
  fill (b, 0, 100, 2);
  while (!resize_beside (a, b))
    assert_true (++tries < 20);
  assert_true (a->size == 51 * PAGE - 100);
  assert_int_equal (device_resize (a, 60 * PAGE), 0);
  verify (a, 0, 50, 1);
  memset (page + PAGE - 100, 0, 100);
  assert_int_equal (device_read (a, found, PAGE, 50 * PAGE), 0);
  assert_memory_equal (found, page, PAGE);
  verify_zero (a, 51, 60);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* The pages beyond the new end free the memory that the last page needs. */
TEST (shrunk_on_a_full_pool)
{
  struct device *d;

  open_pool (0);
  d = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  fill (d, 0, 1000, 1);
  u.pool->budget.limit = u.pool->budget.used;
  assert_int_equal (device_resize (d, 500 * PAGE + 100), 0);
  verify (d, 0, 500, 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* There is no memory for the larger table. */
TEST (no_memory_to_become_larger)
{
  struct device *d;
  uint64_t used;

  open_pool (4 * MIB);
  d = device_add (u.pool, "a", 2000 * PAGE, "", NULL);
  fill (d, 0, 200, 1);
  used = u.pool->budget.used;
  u.pool->budget.limit = used + OS_PAGE_SIZE;
  assert_int_equal (device_resize (d, TIB), -1);
  assert_int_equal (errno, ENOSPC);
  assert_true (u.pool->budget.used == used && d->size == 2000 * PAGE);
  verify (d, 0, 200, 1);
  u.pool->budget.limit = 4 * MIB;
  assert_pool_ok (u.pool);
  assert_int_equal (device_resize (d, TIB), 0);
  verify (d, 0, 200, 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (becomes_larger_and_smaller),
    cmocka_unit_test (who_can_not_be_resized),
    cmocka_unit_test (resized_while_others_connect),
    cmocka_unit_test (shrunk_on_a_full_pool),
    cmocka_unit_test (no_memory_to_become_larger),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("devices-resize", tests, NULL, NULL);
}
