/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backing file fails, fills up, shrinks or is removed: nothing that is in
 * memory is lost, and nothing wrong is read.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/backing.h"

#include <cmocka.h>

/* ---- system calls that fail ---- */

static int fail_errno;
static unsigned fail_after;     /* calls */
static size_t at_most;          /* bytes a call; 0: all */
static unsigned calls;
static uint64_t clock_now;

static bool
fails (void)
{
  if (++calls <= fail_after || fail_errno == 0)
    return false;
  errno = fail_errno;
  return true;
}

static size_t
shortened (size_t len)
{
  return at_most != 0 ? MIN (len, at_most) : len;
}

static ssize_t
failing_pread (int fd, void *buf, size_t len, off_t offset)
{
  return fails () ? -1 : pread (fd, buf, shortened (len), offset);
}

static ssize_t
failing_pwrite (int fd, const void *buf, size_t len, off_t offset)
{
  return fails () ? -1 : pwrite (fd, buf, shortened (len), offset);
}

static uint64_t
set_clock (void)
{
  return clock_now;
}

static const struct backing_io failing_io = {
  failing_pread, failing_pwrite, set_clock,
};

static void
fail_calls_with (int err, unsigned after)
{
  fail_errno = err;
  fail_after = after;
  calls = 0;
}

static struct store *
open_some (const char *parent)
{
  struct store *s = store_open (parent, 64 * MIB);

  fail_calls_with (0, 0);
  at_most = 0;
  clock_now = 1;
  s->backing.io = &failing_io;
  for (uint32_t n = 0; n < 2000; ++n)
    assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
  assert_int_equal (store_flush (s), 0);
  for (uint32_t n = 0; n < 2000; n += 3)
    store_drop (s, n);
  return s;
}

/* Try to write an object to slot N, which stays where it was. */
static int
try_write (struct store *s, uint32_t n)
{
  assert_int_equal (s->slots[n].offset, 0);
  assert_int_equal (store_put (s, n, 1000), 0);
  return store_flush (s);
}

static void
assert_state (struct store *s, enum backing_state state, int err)
{
  int error = -1;

  assert_int_equal (backing_get_state (&s->backing, &error), state);
  assert_int_equal (error, err);
}

TEST (write_errors)
{
  struct store *s = open_some (".");
  uint32_t used = s->backing.used;

  fail_calls_with (EIO, 0);
  assert_int_equal (try_write (s, 5000), -1);
  assert_int_equal (errno, EIO);
  assert_int_equal (s->slots[5000].offset, 0);
  assert_int_equal (s->backing.used, used);
  assert_int_equal (s->backing.counters.write_errors, 1);
  assert_state (s, BACKING_FAILED, EIO);

  /* It is not written to for a while, longer each time. */
  for (uint64_t wait = 1000; wait <= 120000; wait *= 2) {
    unsigned before = calls;
    uint64_t start = clock_now;

    clock_now = start + MIN (wait, 60000) - 1;
    assert_false (backing_may_write (&s->backing));
    assert_int_equal (try_write (s, 5000), -1);
    assert_int_equal (errno, EIO);
    assert_int_equal (calls, before);
    clock_now++;
    assert_true (backing_may_write (&s->backing));
    assert_int_equal (try_write (s, 5000), -1);
    assert_int_equal (calls, before + 1);
  }
  fail_calls_with (0, 0);
  clock_now += 60000;
  assert_int_equal (try_write (s, 5000), 0);
  assert_state (s, BACKING_OK, 0);
  store_check (s);

  /* The same after half of a batch. */
  used = s->backing.used;
  at_most = 16384;
  fail_calls_with (EIO, 3);
  for (uint32_t n = 6000; n < 6300; ++n)
    assert_int_equal (store_put (s, n, 1000), 0);
  assert_int_equal (store_flush (s), -1);
  assert_int_equal (s->backing.used, used);
  fail_calls_with (0, 0);
  store_check (s);
  store_close (s);
}

/* Calls that are interrupted, or transfer less, are no errors. */
TEST (short_calls)
{
  struct store *s = open_some (".");

  for (at_most = 4096; at_most <= 65536; at_most *= 2) {
    for (uint32_t n = 0; n < 2000; n += 3)
      assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
    assert_int_equal (store_put (s, 5000, 60000), 0);
    assert_int_equal (store_flush (s), 0);
    store_check (s);
  }
  store_close (s);
}

TEST (read_errors)
{
  struct store *s = open_some (".");

  fail_calls_with (EIO, 0);
  errno = 0;
  assert_false (store_slot_ok (s, 1));
  assert_int_equal (s->backing.counters.read_errors, 1);
  fail_calls_with (0, 0);
  assert_true (store_slot_ok (s, 1));
  assert_int_equal (s->backing.counters.read_errors, 1);
  store_close (s);
}

/* Another program truncates the file. */
TEST (truncated)
{
  static _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  struct store *s = open_some (".");
  unsigned errors = 0, good = 0;
  uint64_t end = 0;
  int error;

  assert_int_equal (backing_get_state (&s->backing, &error), BACKING_OK);
  for (uint32_t n = 0; n < 2000; ++n)
    end = MAX (end, s->slots[n].offset);
  end = align_down (end / 2, BACKING_BLOCK) + 1000;
  assert_int_equal (truncate (s->path, (off_t) end), 0);
  assert_int_equal (backing_get_state (&s->backing, &error),
                    BACKING_TRUNCATED);
  for (uint32_t n = 0; n < 2000; ++n) {
    const struct store_slot *slot = &s->slots[n];

    if (slot->offset == 0)
      continue;
    if (slot->offset + slot->length <= align_down (end, BACKING_BLOCK)) {
      assert_true (store_slot_ok (s, n));
      good++;
      continue;
    }
    errno = 0;
    assert_null (backing_read (&s->backing, slot->offset, slot->length, buf));
    assert_int_equal (errno, EIO);
    errors++;
    store_drop (s, n);
  }
  assert_true (good > 0 && errors > 0);
  assert_int_equal (s->backing.counters.read_errors, errors);
  for (uint32_t n = 2000; n < 4000; ++n)
    assert_int_equal (store_put (s, n, 1000), 0);
  assert_int_equal (store_flush (s), 0);
  assert_int_equal (backing_get_state (&s->backing, &error),
                    BACKING_TRUNCATED);
  store_check (s);
  store_close (s);
}

/* The file is unlinked, but still open. */
TEST (removed)
{
  struct store *s = open_some (".");

  assert_int_equal (unlink (s->path), 0);
  assert_int_equal (try_write (s, 5000), 0);
  store_check (s);
  store_close (s);
}

/* ---- real limits, each in a process of its own ---- */

static void
run_in_child (int (*test) (void))
{
  int status;
  pid_t pid = fork ();

  assert_true (pid >= 0);
  if (pid == 0)
    _exit (test ());
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) == SKIPPED)
    skip ();
  assert_int_equal (WEXITSTATUS (status), 0);
}

/* Fill S until a write is refused, and check all objects. */
static void
fill (struct store *s)
{
  uint32_t n = 0;

  while (n < STORE_SLOTS && store_put (s, n, 3000) == 0)
    ++n;
  assert_int_equal (errno, ENOSPC);
  assert_state (s, BACKING_FULL, ENOSPC);
  assert_int_equal (s->backing.counters.write_errors, 0);
  assert_true (n > 512 && n < STORE_SLOTS);
  store_check (s);

  /* There is room in blocks that were written before. */
  for (uint32_t i = 0; i < 512; ++i)
    store_drop (s, i);
  s->backing.io = &failing_io;
  fail_calls_with (0, 0);
  clock_now = UINT64_MAX;
  assert_int_equal (try_write (s, 0), 0);
  assert_state (s, BACKING_OK, 0);
  store_check (s);
}

static int
try_file_size (rlim_t max)
{
  const struct rlimit limit = { max, max };
  struct store *s = store_open (".", 64 * MIB);

  signal (SIGXFSZ, SIG_IGN);
  if (setrlimit (RLIMIT_FSIZE, &limit) == -1)
    return SKIPPED;
  fill (s);
  store_close (s);
  return 0;
}

static int
beyond_file_size (void)
{
  return try_file_size (4 * MIB);
}

static int
within_block (void)
{
  return try_file_size (4 * MIB + 1000);
}

TEST (resource_limit)
{
  run_in_child (beyond_file_size);
  run_in_child (within_block);
}

static int
on_small_tmpfs (void)
{
  char dir[] = "/tmp/nbdzram-unit-XXXXXX";
  struct store *s;

  if (!mkdtemp (dir))
    return 1;
  if ((unshare (CLONE_NEWNS) == -1
       && unshare (CLONE_NEWUSER | CLONE_NEWNS) == -1)
      || mount ("none", "/", "", MS_REC | MS_PRIVATE, NULL) == -1
      || mount ("none", dir, "tmpfs", 0, "size=4m,mode=0777") == -1) {
    rmdir (dir);
    return SKIPPED;
  }
  s = store_open (dir, 64 * MIB);
  fill (s);
  store_close (s);
  umount (dir);
  rmdir (dir);
  return 0;
}

TEST (full_file_system)
{
  run_in_child (on_small_tmpfs);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (write_errors),
    cmocka_unit_test (short_calls),
    cmocka_unit_test (read_errors),
    cmocka_unit_test (truncated),
    cmocka_unit_test (removed),
    cmocka_unit_test (resource_limit),
    cmocka_unit_test (full_file_system),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing-faults", tests, NULL, NULL);
}
