/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a backing file: its header, and which files are taken over or
 * refused.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/loop.h>

#include "lib/backing/internal.h"
#include "tests/lib/backing.h"

#include <cmocka.h>

static void
write_file (const char *path, const void *content, size_t size)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, content, size), size);
  close (fd);
}

static struct backing_error refusal;

static int
try_open (struct backing *b, const struct backing_options *o)
{
  return backing_open (b, o, &refusal);
}

static void
assert_refused (const struct backing_options *o,
                enum backing_error_reason reason)
{
  uint64_t used = o->budget->used;
  struct backing b;

  assert_int_equal (try_open (&b, o), -1);
  assert_int_equal (refusal.reason, reason);
  assert_ptr_equal (refusal.path, o->path);
  assert_int_equal (o->budget->used, used);
  backing_close (&b);
}

static void
assert_system_error (const struct backing_options *o, int err)
{
  assert_refused (o, BACKING_ERROR_SYSTEM);
  assert_int_equal (refusal.system, err);
}

TEST (made_and_found)
{
  struct store *s = store_open (".", 8 * MIB);
  uint8_t zero[BACKING_ID_SIZE] = { 0 };
  struct stat st;

  assert_int_equal (stat (s->path, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0600);
  assert_int_equal (st.st_size, BACKING_BLOCK);
  assert_true (s->backing.taken_over);
  assert_memory_not_equal (s->record.ids[0], zero, sizeof zero);

  assert_int_equal (store_put (s, 0, 100), 0);
  assert_int_equal (store_flush (s), 0);
  store_reopen (s);
  assert_false (s->backing.taken_over);
  assert_memory_equal (s->backing.id, s->record.ids[0],
                       sizeof s->backing.id);
  store_check (s);
  store_close (s);
}

/* A pool without written back pages takes over another pool's file. */
TEST (taken_over)
{
  struct store *s = store_open (".", 8 * MIB);
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct backing b;
  struct stat st;

  assert_int_equal (store_put (s, 0, 100), 0);
  assert_int_equal (store_flush (s), 0);
  o.budget = &budget;
  assert_refused (&o, BACKING_ERROR_BUSY);
  store_check (s);
  store_leave (s);

  o.record = NULL;
  o.pool_id[0] ^= 1;
  assert_int_equal (try_open (&b, &o), 0);
  assert_true (b.taken_over);
  assert_memory_not_equal (b.id, s->record.ids[0], sizeof s->record.ids[0]);
  assert_int_equal (stat (s->path, &st), 0);
  assert_int_equal (st.st_size, BACKING_BLOCK);
  backing_close (&b);
  backing_close (&b);
  store_close (s);
}

/* A file that differs in anything from the recorded one is refused. */
TEST (not_the_expected)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing_record r;
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  uint8_t byte;
  int fd;

  r = s->record;
  store_leave (s);
  o.budget = &budget;
  o.record = &r;

  r.ids[0][3] ^= 1;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  r.ids[0][3] ^= 1;
  o.pool_id[0] ^= 1;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  o.pool_id[0] ^= 1;
  o.page_size = 8192;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  o.page_size = 4096;

  /* With any damaged bit of the header it is no backing file. */
  for (off_t at = 0; at < 56; at += 5) {
    fd = open (s->path, O_RDWR);
    assert_int_equal (pread (fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal (pwrite (fd, &byte, 1, at), 1);
    assert_refused (&o, BACKING_ERROR_UNEXPECTED);
    o.record = NULL;
    assert_refused (&o, BACKING_ERROR_OCCUPIED);
    o.record = &r;
    byte ^= 0x10;
    assert_int_equal (pwrite (fd, &byte, 1, at), 1);
    close (fd);
  }
  assert_int_equal (truncate (s->path, 100), 0);
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  assert_int_equal (truncate (s->path, 0), 0);
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  store_close (s);
}

/* A replica can be used alone if it has all pages; then the other one is no
 * longer in sync.
 */
TEST (half_of_a_mirror)
{
  static const struct {
    unsigned place, before, after; /* 0 after: it is refused */
  } cases[] = {
    { 0, 0, 1 }, { 0, 1, 1 }, { 0, 2, 0 }, { 0, 3, 1 },
    { 1, 0, 0 }, { 1, 1, 0 }, { 1, 2, 2 }, { 1, 3, 2 },
  };
  struct store *s = store_open (".", 8 * MIB);
  struct backing_record found = s->record;
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct backing b;

  store_leave (s);
  o.budget = &budget;
  for (unsigned i = 0; i < ARRAY_SIZE (cases); ++i) {
    memset (s->record.ids, 1, sizeof s->record.ids);
    memcpy (s->record.ids[cases[i].place], found.ids[0], BACKING_ID_SIZE);
    s->record.in_sync = cases[i].before;
    if (cases[i].after == 0) {
      assert_refused (&o, BACKING_ERROR_UNUSABLE);
      assert_non_null (strstr (refusal.detail, "lacks pages"));
      assert_int_equal (s->record.in_sync, cases[i].before);
      continue;
    }
    assert_int_equal (try_open (&b, &o), 0);
    assert_int_equal (s->record.in_sync, cases[i].after);
    assert_false (b.taken_over);
    backing_close (&b);
  }
  store_close (s);
}

/* A pool that is kept in a file may come back for its pages. */
TEST (needed_by_another)
{
  struct store *s = store_open (".", 8 * MIB);
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct backing b;

  store_leave (s);
  o.budget = &budget;
  o.record = NULL;
  o.pool_is_kept = true;
  o.pool_id[0] ^= 1;
  assert_int_equal (try_open (&b, &o), 0);
  backing_close (&b);

  o.pool_id[0] ^= 1;
  assert_refused (&o, BACKING_ERROR_OTHER_POOL);
  o.pool_is_kept = false;
  assert_refused (&o, BACKING_ERROR_OTHER_POOL);
  o.pool_id[0] ^= 1;            /* the same again */
  assert_int_equal (try_open (&b, &o), 0);
  assert_true (b.taken_over);
  backing_close (&b);
  o.pool_id[0] ^= 1;            /* that one was not kept */
  assert_int_equal (try_open (&b, &o), 0);
  backing_close (&b);
  store_close (s);
}

/* Of an unaligned block: the undefined behaviour sanitizer reports an access
 * that assumes alignment.
 */
TEST (header_at_any_address)
{
  uint8_t bytes[BACKING_BLOCK + 8], id[BACKING_ID_SIZE];
  const struct backing_options o = {
    .page_size = 4096, .pool_id = "a pool", .pool_is_kept = true,
  };
  struct backing_options other = o;

  other.pool_id[0] ^= 1;
  for (unsigned at = 0; at < 8; ++at) {
    void *block = bytes + at;

    memset (bytes, 0xff, sizeof bytes);
    assert_null (header_id (block));
    assert_int_equal (header_make (block, &o, id), 0);
    assert_memory_equal (header_id (block), id, sizeof id);
    assert_true (header_is_of (block, &o));
    assert_false (header_is_of (block, &other));
    assert_false (header_is_needed (block, &o));
    assert_true (header_is_needed (block, &other));
    ((uint8_t *) block)[20] ^= 1;
    assert_null (header_id (block));
  }
}

TEST (others_are_left_alone)
{
  static const char text[] = "somebody's letters";
  struct store *s = store_open (".", 8 * MIB);
  char path[96], back[64];
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct stat st;
  int fd;

  snprintf (path, sizeof path, "%s/other", s->dir);
  o.path = path;
  o.budget = &budget;
  o.record = NULL;
  write_file (path, text, sizeof text);
  assert_refused (&o, BACKING_ERROR_OCCUPIED);
  o.record = &s->record;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  o.record = NULL;
  fd = open (path, O_RDWR);
  assert_int_equal (read (fd, back, sizeof back), sizeof text);
  assert_string_equal (back, text);

  /* The pool's file, even where it is empty. */
  assert_int_equal (ftruncate (fd, 0), 0);
  o.pool_fd = fd;
  assert_refused (&o, BACKING_ERROR_IS_POOL);
  o.pool_fd = -1;
  close (fd);
  unlink (path);

  /* Zeroes are something. */
  assert_int_equal (truncate (s->path, BACKING_BLOCK), 0);
  write_file (path, "", 1);
  assert_refused (&o, BACKING_ERROR_OCCUPIED);
  unlink (path);

  assert_int_equal (mkfifo (path, 0600), 0);
  assert_refused (&o, BACKING_ERROR_FILE_TYPE);
  unlink (path);
  assert_int_equal (mkdir (path, 0700), 0);
  assert_system_error (&o, EISDIR);
  rmdir (path);
  o.path = "/dev/null";
  assert_refused (&o, BACKING_ERROR_FILE_TYPE);
  o.path = path;

  /* A file that did not exist before is removed. */
  o.size = 0;
  assert_refused (&o, BACKING_ERROR_TOO_SMALL);
  o.size = 4096 + 4095;
  assert_refused (&o, BACKING_ERROR_TOO_SMALL);
  o.size = BACKING_SIZE_MAX + 1;
  assert_refused (&o, BACKING_ERROR_TOO_LARGE);
  o.size = MIB;
  budget.limit = 4096;
  assert_system_error (&o, ENOSPC);
  assert_int_equal (stat (path, &st), -1);
  store_close (s);
}

/* Make a loop device of the file FD, and put its name in PATH.  Returns it
 * open, so that it is removed when it is closed, or -1 if that is not
 * allowed.
 */
static int
open_loop (int fd, char path[32])
{
  int control = open ("/dev/loop-control", O_RDWR | O_CLOEXEC);
  int number = control == -1 ? -1 : ioctl (control, LOOP_CTL_GET_FREE);
  struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
  int loop;

  if (control != -1)
    close (control);
  snprintf (path, 32, "/dev/loop%d", number);
  loop = number == -1 ? -1 : open (path, O_RDWR | O_CLOEXEC);
  if (loop == -1)
    return -1;
  if (ioctl (loop, LOOP_SET_FD, fd) == 0
      && ioctl (loop, LOOP_SET_STATUS64, &info) == 0)
    return loop;
  close (loop);
  return -1;
}

static void
write_and_read (struct backing *b)
{
  static _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  struct backing_batch *t = backing_batch_new (b, MIB, false);
  uint64_t offset;

  assert_non_null (t);
  assert_int_equal (backing_batch_add (t, "spilled", 8, false), 0);
  assert_int_equal (backing_flush (t), 0);
  offset = backing_batch_offset (t, 0);
  assert_true (backing_contains (b, offset, 8));
  assert_string_equal (backing_read (b, offset, 8, buf), "spilled");
  backing_batch_free (t);
  backing_give_back (b, 0);
  assert_null (backing_check (b));
}

static void
try_device (const char *path, int file)
{
  struct budget budget = { 0 };
  struct backing_record r = { .has = 0 };
  struct backing_options o = {
    .path = path, .page_size = 4096, .pool_fd = -1, .budget = &budget,
    .record = &r,
  };
  struct backing b;

  /* Data of another program, not at the start. */
  assert_int_equal (pwrite (file, "x", 1, MIB - 1), 1);
  assert_refused (&o, BACKING_ERROR_OCCUPIED);
  assert_int_equal (pwrite (file, "", 1, MIB - 1), 1);
  /* The loop device may have read it already. */
  {
    int fd = open (path, O_RDWR);

    assert_int_equal (pwrite (fd, "", 1, MIB - 1), 1);
    fsync (fd);
    close (fd);
  }

  assert_int_equal (try_open (&b, &o), 0);
  assert_true (b.is_device && b.taken_over);
  assert_int_equal (b.blocks, 8 * MIB / BACKING_BLOCK);
  assert_refused (&o, BACKING_ERROR_BUSY);
  write_and_read (&b);
  backing_close (&b);

  o.size = 4 * MIB;
  assert_int_equal (try_open (&b, &o), 0);
  assert_false (b.taken_over);
  assert_int_equal (b.limit, 4 * MIB / BACKING_BLOCK);
  assert_true (backing_contains (&b, 8 * MIB - 32, 32));
  backing_attach_done (&b);
  write_and_read (&b);
  backing_close (&b);
}

TEST (block_device)
{
  char name[] = "./nbdzram-unit-XXXXXX", path[32];
  int file = mkstemp (name), loop;

  assert_true (file >= 0);
  unlink (name);
  assert_int_equal (ftruncate (file, 8 * MIB), 0);
  loop = open_loop (file, path);
  if (loop == -1) {
    close (file);
    print_message ("no loop device can be had\n");
    skip ();
  }
  try_device (path, file);
  close (loop);
  close (file);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (made_and_found),
    cmocka_unit_test (taken_over),
    cmocka_unit_test (not_the_expected),
    cmocka_unit_test (half_of_a_mirror),
    cmocka_unit_test (needed_by_another),
    cmocka_unit_test (header_at_any_address),
    cmocka_unit_test (others_are_left_alone),
    cmocka_unit_test (block_device),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing-open", tests, NULL, NULL);
}
