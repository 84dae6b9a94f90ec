/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a member of a mirror is given up, and how it returns.  The array is
 * made of files in a directory of this test, and mdadm is fake.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/attach/md-setup.h"
#include "command/attach/member.h"
#include "command/base/kernel-file.h"
#include "tests/lib/kernel.h"

/* ---- fakes ---- */

static unsigned begun;          /* how often mdadm was started */
static int start_result, end_result;
static bool ended;

int
md_add_begin (struct running_program *r, const char *array, int index,
              char *error, size_t size)
{
  assert_string_equal (array, "md7");
  assert_int_equal (index, 0);
  if (start_result == -1) {
    snprintf (error, size, "mdadm: No such file or directory");
    return -1;
  }
  begun++;
  *r = (struct running_program) { .pid = 4711, .fd = -1 };
  return 0;
}

bool
program_ended (struct running_program *r, int *result, char *error,
               size_t size)
{
  assert_int_equal (r->pid, 4711);
  if (!ended)
    return false;
  r->pid = 0;
  *result = end_result;
  if (end_result == -1)
    snprintf (error, size, "mdadm: too small");
  return true;
}

/* Runs a shell command in the directory. */
static void __attribute__ ((format (printf, 1, 2)))
run_shell (const char *format, ...)
{
  char command[512];
  va_list ap;
  int n = snprintf (command, sizeof command, "cd %s && ", kernel_root);

  va_start (ap, format);
  vsnprintf (command + n, sizeof command - (size_t) n, format, ap);
  va_end (ap);
  assert_int_equal (system (command), 0);
}

static void
put_state (int index, const char *state)
{
  run_shell ("mkdir -p sys/block/md7/md/dev-nbd%d sys/block/nbd%d/holders/md7"
             " sys/block/md7/slaves/nbd%d", index, index, index);
  run_shell ("echo %s >sys/block/md7/md/dev-nbd%d/state", state, index);
}

static void
remove_member (int index)
{
  /* A reader that has the file open finds it empty. */
  run_shell (": >sys/block/md7/md/dev-nbd%d/state;"
             " rm -r sys/block/md7/md/dev-nbd%d"
             " sys/block/nbd%d/holders/md7 sys/block/md7/slaves/nbd%d",
             index, index, index, index);
}

/* Sets how many workers of the kernel read for a device. */
static void
put_readers (int index, unsigned count)
{
  run_shell ("rm -rf proc/%d?; mkdir -p proc/%d9 &&"
             " echo nbd%d-recv >proc/%d9/comm",
             index + 1, index + 1, index, index + 1);
  for (unsigned i = 0; i < count; ++i)
    run_shell ("mkdir proc/%d%u &&"
               " echo kworker/u4:1+nbd%d-recv >proc/%d%u/comm",
               index + 1, i, index, index + 1, i);
}

/* A write does not truncate a file of the kernel. */
static void
assert_state (int index, const char *state)
{
  char path[96], text[256];

  snprintf (path, sizeof path, "/sys/block/md7/md/dev-nbd%d/state", index);
  assert_int_not_equal (kernel_file_read (path, text, sizeof text), -1);
  assert_memory_equal (text, state, strlen (state));
}

/* Sets up a mirror in sync; we are its first member. */
static int
mirror (void **state)
{
  (void) state;
  run_shell ("rm -rf sys proc; mkdir -p sys/block/nbd0/holders"
             " sys/block/md7/md proc; echo raid1 >sys/block/md7/md/level");
  put_state (0, "in_sync,failfast");
  put_state (1, "in_sync,failfast");
  put_readers (0, 2);
  put_readers (1, 2);
  begun = 0;
  start_result = end_result = 0;
  ended = false;
  return 0;
}

/* ---- arrays ---- */

TEST (arrays)
{
  char array[MD_NAME_SIZE], level[32];
  int members[MD_MEMBERS_MAX];

  assert_true (md_find_array (array, 0));
  assert_string_equal (array, "md7");
  assert_false (md_find_array (array, 5));
  assert_int_equal (md_list_members ("md7", members), 2);
  assert_int_equal (members[0] + members[1], 1);
  assert_int_equal (md_list_members ("md8", members), 0);
  assert_true (md_is_mirror ("md7"));
  assert_false (md_is_mirror ("md8"));
  run_shell ("echo raid10 >sys/block/md7/md/level");
  assert_false (md_is_mirror ("md7"));
  md_read_level ("md7", level, sizeof level);
  assert_string_equal (level, "raid10");
  md_read_level ("md8", level, sizeof level);
  assert_string_equal (level, "");
}

TEST (states)
{
  assert_int_equal (md_member_state ("md7", 0), MD_MEMBER_IN_SYNC);
  put_state (0, "faulty,write_error");
  assert_int_equal (md_member_state ("md7", 0), MD_MEMBER_FAULTY);
  put_state (0, "spare,failfast");
  assert_int_equal (md_member_state ("md7", 0), MD_MEMBER_SPARE);
  put_state (0, "not_in_sync");
  assert_int_equal (md_member_state ("md7", 0), MD_MEMBER_SPARE);
  assert_int_equal (md_member_state ("md7", 3), MD_NO_MEMBER);

  assert_true (md_has_other_in_sync ("md7", 0));
  assert_false (md_has_other_in_sync ("md7", 1));
  put_state (0, "in_sync");
  assert_true (md_has_other_in_sync ("md7", 1));
  put_readers (0, 0);
  assert_false (md_has_other_in_sync ("md7", 1));
  /* If readers are not shown, no server is known to be alive. */
  run_shell ("rm -r proc/19");
  assert_false (md_has_other_in_sync ("md7", 1));
}

/* ---- giving up ---- */

static enum member_event
look (struct member *h, bool dead, int64_t now)
{
  char text[160];

  return member_check (h, dead, now, text, sizeof text);
}

TEST (given_up_in_time)
{
  char array[MD_NAME_SIZE] = "";
  struct member h;

  member_init (&h, 0, array);
  assert_int_equal (look (&h, false, 0), MEMBER_ARRAY_CHANGED);
  assert_string_equal (array, "md7");
  assert_int_equal (look (&h, false, 500), MEMBER_UNCHANGED);

  /* A server that is back soon is not given up. */
  assert_int_equal (look (&h, true, 1000), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, true, 2900), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, false, 3100), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, true, 5000), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, true, 6900), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, true, 7000), MEMBER_GIVE_UP);
}

/* The other member is dead, too, or not in sync. */
TEST (last_one_stays)
{
  char array[MD_NAME_SIZE] = "md7";
  struct member h;

  member_init (&h, 0, array);
  put_readers (1, 0);
  assert_int_equal (look (&h, true, 0), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, true, 100000), MEMBER_UNCHANGED);
  put_readers (1, 1);
  assert_int_equal (look (&h, true, 101000), MEMBER_GIVE_UP);
  put_state (1, "spare");
  assert_int_equal (look (&h, true, 102000), MEMBER_UNCHANGED);
  put_state (1, "faulty");
  assert_int_equal (look (&h, true, 103000), MEMBER_UNCHANGED);
  remove_member (1);
  assert_int_equal (look (&h, true, 104000), MEMBER_UNCHANGED);

  /* A device that is no working member is not needed. */
  put_state (0, "faulty");
  assert_int_equal (look (&h, true, 105000), MEMBER_GIVE_UP);
  remove_member (0);
  assert_int_equal (look (&h, true, 106000), MEMBER_GIVE_UP);
}

/* No array, or one that is no mirror. */
TEST (no_mirror)
{
  char array[MD_NAME_SIZE] = "md7";
  struct member h;

  run_shell ("echo raid0 >sys/block/md7/md/level");
  member_init (&h, 0, array);
  assert_int_equal (look (&h, true, 0), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, true, 2000), MEMBER_ARRAY_CHANGED);
  assert_string_equal (array, "");
  assert_int_equal (look (&h, true, 100000), MEMBER_UNCHANGED);
  remove_member (0);
  assert_int_equal (look (&h, false, 101000), MEMBER_UNCHANGED);
  assert_int_equal (begun, 0);
}

/* ---- leaving ---- */

TEST (leaving)
{
  char array[MD_NAME_SIZE] = "md7";
  struct member h;

  member_init (&h, 0, array);
  assert_false (member_try_leave (&h));
  assert_state (0, "faulty");
  put_state (0, "faulty,failfast");
  assert_false (member_try_leave (&h));
  assert_state (0, "remove");
  remove_member (0);
  assert_true (member_try_leave (&h));
}

/* The last member must not be marked as faulty. */
TEST (last_one_is_never_failed)
{
  char array[MD_NAME_SIZE] = "md7";
  struct member h;

  member_init (&h, 0, array);
  put_readers (1, 0);
  assert_false (member_try_leave (&h));
  assert_state (0, "in_sync,failfast");
}

/* ---- returning ---- */

TEST (given_back)
{
  char array[MD_NAME_SIZE] = "md7", text[160];
  struct member h;

  remove_member (0);
  member_init (&h, 0, array);
  assert_int_equal (look (&h, false, 0), MEMBER_ADDING);
  assert_int_equal (look (&h, false, 500), MEMBER_UNCHANGED);
  assert_int_equal (begun, 1);

  /* Refused: it is added again, but not at once. */
  ended = true;
  end_result = -1;
  assert_int_equal (member_check (&h, false, 1000, text, sizeof text),
                    MEMBER_NOT_ADDED);
  assert_string_equal (text, "mdadm: too small");
  assert_int_equal (look (&h, false, 5900), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, false, 6000), MEMBER_ADDING);
  assert_int_equal (begun, 2);
  end_result = 0;
  assert_int_equal (look (&h, false, 6500), MEMBER_ADDED);
  put_state (0, "spare");
  assert_int_equal (look (&h, false, 20000), MEMBER_UNCHANGED);

  remove_member (0);
  start_result = -1;
  assert_int_equal (look (&h, false, 30000), MEMBER_NOT_ADDED);
  assert_int_equal (look (&h, false, 30500), MEMBER_UNCHANGED);
}

/* The server dies while mdadm waits for it.  Once the device is given up,
 * mdadm fails, and then the member leaves the array.
 */
TEST (dies_while_added)
{
  char array[MD_NAME_SIZE] = "md7";
  struct member h;

  remove_member (0);
  member_init (&h, 0, array);
  assert_int_equal (look (&h, false, 0), MEMBER_ADDING);
  assert_int_equal (look (&h, true, 500), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, true, 2500), MEMBER_GIVE_UP);
  assert_false (member_try_leave (&h));
  ended = true;
  end_result = -1;
  assert_true (member_try_leave (&h));
}

/* md has failed the member, though its server lives. */
TEST (refused_a_request)
{
  char array[MD_NAME_SIZE] = "md7";
  struct member h;

  member_init (&h, 0, array);
  put_state (0, "faulty");
  assert_int_equal (look (&h, false, 0), MEMBER_UNCHANGED);
  assert_int_equal (look (&h, false, 59000), MEMBER_UNCHANGED);
  assert_state (0, "faulty");
  assert_int_equal (look (&h, false, 60000), MEMBER_UNCHANGED);
  assert_state (0, "remove");
  remove_member (0);
  assert_int_equal (look (&h, false, 60500), MEMBER_ADDING);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup (arrays, mirror),
    cmocka_unit_test_setup (states, mirror),
    cmocka_unit_test_setup (given_up_in_time, mirror),
    cmocka_unit_test_setup (last_one_stays, mirror),
    cmocka_unit_test_setup (no_mirror, mirror),
    cmocka_unit_test_setup (leaving, mirror),
    cmocka_unit_test_setup (last_one_is_never_failed, mirror),
    cmocka_unit_test_setup (given_back, mirror),
    cmocka_unit_test_setup (dies_while_added, mirror),
    cmocka_unit_test_setup (refused_a_request, mirror),
  };

  return cmocka_run_group_tests (tests, kernel_setup, kernel_teardown);
}
