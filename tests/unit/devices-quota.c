/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The quotas of devices, and the last memory of a pool. */

#include <config.h>

#include <errno.h>

#include "lib/maintenance/compact.h"
#include "lib/maintenance/recompress.h"
#include "lib/store/devices.h"
#include "tests/lib/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

TEST (no_more_than_its_quota)
{
  struct device *a, *b;
  uint64_t n;

  open_pool (0);
  a = device_add (u.pool, "a", 4000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 4000 * PAGE, "", NULL);
  device_set_quota (a, MIB);
  n = fill_up (a, EDQUOT, 1);
  assert_true (n > 300 && a->held.used <= MIB && a->held.used_max <= MIB);
  assert_true (a->held.used > MIB - 2 * PAGE);
  assert_int_equal (a->counters.failed, 1);
  verify (a, 0, n, 1);
  assert_pool_ok (u.pool);

  /* Other devices are not limited. */
  fill (b, 0, 1000, 2);
  /* After a trim, or with a larger quota, pages can be written again. */
  assert_int_equal (device_zero (a, 100 * PAGE, 0), 0);
  fill (a, 0, 90, 1);
  device_set_quota (a, 2 * MIB);
  assert_true (fill_up (a, EDQUOT, 1) > n + 200);
  /* A smaller quota removes no page. */
  device_set_quota (a, MIB);
  verify (a, 0, n, 1);
  assert_int_equal (device_write (a, "x", 1, 3900 * PAGE), -1);
  assert_int_equal (errno, EDQUOT);
  assert_pool_ok (u.pool);

  /* After an attach the device holds the same memory as before. */
  n = a->held.used;
  assert_int_equal (unit_reopen (&u), 0);
  assert_true (device_find (u.pool, "a")->held.used == n);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* A device that has used up its quota can still be recompressed. */
TEST (recompressed_at_its_quota)
{
  struct recompress_request req = { .which = select_type (PAGES_ALL) };
  struct recompress_result result;
  struct device *d;
  uint64_t n;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  unit_detach (&u);
  u.options.recompress[0] = unit_algorithm (unit_strong ());
  u.options.recompress_count = 1;
  assert_int_equal (unit_attach (&u), 0);
  d = device_add (u.pool, "a", 4000 * PAGE, "", NULL);
  device_set_quota (d, MIB);
  n = fill_up (d, EDQUOT, 1);
  pool_recompress (u.pool, &req, NULL, &result);
  assert_true (d->held.used < MIB - 4 * PAGE);
  assert_true (d->held.used_max <= MIB + PAGE);
  pool_group (u.pool, &req, NULL, &result);
  pool_compact (u.pool, NULL);
  assert_pool_ok (u.pool);
  verify (d, 0, n, 1);
  fill (d, n, n + 2, 1);
  unit_close (&u);
}

/* In a full pool, the last memory goes to devices that hold little. */
TEST (the_last_memory_is_for_all)
{
  struct device *a, *b;
  uint64_t n;

  open_pool (8 * MIB);
  a = device_add (u.pool, "a", 40000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 40000 * PAGE, "", NULL);
  n = fill_up (a, ENOSPC, 1);
  assert_true (u.pool->budget.used > 7 * MIB);
  verify (a, 0, n, 1);
  fill (b, 0, 50, 2);
  assert_true (fill_up (b, ENOSPC, 2) > 80);
  assert_true (u.pool->budget.used_max <= 8 * MIB);
  assert_pool_ok (u.pool);
  /* The only device of a pool may use all of it. */
  device_remove (b);
  device_put (b);
  assert_true (fill_up (a, ENOSPC, 1) > n);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (no_more_than_its_quota),
    cmocka_unit_test (recompressed_at_its_quota),
    cmocka_unit_test (the_last_memory_is_for_all),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("devices-quota", tests, NULL, NULL);
}
