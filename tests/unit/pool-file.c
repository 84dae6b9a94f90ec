/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "lib/pool-file/pool-file.h"

static const struct pool_geometry geometry = {
  .page_size = 16384, .checksum = true,
};

static char dir[] = "/dev/shm/nbdzram-unit-XXXXXX";
static char path[64];

static int
make_dir (void **state)
{
  (void) state;
  if (!mkdtemp (dir))
    return -1;
  snprintf (path, sizeof path, "%s/pool", dir);
  return 0;
}

static int
remove_file (void **state)
{
  (void) state;
  unlink (path);
  return 0;
}

static int
remove_dir (void **state)
{
  remove_file (state);
  return rmdir (dir);
}

static void
write_file (const void *content, size_t size, off_t length)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, content, size), size);
  assert_int_equal (ftruncate (fd, length), 0);
  close (fd);
}

static void
assert_refused (int err)
{
  struct pool_file file;

  errno = 0;
  assert_int_equal (pool_file_open (&file, path, &geometry), -1);
  assert_int_equal (errno, err);
}

TEST (new_then_found)
{
  const struct pool_geometry other = { .page_size = 4096, .checksum = false };
  struct pool_file file;
  struct stat st;

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_true (file.created);
  assert_int_equal (file.geometry.page_size, 16384);
  assert_int_equal (fstat (file.fd, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0600);
  assert_true ((uint64_t) st.st_blocks * 512 <= 2 * OS_PAGE_SIZE);
  pool_file_close (&file);
  pool_file_close (&file);

  assert_int_equal (pool_file_open (&file, path, &other), 0);
  assert_false (file.created);
  assert_int_equal (file.geometry.page_size, 16384);
  assert_true (file.geometry.checksum);
  assert_int_equal (fstat (file.fd, &st), 0);
  assert_true ((uint64_t) st.st_blocks * 512 <= 2 * OS_PAGE_SIZE);
  pool_file_close (&file);
}

/* Checksums of a backing file's blocks always have the same place.  Once the
 * first is set, and not before, earlier versions refuse the pool.
 */
TEST (checksums_of_blocks)
{
  struct pool_file file;
  struct backing_room a, b;
  _Atomic uint64_t *magic;
  uint64_t first, next = UINT64_MAX;

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  magic = file.head;
  first = *magic;
  assert_int_equal (pool_file_skip_rooms (&file, file.arena_offset, &next), 0);
  assert_true (next == UINT64_MAX);
  assert_int_equal (pool_file_open_sums (&file, &a), 0);
  assert_true (a.offset >= file.arena_offset + file.arena_size);
  assert_int_equal (pool_file_skip_rooms (&file, file.arena_offset, &next), 0);
  assert_true (next == a.offset);
  assert_true (pool_file_skip_rooms (&file, a.offset, &next)
               == a.offset + BACKING_SUMS_SIZE);
  assert_true (*magic == first);
  pool_file_close (&file);

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_false (file.created);
  assert_int_equal (pool_file_open_sums (&file, &b), 0);
  assert_true (b.offset == a.offset);
  magic = file.head;
  b.begin (b.opaque);
  assert_true (*magic == first + 1);
  pool_file_close (&file);

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  magic = file.head;
  *magic = first + 3;           /* of a later version */
  pool_file_close (&file);
  assert_refused (EPROTONOSUPPORT);
}

TEST (no_path_is_a_memfd)
{
  struct pool_file a, b;

  assert_int_equal (pool_file_open (&a, NULL, &geometry), 0);
  assert_int_equal (pool_file_open (&b, NULL, &geometry), 0);
  assert_true (a.created && b.created);
  assert_true (fcntl (a.fd, F_GETFD) & FD_CLOEXEC);
  pool_file_close (&a);
  pool_file_close (&b);
}

TEST (one_holder)
{
  struct pool_file file;

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_refused (EBUSY);
  assert_int_equal (access (path, F_OK), 0);
  pool_file_close (&file);
  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_false (file.created);
  pool_file_close (&file);
}

TEST (what_is_no_pool_stays)
{
  char page[OS_PAGE_SIZE];
  struct stat st;
  char byte;
  int fd;

  memset (page, 'x', sizeof page);
  for (size_t size = 1; size <= sizeof page; size += 585) {
    write_file (page, size, (off_t) size);
    assert_refused (EINVAL);
    assert_int_equal (stat (path, &st), 0);
    assert_int_equal (st.st_size, size);
  }
  /* A file that begins with zeroes, but has data later, is not empty. */
  write_file (page, 1, 1 << 20);
  fd = open (path, O_RDWR);
  assert_int_equal (pwrite (fd, "", 1, 0), 1);
  assert_int_equal (pwrite (fd, "x", 1, 1 << 19), 1);
  assert_refused (EINVAL);
  assert_int_equal (pread (fd, &byte, 1, 1 << 19), 1);
  assert_int_equal (byte, 'x');
  close (fd);
}

TEST (blank_becomes_a_pool)
{
  static const off_t lengths[] = { 0, 2 * (64LL << 30) };
  struct pool_file file;

  for (unsigned i = 0; i < ARRAY_SIZE (lengths); ++i) {
    write_file ("", 0, lengths[i]);
    assert_int_equal (pool_file_open (&file, path, &geometry), 0);
    assert_true (file.created);
    pool_file_close (&file);
    unlink (path);
  }
}

/* The process that created it was killed before it stored the magic number. */
TEST (interrupted_making_starts_over)
{
  struct pool_file file;

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  memset (file.head, 0, 8);
  pool_file_close (&file);
  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_true (file.created);
  pool_file_close (&file);
}

TEST (other_file_systems)
{
  struct statfs fs;
  struct pool_file file;
  char cwd_path[] = "unit-pool-file-XXXXXX.tmp";
  int fd;

  if (statfs (".", &fs) == -1 || fs.f_type == TMPFS_MAGIC) {
    print_message ("the current directory is on a tmpfs\n");
    skip ();
  }
  errno = 0;
  assert_int_equal (pool_file_open (&file, "unit-pool-file-none.tmp",
                                    &geometry), -1);
  assert_int_equal (errno, EMEDIUMTYPE);
  /* It removes the file that it created, but not one that existed. */
  assert_int_equal (access ("unit-pool-file-none.tmp", F_OK), -1);
  fd = mkstemps (cwd_path, 4);
  assert_true (fd >= 0);
  assert_int_equal (pool_file_open (&file, cwd_path, &geometry), -1);
  assert_int_equal (errno, EMEDIUMTYPE);
  assert_int_equal (unlink (cwd_path), 0);
  close (fd);

  assert_int_equal (pool_file_open (&file, dir, &geometry), -1);
  assert_int_equal (pool_file_open (&file, "/dev/null", &geometry), -1);
  assert_int_equal (errno, EMEDIUMTYPE);
  assert_int_equal (pool_file_open (&file, "/nonexistent/x", &geometry), -1);
  assert_int_equal (errno, ENOENT);
}

/* ---- records ---- */

static struct device_record
named (const char *name, uint64_t size)
{
  struct device_record r = { .size = size };

  strcpy (r.name, name);
  return r;
}

TEST (records_are_kept)
{
  struct pool_file file;
  struct device_record a = named ("a", 12345), b = named ("", PIB), r;

  memset (b.name, 'n', DEVICE_NAME_MAX);
  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_int_equal (pool_file_get_device (&file, 0, &r), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (pool_file_add_device (&file, 0, &a, 8), 0);
  assert_int_equal (pool_file_add_device (&file, 7, &b, PIB / 16384 * 8), 0);
  assert_true (b.table_offset >= a.table_offset + 8);
  assert_int_equal (pool_file_add_device (&file, POOL_DEVICES_MAX, &a, 8), -1);
  assert_int_equal (errno, ENOSPC);
  pool_file_close (&file);

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_int_equal (pool_file_get_device (&file, 0, &r), 0);
  assert_string_equal (r.name, "a");
  assert_true (r.size == 12345 && r.table_offset == a.table_offset);
  assert_int_equal (pool_file_get_device (&file, 7, &r), 0);
  assert_string_equal (r.name, b.name);
  assert_true (r.size == PIB);
  for (unsigned n = 1; n < POOL_DEVICES_MAX + 2; ++n)
    if (n != 7) {
      assert_int_equal (pool_file_get_device (&file, n, &r), -1);
      assert_int_equal (errno, ENOENT);
    }
  pool_file_close (&file);
}

TEST (cut_short)
{
  struct pool_file file;
  struct device_record a = named ("a", 1 << 20), r;
  uint64_t end, start;

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_int_equal (pool_file_add_device (&file, 0, &a, 64 * 8), 0);
  start = a.table_offset;
  end = start + OS_PAGE_SIZE;
  pool_file_close (&file);

  assert_int_equal (truncate (path, (off_t) end - 1), 0);
  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  assert_int_equal (pool_file_get_device (&file, 0, &r), -1);
  assert_int_equal (errno, EINVAL);
  pool_file_close (&file);
  assert_int_equal (truncate (path, (off_t) start - 1), 0);
  assert_refused (EINVAL);
  for (off_t length = 1 << 20; length > 0; length /= 3) {
    assert_int_equal (truncate (path, length), 0);
    assert_refused (EINVAL);
  }
}

TEST (next_data_finds_all)
{
  struct pool_file file;
  uint64_t start, stop, offset = 0, seen = 0;

  assert_int_equal (pool_file_open (&file, path, &geometry), 0);
  for (uint64_t n = 1; n < 20; ++n)
    assert_int_equal (pwrite (file.fd, "x", 1, (off_t) (n * n * MIB)), 1);
  while (pool_file_next_data (&file, offset, 300 * MIB, &start, &stop)) {
    assert_true (start >= offset && start < stop && stop <= 300 * MIB);
    if (seen > 0)
      assert_true (start == seen * seen * MIB
                   && stop == start + OS_PAGE_SIZE);
    seen++;
    offset = stop;
  }
  assert_int_equal (seen, 18);  /* the head, and 17 * 17 < 300 */
  assert_true (pool_file_next_data (&file, MIB + 100, MIB + 200, &start,
                                    &stop));
  assert_true (start == MIB + 100 && stop == MIB + 200);
  assert_false (pool_file_next_data (&file, MIB + 4096, MIB + 8192, &start,
                                     &stop));
  pool_file_close (&file);
}

#define THEN_REMOVE(f) cmocka_unit_test_teardown (f, remove_file)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    THEN_REMOVE (new_then_found),
    THEN_REMOVE (checksums_of_blocks),
    THEN_REMOVE (no_path_is_a_memfd),
    THEN_REMOVE (one_holder),
    THEN_REMOVE (what_is_no_pool_stays),
    THEN_REMOVE (blank_becomes_a_pool),
    THEN_REMOVE (interrupted_making_starts_over),
    THEN_REMOVE (other_file_systems),
    THEN_REMOVE (records_are_kept),
    THEN_REMOVE (cut_short),
    THEN_REMOVE (next_data_finds_all),
  };

  return cmocka_run_group_tests_name ("pool-file", tests, make_dir,
                                      remove_dir);
}
