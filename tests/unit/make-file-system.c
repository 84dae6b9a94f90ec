/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How "nbdzram mount" makes a file system: on a file in place of the device,
 * mostly with a script in place of mkfs.
 */

#include <config.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/base/run-file.h"
#include "command/swap/file-system.h"
#include "command/swap/setup-steps.h"
#include "lib/base/util.h"
#include "tests/lib/kernel.h"

#define DISK_SIZE (320 << 20)   /* mkfs.xfs wants so much */

static char disk[PATH_MAX];     /* a file in place of a device */

/* An empty disk, and nothing of an earlier run. */
static void
put_disk (void)
{
  char real[PATH_MAX];

  assert_non_null (realpath (kernel_root, real));
  assert_true (snprintf (disk, sizeof disk, "%.4000s/disk", real) > 0);
  unlink (disk);
  assert_int_equal (close (creat (disk, 0600)), 0);
  assert_int_equal (truncate (disk, DISK_SIZE), 0);
  run_remove ("disk", "mkfs");
}

/* Write LENGTH bytes of TEXT at OFFSET of the disk. */
static void
write_disk (off_t offset, const char *text, size_t length)
{
  int fd = open (disk, O_WRONLY);

  assert_int_not_equal (fd, -1);
  assert_int_equal (pwrite (fd, text, length, offset), length);
  close (fd);
}

/* Has the disk TEXT, in which each zero ends it, at OFFSET? */
static bool
disk_has (off_t offset, const char *text)
{
  char buf[64] = "";
  int fd = open (disk, O_RDONLY);

  assert_int_not_equal (fd, -1);
  assert_int_equal (pread (fd, buf, sizeof buf - 1, offset), sizeof buf - 1);
  close (fd);
  return strcmp (buf, text) == 0;
}

static bool
has_mark (void)
{
  json_auto_t *mark = run_read ("disk", "mkfs");

  return mark != NULL;
}

static void
put_mark (void)
{
  assert_int_equal (run_write ("disk", "mkfs", json_object ()), 0);
}

static void
begin_setup (struct swap_setup *s, int type)
{
  *s = (struct swap_setup) { .verb = "mount", .name = "disk", .mount = true };
  conf_init (&s->conf);
  s->conf.fs_type = type;
  strcpy (s->state.devices[0], disk);
  s->state.device_count = 1;
}

/* A program that the step starts. */
static void
put_program (const char *name, const char *script)
{
  char path[64], real[128];

  snprintf (path, sizeof path, "/bin/%s", name);
  snprintf (real, sizeof real, "%s%s", kernel_root, path);
  kernel_put (path, script);
  assert_int_equal (chmod (real, 0755), 0);
}

/* The step with SCRIPT in place of mkfs.ext4, whose last argument is the
 * disk.
 */
static int
make_with (const char *script)
{
  char text[512];
  struct swap_setup s;

  snprintf (text, sizeof text, "#!/bin/sh\nfor disk; do :; done\n%s\n",
            script);
  put_program ("mkfs.ext4", text);
  begin_setup (&s, CONF_EXT4);
  return setup_make_file_system (&s);
}

#define WRITE(text) "printf '" text "' | " \
  "dd of=\"$disk\" bs=4096 seek=1 conv=notrunc 2>/dev/null\n"

TEST (make)
{
  put_disk ();
  assert_int_equal (make_with (WRITE ("made")), 0);
  assert_true (disk_has (4096, "made"));
  assert_false (has_mark ());
  /* It is not made again. */
  assert_int_equal (make_with (WRITE ("again")), 0);
  assert_true (disk_has (4096, "made"));
}

/* Then what the user makes by other means stays. */
TEST (mkfs_writes_nothing)
{
  put_disk ();
  assert_int_equal (make_with ("exit 1"), -1);
  assert_false (has_mark ());
  write_disk (4096, "by hand", 7);
  assert_int_equal (make_with (WRITE ("again")), 0);
  assert_true (disk_has (4096, "by hand"));
}

TEST (mkfs_does_not_start)
{
  put_program ("mkfs.xfs", "");  /* an empty file is no program */
  put_disk ();
  for (int half = 0; half < 2; ++half) {
    struct swap_setup s;

    begin_setup (&s, CONF_XFS);
    assert_int_equal (setup_make_file_system (&s), -1);
    assert_int_equal (has_mark (), half);
    /* Now with a part of a file system. */
    write_disk (4096, "half", 4);
    put_mark ();
  }
}

TEST (mkfs_fails_half_way)
{
  put_disk ();
  assert_int_equal (make_with (WRITE ("half") "exit 1"), -1);
  assert_true (has_mark ());
  assert_int_equal (make_with (WRITE ("made")), 0);
  assert_true (disk_has (4096, "made"));
  assert_false (has_mark ());
}

TEST (interrupted_before_the_first_write)
{
  put_disk ();
  put_mark ();
  assert_int_equal (make_with (WRITE ("made")), 0);
  assert_true (disk_has (4096, "made"));
  assert_false (has_mark ());
}

/* How each mkfs leaves the disk when it is killed and when it is done. */
TEST (whole_or_half)
{
  static const struct {
    off_t offset;
    const char *text;
    size_t length;
    bool complete;
  } rows[] = {
    { 1080, "\x53\xef", 2, true },
    { 1080, "\x53", 1, false },
    { 0, "XFSB", 4, true },
    { 65600, "_BHRfS_M", 8, true },
    { 65600, "!BHRfS_M", 8, false },
    { 4096, "other", 5, false },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i) {
    put_disk ();
    put_mark ();
    write_disk (rows[i].offset, rows[i].text, rows[i].length);
    assert_int_equal (make_with (WRITE ("again")), 0);
    if (disk_has (4096, "again") == rows[i].complete)
      fail_msg ("row %zu", i);
    assert_false (has_mark ());
  }
  put_disk ();
  write_disk (0, "XFSB", 4);
  write_disk (126, "\1", 1);
  assert_false (file_system_is_complete (disk));
}

/* What the programs of this machine make is recognised. */
TEST (real_programs)
{
  static const char *const programs[] = {
    "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs",
  };
  char why[256];
  unsigned made = 0;

  kernel_put_none ("/bin/mkfs.ext4");
  kernel_put_none ("/bin/mkfs.xfs");
  for (int type = CONF_EXT4; type <= CONF_BTRFS; ++type) {
    put_disk ();
    assert_false (file_system_is_complete (disk));
    if (file_system_make (disk, type, "label", why, sizeof why) == -1) {
      print_message ("%s: %s\n", programs[type], why);
      continue;
    }
    made++;
    assert_true (file_system_is_complete (disk));
  }
  if (made == 0)
    skip ();
}

static int
group_setup (void **state)
{
  char path[4096];

  if (kernel_setup (state) == -1)
    return -1;
  kernel_put ("/proc/self/mounts", "/dev/sda / ext4 rw 0 0\n");
  snprintf (path, sizeof path, "%s/bin:%s", kernel_root, getenv ("PATH"));
  return setenv ("PATH", path, 1);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (make),
    cmocka_unit_test (mkfs_writes_nothing),
    cmocka_unit_test (mkfs_does_not_start),
    cmocka_unit_test (mkfs_fails_half_way),
    cmocka_unit_test (interrupted_before_the_first_write),
    cmocka_unit_test (whole_or_half),
    cmocka_unit_test (real_programs),
  };

  return cmocka_run_group_tests (tests, group_setup, kernel_teardown);
}
