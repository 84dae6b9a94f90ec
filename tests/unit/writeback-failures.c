/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are full, cut, damaged, older than the pool, or another one's. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/maintenance/writeback.h"
#include "tests/lib/unit.h"
#include "tests/lib/writeback.h"

#include <cmocka.h>

TEST (a_full_file_loses_nothing)
{
  struct fixture f;
  struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;

  open_with (&f, DEDUP_OFF, MIB);
  fill (&f);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_int_equal (errno, ENOSPC);
  assert_pool_ok (f.u.pool);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  assert_true (stats_of (&f).bd_used <= MIB);
  unit_close (&f.u);
  unlink (backing_path);
}

TEST (a_cut_file_is_an_error)
{
  struct fixture f;
  uint8_t page[PAGE];
  uint64_t failed = 0;

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  assert_int_equal (truncate (backing_path, 100 * PAGE), 0);
  for (uint64_t i = 0; i < PAGES; ++i)
    if (device_read (f.d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, EIO);
      failed++;
      put (&f, i);
    }
  assert_uint_in_range (failed, 100, PAGES);
  assert_true (stats_of (&f).bd_read_errors + stats_of (&f).checksum_errors
               >= failed);
  assert_content (&f);
  close_disk (&f);
}

TEST (damage_is_noticed)
{
  struct fixture f;
  uint8_t page[PAGE], expected[PAGE];
  uint64_t failed = 0;
  int fd;

  open_disk (&f);
  fill (&f);
  group_pages (&f);
  write_back (&f, PAGES_ALL);
  fd = open (backing_path, O_WRONLY | O_CLOEXEC);
  assert_true (fd != -1);
  for (unsigned i = 1; i < 500; ++i)
    assert_int_equal (pwrite (fd, &i, 1, (off_t) (i * PAGE
                                                  + rng_below (&rng, PAGE))),
                      1);
  close (fd);
  for (uint64_t i = 0; i < PAGES; ++i) {
    page_of_tag (expected, f.tags[i]);
    if (device_read (f.d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, EIO);
      failed++;
    }
    else
      assert_memory_equal (page, expected, PAGE);
  }
  assert_true (failed > 0);
  unit_close (&f.u);
  unlink (backing_path);
}

/* Save the file, or restore it, except its header. */
static void
copy_file (bool back, uint8_t *copy, size_t size)
{
  int fd = open (backing_path, O_RDWR | O_CLOEXEC);

  assert_true (fd != -1);
  assert_int_equal (ftruncate (fd, (off_t) size), 0);
  assert_true (back ? pwrite (fd, copy, size - PAGE, PAGE) > 0
                    : pread (fd, copy, size - PAGE, PAGE) > 0);
  close (fd);
}

/* Count the pages that can't be read; all others must be right. */
static unsigned
count_errors (struct fixture *f)
{
  uint8_t page[PAGE], expected[PAGE];
  unsigned errors = 0;

  for (uint64_t i = 0; i < PAGES; ++i) {
    page_of_tag (expected, f->tags[i]);
    if (device_read (f->d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, EIO);
      errors++;
    } else
      assert_memory_equal (page, expected, PAGE);
  }
  return errors;
}

static uint8_t older[16 * MIB];

/* The file is an older one.  Cleaning, or a later process, does not make a
 * stale page valid.
 */
TEST (older_pages_are_errors)
{
  for (unsigned n = 0; n < 6; ++n) {
    struct fixture f;

    open_disk (&f);
    fill (&f);
    if (n >= 3)
      group_pages (&f);
    write_back (&f, PAGES_ALL);
    copy_file (false, older, sizeof older);
    for (uint64_t i = 0; i < PAGES; ++i)
      put_tag (&f, i, 100000 + f.tags[i]);
    if (n >= 3)
      group_pages (&f);
    write_back (&f, PAGES_ALL);
    if (n % 3 != 0)
      reattach (&f);
    copy_file (true, older, sizeof older);
    if (n % 3 == 2) {
      for (uint64_t i = 0; i < PAGES; i += 2)
        assert_int_equal (device_zero (f.d, PAGE, i * PAGE), 0);
      for (uint64_t i = 0; i < PAGES; i += 2)
        f.tags[i] = 0;
      assert_int_equal (pool_clean (f.u.pool, NULL), 0);
    }
    assert_true (count_errors (&f) > (n % 3 == 2 ? PAGES / 4 : PAGES / 2));
    assert_true (stats_of (&f).bd_stale > 0);
    fill (&f);
    write_back (&f, PAGES_ALL);
    assert_content (&f);
    close_disk (&f);
  }
}

/* A pool of the version without checksums of blocks has all its pages.  It
 * gets the new version when something is written back, not before.
 */
TEST (pool_of_an_earlier_version)
{
  struct fixture f;
  struct pool_file file;
  struct backing_room sums;
  _Atomic uint64_t *magic;
  uint64_t earlier;

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  unit_detach (&f.u);
  assert_int_equal (pool_file_open (&file, f.u.path,
                                    &f.u.options.geometry), 0);
  assert_int_equal (pool_file_open_sums (&file, &sums), 0);
  assert_int_equal (os_punch (file.fd, sums.offset, BACKING_SUMS_SIZE), 0);
  magic = file.head;
  earlier = --*magic;
  pool_file_close (&file);

  assert_int_equal (try_attach (&f, backing_path, 16 * MIB), 0);
  assert_pool_ok (f.u.pool);
  magic = f.u.pool->file.head;
  assert_content (&f);
  assert_true (*magic == earlier);
  write_back (&f, PAGES_ALL);
  assert_true (*magic == earlier + 1);
  assert_content (&f);
  reattach (&f);
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_stale, 0);
  close_disk (&f);
}

TEST (the_wrong_file_is_refused)
{
  struct fixture f, other;
  char elsewhere[160];

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  unit_detach (&f.u);
  assert_int_equal (try_attach (&f, NULL, 0), -1);
  assert_int_equal (f.u.started, ATTACH_NO_BACKING);
  snprintf (elsewhere, sizeof elsewhere, "%s.other", backing_path);
  assert_int_equal (try_attach (&f, elsewhere, 16 * MIB), -1);
  assert_int_equal (refusal.reason, BACKING_ERROR_UNEXPECTED);
  unlink (elsewhere);
  assert_int_equal (try_attach (&f, backing_path, 16 * MIB), 0);
  assert_content (&f);

  memset (&other, 0, sizeof other);
  assert_int_equal (unit_open (&other.u, "lz4", PAGE, true, 0), 0);
  unit_detach (&other.u);
  assert_int_equal (try_attach (&other, backing_path, 16 * MIB), -1);
  assert_int_equal (refusal.reason, BACKING_ERROR_BUSY);
  unit_close (&other.u);
  close_disk (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_full_file_loses_nothing),
    cmocka_unit_test (a_cut_file_is_an_error),
    cmocka_unit_test (damage_is_noticed),
    cmocka_unit_test (older_pages_are_errors),
    cmocka_unit_test (pool_of_an_earlier_version),
    cmocka_unit_test (the_wrong_file_is_refused),
  };

  writeback_tests_begin ();
  return cmocka_run_group_tests_name ("writeback-failures", tests, NULL, NULL);
}
