/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes kernel files in a directory of this test. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/base/kernel-file.h"
#include "tests/lib/kernel.h"

static void
put_file (const char *text)
{
  kernel_put ("/file", text);
}

TEST (reads)
{
  char buf[8];

  kernel_put_none ("/file");
  assert_int_equal (kernel_file_read ("/file", buf, sizeof buf), -1);
  assert_int_equal (errno, ENOENT);
  put_file ("");
  assert_int_equal (kernel_file_read ("/file", buf, sizeof buf), 0);
  assert_string_equal (buf, "");
  put_file ("60\n");
  assert_int_equal (kernel_file_read ("/file", buf, sizeof buf), 2);
  assert_string_equal (buf, "60");
  put_file ("longer than that\n");
  assert_int_equal (kernel_file_read ("/file", buf, sizeof buf), 7);
  assert_string_equal (buf, "longer ");
}

TEST (numbers)
{
  static const char *const bad[] = { "", "\n", "max\n", "-1\n", "12kB\n",
                                     " 7\n", "99999999999999999999\n" };
  uint64_t n;

  put_file ("18446744073709551615\n");
  assert_int_equal (kernel_file_number ("/file", &n), 0);
  assert_int_equal (n, UINT64_MAX);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
    put_file (bad[i]);
    assert_int_equal (kernel_file_number ("/file", &n), -1);
    assert_int_equal (errno, EINVAL);
  }
}

TEST (fields)
{
  uint64_t n;

  put_file ("MemTotalX: 1 kB\nMemTotal:    253 kB\nCapEff:\t00000000a80425fb\n"
       "Empty:\n");
  assert_int_equal (kernel_file_field ("/file", "MemTotal", 10, &n), 0);
  assert_int_equal (n, 253);
  assert_int_equal (kernel_file_field ("/file", "CapEff", 16, &n), 0);
  assert_int_equal (n, 0xa80425fb);
  assert_int_equal (kernel_file_field ("/file", "Mem", 10, &n), -1);
  assert_int_equal (errno, ENODATA);
  assert_int_equal (kernel_file_field ("/file", "Empty", 10, &n), -1);
  assert_int_equal (errno, EINVAL);
}

TEST (writes)
{
  char buf[8], path[KERNEL_ROOT_SIZE + 8];

  kernel_put_none ("/file");
  /* A file that the kernel does not have is not created. */
  assert_int_equal (kernel_file_write ("/file", "0"), -1);
  assert_int_equal (errno, ENOENT);
  put_file ("");
  assert_int_equal (kernel_file_write ("/file", "100"), 0);
  assert_int_equal (kernel_file_read ("/file", buf, sizeof buf), 3);
  assert_string_equal (buf, "100");
  snprintf (path, sizeof path, "%s/file", kernel_root);
  unsetenv ("NBDZRAM_ROOT");
  assert_int_equal (kernel_file_write (path, "7"), 0);
  setenv ("NBDZRAM_ROOT", kernel_root, 1);
  assert_int_equal (kernel_file_read ("/file", buf, sizeof buf), 1);
  assert_string_equal (buf, "7");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (reads),
    cmocka_unit_test (numbers),
    cmocka_unit_test (fields),
    cmocka_unit_test (writes),
  };

  return cmocka_run_group_tests (tests, kernel_setup, kernel_teardown);
}
