/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dictionaries that are damaged, or whose process is killed at any moment. */

#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "tests/lib/dictionary-pool.h"

#ifndef HAVE_ZSTD

int
main (void)
{
  printf ("SKIP: zstd is not built in\n");
  return SKIPPED;
}

#else

static struct rng rng;

static void
is_damaged (uint64_t index)
{
  uint8_t found[PAGE];

  errno = 0;
  assert_int_equal (device_read (device, found, PAGE, index * PAGE), -1);
  assert_int_equal (errno, EIO);
}

/* ---- damage ---- */

#define RECORDS 1024            /* their offset in the file */
#define RECORD_SIZE 32

static void
write_file (uint64_t offset, const void *data, size_t size)
{
  assert_int_equal (pwrite (u.fd, data, size, (off_t) offset), size);
}

static uint64_t
content_offset (unsigned n)
{
  return 512 * OS_PAGE_SIZE + n * (uint64_t) POOL_DICTIONARY_MAX;
}

static void
flip (uint64_t offset)
{
  uint8_t byte;

  assert_int_equal (pread (u.fd, &byte, 1, (off_t) offset), 1);
  byte ^= (uint8_t) (1 << rng_below (&rng, 8));
  write_file (offset, &byte, 1);
}

/* The process was killed before it wrote a record, or while it freed an
 * area.
 */
TEST (a_half_written_area)
{
  assert_int_equal (use_dictionary (0), 0);
  put_all (0);
  unit_detach (&u);
  write_file (content_offset (1), content_of (9), LENGTH / 2);
  write_file (content_offset (0) + 5 * PAGE, content_of (9), LENGTH);
  write_file (RECORDS + RECORD_SIZE + 8, content_of (9), RECORD_SIZE - 8);
  assert_int_equal (unit_attach (&u), 0);
  find_device ();
  assert_pool_ok (u.pool);
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  compare_all (0);
  assert_int_equal (use_dictionary (1), 0);
  put_all (1);
  reopen ();
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
}

/* Generation 0 is lost.  Its pages are damaged until they are written again,
 * and until then no other dictionary gets its area.  Other pages are intact.
 */
static void
generation_0_is_lost (void)
{
  assert_int_equal (unit_attach (&u), 0);
  find_device ();
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  for (uint64_t i = 0; i < PAGES; ++i)
    is_damaged (i);
  compare_all (1);
  for (unsigned g = 2; g < POOL_DICTIONARIES; ++g) {
    assert_int_equal (use_dictionary (10 + g), 0);
    put_all (g);
  }
  assert_int_equal (use_dictionary (20), -1);
  is_damaged (0);
  assert_pool_ok (u.pool);
  put_all (0);
  compare_all (0);
  assert_int_equal (use_dictionary (20), 0);
  put_all (0);
  for (unsigned g = 0; g < POOL_DICTIONARIES; ++g)
    compare_all (g);
  assert_pool_ok (u.pool);
}

static void
two_generations (void)
{
  for (unsigned g = 0; g < 2; ++g) {
    assert_int_equal (use_dictionary (g), 0);
    put_all (g);
  }
  unit_detach (&u);
}

TEST (a_damaged_area)
{
  two_generations ();
  flip (content_offset (0) + rng_below (&rng, LENGTH));
  generation_0_is_lost ();
}

static void
a_damaged_record (void **state)
{
  for (unsigned at = 0; at < RECORD_SIZE; at += unit_quick () ? 9 : 1) {
    two_generations ();
    flip (RECORDS + at);
    generation_0_is_lost ();
    close_pool (state);
    open_pool (state);
  }
}

TEST (a_lost_record)
{
  static const uint8_t zeroes[RECORD_SIZE];

  two_generations ();
  write_file (RECORDS, zeroes, sizeof zeroes);
  generation_0_is_lost ();
}

/* ---- killed at any moment ---- */

struct diary {
  _Atomic uint64_t old[PAGES], new[PAGES];
};

static void __attribute__ ((noreturn))
work_until_killed (struct diary *diary, uint64_t seed)
{
  struct rng r = { seed };

  if (unit_attach (&u) == -1)
    _exit (1);
  device = device_open (u.pool, "", 0);
  for (;;) {
    uint64_t i = rng_below (&r, PAGES), tag = rng_next (&r);
    uint8_t page[PAGE];

    if (tag % 16 == 0 && use_dictionary (rng_next (&r)) == -1
        && errno != EMLINK)
      _exit (2);
    page_of (tag, page);
    diary->new[i] = tag;
    if (device_write (device, page, PAGE, i * PAGE) == -1)
      _exit (3);
    diary->old[i] = tag;
  }
}

static bool
is_page_of (const uint8_t found[PAGE], uint64_t tag)
{
  uint8_t page[PAGE] = { 0 };

  if (tag != 0)
    page_of (tag, page);
  return memcmp (page, found, PAGE) == 0;
}

static void
all_is_there (struct diary *diary)
{
  uint8_t found[PAGE];

  assert_int_equal (unit_attach (&u), 0);
  find_device ();
  assert_pool_ok (u.pool);
  for (uint64_t i = 0; i < PAGES; ++i) {
    assert_int_equal (device_read (device, found, PAGE, i * PAGE), 0);
    if (is_page_of (found, diary->new[i]))
      diary->old[i] = diary->new[i];
    else
      assert_true (is_page_of (found, diary->old[i]));
  }
  unit_detach (&u);
}

TEST (killed_anywhere)
{
  struct diary *diary = mmap (NULL, sizeof *diary, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  assert_ptr_not_equal (diary, MAP_FAILED);
  unit_detach (&u);
  for (unsigned round = 0; round < unit_scaled (100); ++round) {
    struct timespec ts = { .tv_nsec = 2000000
                                      + (long) rng_below (&rng, 20000000) };
    uint64_t seed = rng_next (&rng);
    int status;
    pid_t pid = fork ();

    assert_true (pid >= 0);
    if (pid == 0)
      work_until_killed (diary, seed);
    nanosleep (&ts, NULL);
    kill (pid, SIGKILL);
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_true (WIFSIGNALED (status));
    all_is_there (diary);
  }
  munmap (diary, sizeof *diary);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_POOL (a_half_written_area),
    WITH_POOL (a_damaged_area),
    WITH_POOL (a_damaged_record),
    WITH_POOL (a_lost_record),
    WITH_POOL (killed_anywhere),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dictionary-damage", tests, NULL, NULL);
}

#endif /* HAVE_ZSTD */
