/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps of "nbdzram mount" and umount.  The table of mounts is a file in a
 * directory of this test, and the programs that change it are scripts there.
 */

#include <config.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/base/kernel-file.h"
#include "command/swap/file-system.h"
#include "command/swap/setup-steps.h"
#include "command/swap/teardown-steps.h"
#include "tests/lib/kernel.h"

#define DEVICE "/dev/nbd1000"   /* there is none */
#define MOUNTS "/proc/self/mounts"

static char point[PATH_MAX], other[PATH_MAX];

/* ---- fakes ---- */

/* A program that the steps start. */
static void
put_program (const char *name, const char *script)
{
  char path[64], real[128], text[1024];

  snprintf (path, sizeof path, "/bin/%s", name);
  snprintf (real, sizeof real, "%s%s", kernel_root, path);
  snprintf (text, sizeof text, "#!/bin/sh\n%s\n", script);
  kernel_put (path, text);
  assert_int_equal (chmod (real, 0755), 0);
}

static void
make_directory (char path[PATH_MAX], const char *name)
{
  char real[PATH_MAX];

  assert_non_null (realpath (kernel_root, real));
  assert_true (snprintf (path, PATH_MAX, "%.4000s/%s", real, name) > 0);
  assert_int_equal (mkdir (path, 0700), 0);
}

static int
group_setup (void **state)
{
  char path[4096];

  if (kernel_setup (state) == -1)
    return -1;
  snprintf (path, sizeof path, "%s/bin:%s", kernel_root, getenv ("PATH"));
  setenv ("PATH", path, 1);
  make_directory (point, "point");
  make_directory (other, "other");
  put_program ("mount", "echo \"$5 $6 $2 rw 0 0\" "
               ">>\"$NBDZRAM_ROOT" MOUNTS "\"");
  put_program ("umount", "sed -i '$d' \"$NBDZRAM_ROOT" MOUNTS "\"");
  return 0;
}

/* The table of mounts: DEVICES, with a space after each, on DIRECTORY. */
static void
put_mounts (const char *devices, const char *directory)
{
  char text[4 * PATH_MAX] = "", *s = text;
  int length;

  for (; *devices; devices += length + 1) {
    length = (int) strcspn (devices, " ");
    s += sprintf (s, "%.*s %s ext4 rw 0 0\n", length, devices, directory);
  }
  kernel_put (MOUNTS, text);
}

static unsigned
count_mounts (void)
{
  char text[4 * PATH_MAX];
  unsigned count = 0;
  ssize_t length = kernel_file_read (MOUNTS, text, sizeof text);

  assert_true (length >= 0);
  for (char *s = strtok (text, "\n"); s; s = strtok (NULL, "\n"))
    count++;
  return count;
}

static unsigned
mode_of (const char *directory)
{
  struct stat st;

  assert_int_equal (stat (directory, &st), 0);
  return st.st_mode & 07777;
}

/* ---- mount ---- */

static void
begin_setup (struct swap_setup *s, char *mount_point)
{
  *s = (struct swap_setup) { .verb = "mount", .name = "disk", .mount = true };
  conf_init (&s->conf);
  s->conf.mount_point = mount_point;
  s->conf.mode = 750;
  strcpy (s->state.devices[0], DEVICE);
  s->state.device_count = 1;
  assert_int_equal (chmod (point, 0700), 0);
  assert_int_equal (chmod (other, 0700), 0);
}

TEST (mount_and_again)
{
  struct swap_setup s;

  put_mounts ("/dev/sda ", "/");
  for (int i = 0; i < 2; ++i) {
    begin_setup (&s, point);
    assert_int_equal (setup_mount (&s), 0);
    assert_int_equal (s.mounted, i == 0);
    assert_int_equal (count_mounts (), 2);
    assert_int_equal (mode_of (point), 0750);
  }
}

TEST (mounted_by_another_path)
{
  char link[PATH_MAX + 8];
  struct swap_setup s;

  snprintf (link, sizeof link, "%s-link", point);
  assert_int_equal (symlink (point, link), 0);
  put_mounts (DEVICE " ", point);
  begin_setup (&s, link);
  assert_int_equal (setup_mount (&s), 0);
  assert_false (s.mounted);
  assert_int_equal (mode_of (point), 0750);
}

TEST (mounted_elsewhere)
{
  struct swap_setup s;

  put_mounts (DEVICE " ", other);
  begin_setup (&s, point);
  assert_int_equal (setup_mount (&s), -1);
  assert_non_null (strstr (s.error, "is mounted on"));
  assert_non_null (strstr (s.error, other));
  assert_int_equal (count_mounts (), 1);
  assert_int_equal (mode_of (other), 0700);
  assert_int_equal (mode_of (point), 0700);
}

TEST (mounted_and_covered)
{
  struct swap_setup s;

  put_mounts (DEVICE " tmpfs ", point);
  begin_setup (&s, point);
  assert_int_equal (setup_mount (&s), -1);
  assert_non_null (strstr (s.error, "on top"));
  assert_int_equal (mode_of (point), 0700);
}

/* Another one was mounted on top before this step failed. */
TEST (undo_covered)
{
  struct swap_setup s;

  put_mounts (DEVICE " tmpfs ", point);
  begin_setup (&s, point);
  s.mounted = true;
  setup_undo_mount (&s);
  assert_int_equal (count_mounts (), 2);
  put_mounts (DEVICE " ", point);
  setup_undo_mount (&s);
  assert_int_equal (count_mounts (), 0);
}

/* ---- umount ---- */

/* How many mounts of DEVICES, on POINT, are left by umount, which returns
 * RESULT?
 */
static unsigned
count_left (const char *devices, int result)
{
  struct swap_teardown t = { .verb = "umount", .name = "disk", .mount = true };

  strcpy (t.state.devices[0], DEVICE);
  t.state.device_count = 1;
  put_mounts (devices, point);
  assert_int_equal (teardown_unmount (&t), result);
  return count_mounts ();
}

TEST (unmount)
{
  assert_int_equal (count_left ("tmpfs ", 0), 1);
  assert_int_equal (count_left (DEVICE " ", 0), 0);
  assert_int_equal (count_left ("tmpfs " DEVICE " " DEVICE " ", 0), 1);
}

TEST (unmount_only_ours)
{
  assert_int_equal (count_left (DEVICE " tmpfs ", -1), 2);
  assert_int_equal (count_left (DEVICE " tmpfs " DEVICE " ", -1), 2);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (mount_and_again),
    cmocka_unit_test (mounted_by_another_path),
    cmocka_unit_test (mounted_elsewhere),
    cmocka_unit_test (mounted_and_covered),
    cmocka_unit_test (undo_covered),
    cmocka_unit_test (unmount),
    cmocka_unit_test (unmount_only_ours),
  };

  return cmocka_run_group_tests (tests, group_setup, kernel_teardown);
}
