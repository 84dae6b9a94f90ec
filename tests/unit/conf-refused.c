/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines and files of settings that are refused, with the file and the line.
 */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/util.h"
#include "tests/lib/conf-file.h"

static const struct {
  const char *text, *line, *why;
} refusals[] = {
  { "size = 1G\nsiez = 2G\n", "2", "unknown key 'siez'" },
  { "\n\n# x\nsize = 4X", "4", "size: '4X' has the unknown unit 'X'" },
  { "size = 1G - 2G", "1", "size: '1G - 2G' is less than nothing" },
  { "size = 1", "1", "size: '1' is 1 bytes, and must be from 1M to 1P;" },
  { "size = min(ram / 2, 4096)", "1", "size: 'min(ram / 2, 4096)' is 4096 "
    "bytes, and must be from 1M to 1P; a number without a unit is in bytes"
  },
  { "size = 4096", "1", "size: '4096' is 4096 bytes, and must" },
  { "size = 1M - 1", "1", "size: '1M - 1' is 1048575 bytes, and must" },
  { "export-size = 4096", "1", "export-size: '4096' is 4096 bytes" },
  { "export = a:size=4096", "1", "export: 'a:size=4096' is 4096 bytes" },
  { "export = a:quota=1G:size=1023K:allow=::1", "1", "is 1047552 bytes" },
  { "backing-size = 4096", "1", "backing-size: '4096' is 4096 bytes" },
  { "writeback-limit = 4096", "1", "writeback-limit: '4096' is 4096" },
  { "min-free = 64", "1", "min-free: '64' is 64 bytes, and must be from" },
  { "size = 2P", "1", "size: '2P' is 2251799813685248 bytes, and must" },
  { "size =", "1", "size: the value is missing" },
  { "size", "1", "the line is not KEY = VALUE" },
  { "= 4", "1", "unknown key ''" },
  { "size = 1G\nsize = 1G\n", "2", "size: the file says it a second" },
  { "policy = maybe", "1", "policy: 'maybe' is neither on nor off" },
  { "backing = cold", "1", "backing: 'cold' is no path" },
  { "pool = nbd://there", "1", "pool: 'nbd://there' is no path" },
  { "priority = 40000", "1",
    "priority: '40000' is not a whole number from 0 to 32767, or auto" },
  { "priority = -1", "1", "priority: '-1' is not a whole number" },
  { "connections = 1", "1", "connections: '1' is not a whole number from"
    " 2 to 16" },
  { "connections = 17", "1", "connections: '17' is not a whole number" },
  { "swappiness = 201", "1", "not a whole number from 0 to 200, or keep" },
  { "timeout = 99999999999999999999", "1", "timeout: '9999" },
  { "timeout = 2", "1", "timeout: '2' is not a whole number from 3 to 30" },
  { "timeout = 1s", "1", "timeout: '1s' is not" },
  { "maintenance-cpu = %", "1", "maintenance-cpu: '%' is not" },
  { "min-free = some", "1", "(ram, min and max are known), or keep, or "
    "auto" },
  { "name = x", "1", "name: follows from what the disk is called" },
  { "control = off", "1", "control: follows from" },
  { "[swap]\nsize = 1G\n", "1", "there are no sections" },
  { "size = 1G\n [x]", "2", "there are no sections" },
  { "size = 1G\n  size = 2G\n", "2", "size: the file says it a second" },
  { "remote = a\x01z", "1", "the line has a control character" },
  { "pool = /a\xfcz", "1", "pool: the value is not UTF-8" },
  { "Size = 1G", "1", "unknown key 'Size'" },
  { "si\033[1mze = 1G", "1", "the line has a control character" },
  { "si\rze = 1G", "1", "the line has a control character" },
  { "mem_limit = 1G", "1", "unknown key 'mem_limit'" },
};

TEST (refused_lines)
{
  for (unsigned i = 0; i < ARRAY_SIZE (refusals); ++i) {
    char prefix[PATH_MAX + 16];
    struct conf c;

    begin (&c);
    put_file (refusals[i].text, strlen (refusals[i].text));
    errno = 0;
    if (conf_read (&c, in_directory ("a.conf"), cause, sizeof cause) == 0)
      fail_msg ("'%s' was taken", refusals[i].text);
    assert_int_equal (errno, EINVAL);
    snprintf (prefix, sizeof prefix, "%s:%s: ", in_directory ("a.conf"),
              refusals[i].line);
    if (strncmp (cause, prefix, strlen (prefix)) != 0
        || !strstr (cause, refusals[i].why) || strchr (cause, '\n'))
      fail_msg ("'%s': '%s', not '%s%s'", refusals[i].text, cause, prefix,
                refusals[i].why);
    conf_free (&c);
  }
}

/* What is long is a comment, or blanks. */
TEST (long_lines)
{
  enum { LONG = 3000 };
  static const char *const fillers[] = {
    "#%s", "size = 1G #%s", "size = 1G %s",
  };
  struct conf c;

  for (unsigned i = 0; i < ARRAY_SIZE (fillers); ++i) {
    char filler[LONG + 1], text[2 * LONG];
    int n;

    memset (filler, i < 2 ? 'x' : ' ', LONG);
    filler[LONG] = '\0';
    n = snprintf (text, sizeof text, fillers[i], filler);
    n += snprintf (text + n, sizeof text - (size_t) n, "\npool = /a\n");
    begin (&c);
    put_file (text, (size_t) n);
    if (conf_read (&c, in_directory ("a.conf"), cause, sizeof cause) == -1)
      fail_msg ("%s", cause);
    assert_string_equal (c.pool, "/a");
    assert_int_equal (c.size, i == 0 ? 0 : GIB);
    conf_free (&c);
  }
}

TEST (unreadable)
{
  struct conf c;

  begin (&c);
  assert_int_equal (conf_read (&c, directory, cause, sizeof cause), -1);
  assert_int_equal (errno, EISDIR);
  assert_non_null (strstr (cause, ": Is a directory"));
  conf_free (&c);
}

TEST (refused_bytes)
{
  static const char zero[] = "size = 1G\n\0size = 2G\n";
  char line[1024] = "backing = /";
  struct conf c;

  begin (&c);
  put_file (zero, sizeof zero - 1);
  assert_int_equal (conf_read (&c, in_directory ("a.conf"), cause,
                               sizeof cause), -1);
  assert_non_null (strstr (cause, "a.conf:2: the line has a zero byte"));
  memset (line + strlen (line), 'x', sizeof line - strlen (line));
  put_file (line, sizeof line);
  assert_int_equal (conf_read (&c, in_directory ("a.conf"), cause,
                               sizeof cause), -1);
  assert_non_null (strstr (cause, "a.conf:1: the line is too long"));
  line[sizeof line - 1] = '\0';
  assert_int_equal (conf_set_word (&c, line, cause, sizeof cause), -1);
  assert_non_null (strstr (cause, "unknown key 'backing '"));
  assert_int_equal (conf_set (&c, "backing", line + 10, cause, sizeof cause),
                    -1);
  assert_string_equal (cause, "backing: the value has more than 160 bytes");
  assert_int_equal (conf_set_word (&c, "size", cause, sizeof cause), -1);
  assert_string_equal (cause, "'size' is not KEY=VALUE");
  conf_free (&c);
}

TEST (refused_files)
{
  struct conf c;

  begin (&c);
  assert_int_equal (conf_read (&c, in_directory ("none"), cause,
                               sizeof cause), -1);
  assert_int_equal (errno, ENOENT);
  assert_non_null (strstr (cause, "/none: No such file or directory"));
  assert_int_equal (conf_read (&c, directory, cause, sizeof cause), -1);
  assert_int_not_equal (errno, ENOENT);
  conf_free (&c);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (refused_lines),
    cmocka_unit_test (refused_bytes),
    cmocka_unit_test (long_lines),
    cmocka_unit_test (unreadable),
    cmocka_unit_test (refused_files),
  };

  return cmocka_run_group_tests (tests, conf_setup, conf_teardown);
}
