/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adding and removing devices while a pool is in use, and their settings. */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/maintenance/compact.h"
#include "lib/store/devices.h"
#include "tests/lib/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

TEST (found_by_name)
{
  struct device *a, *b;

  open_pool (0);
  errno = 0;
  assert_null (device_find (u.pool, "a"));
  assert_int_equal (errno, ENOENT);
  a = device_add (u.pool, "a", 100 * PAGE, "x=1", NULL);
  assert_non_null (a);
  assert_null (device_add (u.pool, "a", PAGE, "", NULL));
  assert_int_equal (errno, EEXIST);
  b = device_add (u.pool, "b", 1, "", NULL);
  assert_non_null (b);
  assert_ptr_equal (device_find (u.pool, "a"), a);
  assert_ptr_equal (device_pin_next (u.pool, NULL), a);
  assert_ptr_equal (device_pin_next (u.pool, a), b);
  assert_null (device_pin_next (u.pool, b));
  assert_int_equal (u.pool->device_count, 2);
  device_put (a);
  device_put (a);
  device_put (b);
  /* Devices stay without users. */
  assert_ptr_equal (device_find (u.pool, "b"), b);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (removed_with_all_it_held)
{
  struct device *a, *b;
  uint64_t used, bytes;

  open_pool (0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  fill (a, 0, 1000, 1);
  device_zero (a, 1000 * PAGE, 0);
  used = u.pool->budget.used;
  bytes = unit_file_bytes (u.pool);

  b = device_add (u.pool, "b", 1000 * PAGE, "", NULL);
  fill (b, 0, 1000, 2);
  assert_true (b->held.used > 100 * PAGE);
  device_remove (b);
  assert_null (device_find (u.pool, "b"));
  assert_ptr_equal (device_pin_next (u.pool, NULL), a);
  assert_null (device_pin_next (u.pool, a));
  device_put (b);
  assert_pool_ok (u.pool);
  pool_compact (u.pool, NULL);
  /* Spare frames of the arena may stay. */
  assert_true (u.pool->budget.used <= used + 2 * MIB);
  assert_true (unit_file_bytes (u.pool) <= bytes + 2 * MIB);
  assert_int_equal (u.pool->device_count, 1);

  /* Its name and its number may be used again. */
  b = device_add (u.pool, "b", 500 * PAGE, "", NULL);
  assert_int_equal (b->number, 1);
  verify_zero (b, 0, 500);
  unit_close (&u);
}

TEST (removed_device_stays_for_its_users)
{
  struct device *old, *new;

  open_pool (0);
  old = device_add (u.pool, "a", 100 * PAGE, "", NULL);
  assert_ptr_equal (device_find (u.pool, "a"), old);
  fill (old, 0, 100, 1);
  device_remove (old);
  assert_true (device_is_removed (old));
  device_put (old);

  /* A new device of the same name is independent of it. */
  new = device_add (u.pool, "a", 100 * PAGE, "", NULL);
  assert_non_null (new);
  assert_ptr_not_equal (new, old);
  verify_zero (new, 0, 100);
  fill (new, 0, 100, 2);
  /* A user that has not noticed the removal does no harm, and what it writes
   * is freed.
   */
  fill (old, 0, 50, 3);
  verify (new, 0, 100, 2);
  pool_compact (u.pool, NULL);
  device_put (old);
  verify (new, 0, 100, 2);
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  verify (device_find (u.pool, "a"), 0, 100, 2);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* The server is killed after it has begun to remove a device. */
TEST (removal_survives_a_kill)
{
  struct device *a, *b;
  uint64_t size;

  open_pool (0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 1000 * PAGE, "", NULL);
  fill (a, 0, 1000, 1);
  fill (b, 0, 1000, 2);
  device_remove (a);
  fill (a, 0, 1000, 3);         /* it is full at that moment */
  assert_int_equal (unit_reopen (&u), 0);
  assert_null (device_find (u.pool, "a"));
  assert_int_equal (pool_find_device (u.pool, "a", &size), -1);
  assert_int_equal (errno, ENOENT);
  b = device_find (u.pool, "b");
  verify (b, 0, 1000, 2);
  assert_pool_ok (u.pool);
  /* The removal is complete: its number may be used again. */
  assert_int_equal (device_add (u.pool, "c", PAGE, "", NULL)->number, 0);
  unit_close (&u);
}

/* Tables that no record names are freed at attach.  The server was killed
 * before it wrote the record of a new table, or after it had replaced the
 * record of an old one.
 */
TEST (orphaned_tables_go)
{
  struct device_record before = { .size = PIB }, after = before;
  struct device *d;

  open_pool (0);
  assert_int_equal (pool_file_add_table (&u.pool->file, &before, MIB), 0);
  d = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  assert_int_equal (pool_file_add_table (&u.pool->file, &after, MIB), 0);
  fill (d, 0, 1000, 1);
  assert_int_equal (pwrite (u.pool->file.fd, "x", 1,
                            (off_t) before.table_offset + 5000), 1);
  assert_int_equal (pwrite (u.pool->file.fd, "x", 1,
                            (off_t) after.table_offset), 1);
  assert_int_equal (unit_reopen (&u), 0);
  verify (device_find (u.pool, "a"), 0, 1000, 1);
  assert_pool_ok (u.pool);      /* also compares the file's memory */
  unit_close (&u);
}

static const char *
recorded_settings (unsigned n)
{
  static struct device_record record;

  assert_int_equal (pool_file_get_device (&u.pool->file, n, &record), 0);
  return record.settings;
}

TEST (settings_are_kept)
{
  char longest[DEVICE_SETTINGS_MAX + 2];
  struct device *d;

  memset (longest, 's', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  open_pool (0);
  assert_null (device_add (u.pool, "a", PAGE, longest, NULL));
  assert_int_equal (errno, ENAMETOOLONG);
  longest[DEVICE_SETTINGS_MAX] = '\0';
  d = device_add (u.pool, "a", PAGE, longest, NULL);
  assert_non_null (d);
  assert_int_equal (unit_reopen (&u), 0);
  assert_string_equal (recorded_settings (0), longest);
  d = device_find (u.pool, "a");
  device_set_settings (d, "");
  assert_string_equal (recorded_settings (0), "");
  device_set_settings (d, "quota=5M:allow=10.0.0.0/8");
  assert_int_equal (device_resize (d, 3 * PAGE), 0);
  assert_int_equal (unit_reopen (&u), 0);
  assert_string_equal (recorded_settings (0), "quota=5M:allow=10.0.0.0/8");
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (found_by_name),
    cmocka_unit_test (removed_with_all_it_held),
    cmocka_unit_test (removed_device_stays_for_its_users),
    cmocka_unit_test (removal_survives_a_kill),
    cmocka_unit_test (orphaned_tables_go),
    cmocka_unit_test (settings_are_kept),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("devices", tests, NULL, NULL);
}
