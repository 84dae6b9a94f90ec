/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of the kernel that swapon changes and swapoff restores, with
 * the kernel's files in a directory of the test.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/base/output.h"
#include "command/base/run-file.h"
#include "command/swap/check.h"
#include "command/swap/state.h"
#include "command/swap/sysctls.h"
#include "lib/base/util.h"
#include "tests/lib/kernel.h"

#define SWAPPINESS "/proc/sys/vm/swappiness"

/* All values have three digits: unlike the kernel, a file keeps the end of a
 * longer value when a shorter one is written over it.
 */

static int
set_for (const char *name, uint64_t value)
{
  struct sysctl_change c;

  return sysctl_set (name, "vm.swappiness", value, &c);
}

static int
release_of (const char *name)
{
  struct sysctl_change c;

  return sysctl_release (name, "vm.swappiness", &c);
}

TEST (one_swap)
{
  struct sysctl_change c;
  char key[32];

  kernel_put ("/proc/sys/vm/page-cluster", "3\n");
  kernel_put (SWAPPINESS, "160\n");
  assert_int_equal (sysctl_last ("a", key, sizeof key), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (sysctl_set ("a", "vm.page-cluster", 0, &c), 1);
  assert_string_equal (c.old, "3");
  assert_string_equal (c.new, "0");
  kernel_assert ("/proc/sys/vm/page-cluster", "0");
  assert_int_equal (sysctl_last ("a", key, sizeof key), 0);
  assert_string_equal (key, "vm.page-cluster");

  /* A setting that can't be set leaves no entry. */
  assert_int_equal (sysctl_set ("a", "vm.min_free_kbytes", 1, &c), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (sysctl_last ("a", key, sizeof key), 0);
  assert_string_equal (key, "vm.page-cluster");

  /* Run again with another value. */
  assert_int_equal (sysctl_set ("a", "vm.page-cluster", 1, &c), 0);
  assert_string_equal (c.old, "3");
  kernel_assert ("/proc/sys/vm/page-cluster", "1");
  assert_int_equal (sysctl_release ("a", "vm.page-cluster", &c),
                    SYSCTL_RESTORED);
  kernel_assert ("/proc/sys/vm/page-cluster", "3");
  assert_int_equal (sysctl_release ("a", "vm.page-cluster", &c), -1);
  assert_int_equal (errno, ENOENT);

  /* The administrator's value stays, also if swapon runs in between. */
  set_for ("a", 150);
  kernel_put (SWAPPINESS, "100\n");
  assert_int_equal (release_of ("a"), SYSCTL_FOREIGN);
  kernel_assert (SWAPPINESS, "100");
  set_for ("a", 150);
  kernel_put (SWAPPINESS, "180\n");
  assert_int_equal (set_for ("a", 150), 0);
  kernel_assert (SWAPPINESS, "150");
  assert_int_equal (release_of ("a"), SYSCTL_RESTORED);
  kernel_assert (SWAPPINESS, "180");
}

/* Three swaps end in each order: the setting is that of the last remaining
 * change, and at the end that from before.  With KILLED, each release
 * is killed after it has set the kernel's value and before the file is
 * written, and done again.
 */
static void
ends_in_order (const char *order, const uint64_t wants[3], bool killed)
{
  bool there[3] = { true, true, true };
  char expected[SYSCTL_SIZE], names[3][2] = { "a", "b", "c" };

  kernel_put (SWAPPINESS, "160\n");
  for (int i = 0; i < 3; ++i)
    assert_int_equal (set_for (names[i], wants[i]), 1);
  for (; *order; ++order) {
    int i = *order - '0';

    there[i] = false;
    snprintf (expected, sizeof expected, "160");
    for (int k = 0; k < 3; ++k)
      if (there[k])
        snprintf (expected, sizeof expected, "%" PRIu64, wants[k]);
    if (killed)
      kernel_put (SWAPPINESS, expected);
    assert_int_not_equal (release_of (names[i]), -1);
    kernel_assert (SWAPPINESS, expected);
  }
}

TEST (several_swaps)
{
  static const char *const orders[] = {
    "012", "021", "102", "120", "201", "210",
  };
  static const uint64_t wants[][3] = {
    { 150, 150, 150 }, { 150, 100, 150 }, { 160, 150, 160 }, { 110, 120, 130 },
  };

  for (size_t i = 0; i < 6; ++i)
    for (size_t k = 0; k < 4; ++k) {
      ends_in_order (orders[i], wants[k], false);
      ends_in_order (orders[i], wants[k], true);
    }
}

/* The value that an administrator set between two swaps is restored. */
TEST (between_swaps)
{
  kernel_put (SWAPPINESS, "160\n");
  set_for ("a", 150);
  kernel_put (SWAPPINESS, "180\n");
  set_for ("b", 150);
  assert_int_equal (release_of ("a"), SYSCTL_IN_USE);
  kernel_assert (SWAPPINESS, "150");
  assert_int_equal (release_of ("b"), SYSCTL_RESTORED);
  kernel_assert (SWAPPINESS, "180");

  /* To run swapon again for a swap changes nothing for a later swap. */
  kernel_put (SWAPPINESS, "160\n");
  set_for ("a", 150);
  set_for ("b", 100);
  assert_int_equal (set_for ("a", 150), 0);
  kernel_assert (SWAPPINESS, "100");
  assert_int_equal (release_of ("b"), SYSCTL_RESTORED);
  kernel_assert (SWAPPINESS, "150");
  release_of ("a");
  kernel_assert (SWAPPINESS, "160");
}

TEST (of_version_0_1)
{
  struct swap_state s;
  char key[32];

  kernel_put (SWAPPINESS, "150\n");
  kernel_put ("/nbdzram/a.swap", "{\"devices\":[\"/dev/nbd3\"],\"priority\":7,"
              "\"sysctls\":{\"vm.swappiness\":{\"old\":\"160\","
              "\"new\":\"150\"}}}\n");
  set_for ("b", 150);
  assert_int_equal (release_of ("a"), SYSCTL_IN_USE);
  kernel_assert (SWAPPINESS, "150");
  assert_int_equal (release_of ("b"), SYSCTL_RESTORED);
  kernel_assert (SWAPPINESS, "160");

  /* It is imported once, and the rest of the file stays. */
  assert_int_equal (sysctl_last ("a", key, sizeof key), -1);
  assert_int_equal (swap_state_read (&s, "a"), 0);
  assert_string_equal (s.devices[0], "/dev/nbd3");
  assert_int_equal (s.priority, 7);
  run_remove ("a", "swap");
}

TEST (damaged_list)
{
  struct sysctl_change c;

  kernel_put (SWAPPINESS, "160\n");
  kernel_put ("/nbdzram/kernel.sysctls", "{\"changes\":");
  assert_int_equal (sysctl_set ("a", "vm.swappiness", 1, &c), -1);
  assert_int_equal (errno, EINVAL);
  kernel_assert (SWAPPINESS, "160");
  run_remove ("kernel", "sysctls");
}

/* swapon sets vm.min_free_kbytes to the value that check wants. */
static const char *
min_free_status (uint64_t ram, uint64_t min_free)
{
  static char status[16];
  char text[64];
  json_t *list = json_array (), *check;
  size_t i;

  snprintf (text, sizeof text, "MemTotal: %" PRIu64 " kB\n", ram / KIB);
  kernel_put ("/proc/meminfo", text);
  snprintf (text, sizeof text, "%" PRIu64 "\n", min_free);
  kernel_put ("/proc/sys/vm/min_free_kbytes", text);
  check_machine (list);
  status[0] = '\0';
  json_array_foreach (list, i, check)
    if (strcmp (json_text (check, "check"), "min-free") == 0)
      snprintf (status, sizeof status, "%s", json_text (check, "status"));
  json_decref (list);
  return status;
}

TEST (min_free)
{
  static const struct {
    uint64_t ram, now, wanted;
  } rows[] = {
    { 256 * MIB, 1755, 8192 }, { 512 * MIB, 2000, 8192 },
    { GIB, 4000, 16384 }, { 2 * GIB, 5000, 32768 }, { 2 * GIB, 50000, 50000 },
    { 16 * GIB, 16000, 262144 }, { 64 * GIB, 67584, 262144 },
    { 1024 * GIB, 90112, 262144 }, { 1024 * GIB, 500000, 500000 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i)
    assert_int_equal (swap_min_free (rows[i].ram, rows[i].now),
                      rows[i].wanted);
  for (uint64_t ram = 256 * MIB; ram <= 1024 * GIB; ram *= 2)
    for (uint64_t part = 0; part < 4; ++part) {
      uint64_t total = ram + ram / 4 * part;
      uint64_t wanted = swap_min_free (total, 0);

      assert_string_equal (min_free_status (total, wanted), "ok");
      assert_string_equal (min_free_status (total, wanted - 1), "warn");
      assert_string_equal (min_free_status (total, 4095), "missing");
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (one_swap),
    cmocka_unit_test (several_swaps),
    cmocka_unit_test (between_swaps),
    cmocka_unit_test (of_version_0_1),
    cmocka_unit_test (damaged_list),
    cmocka_unit_test (min_free),
  };

  return cmocka_run_group_tests (tests, kernel_setup, kernel_teardown);
}
