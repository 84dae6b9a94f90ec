/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching to a pool that an earlier process has left. */

#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/compact.h"
#include "lib/maintenance/stats.h"
#include "lib/store/device-objects.h"

#define PAGE 4096
#define PAGES 1500

static struct rng rng;

static void
put (struct device *d, uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE];

  data_realistic (page, PAGE, tag);
  assert_int_equal (device_write (d, page, PAGE, index * PAGE), 0);
}

static void
compare (struct device *d, uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE], found[PAGE];

  data_realistic (page, PAGE, tag);
  assert_int_equal (device_read (d, found, PAGE, index * PAGE), 0);
  assert_memory_equal (found, page, PAGE);
}

static void
assert_same_stats (const struct stats *a, const struct stats *b)
{
  assert_true (a->orig_data_size == b->orig_data_size);
  assert_true (a->compr_data_size == b->compr_data_size);
  assert_true (a->same_pages == b->same_pages);
  assert_true (a->huge_pages == b->huge_pages);
  assert_true (a->objects_up_to_half == b->objects_up_to_half);
  assert_true (a->objects_above_half == b->objects_above_half);
  assert_true (a->zspages == b->zspages);
  assert_true (b->mem_waste <= a->mem_waste);
  assert_true (b->bad_slots == 0 && b->checksum_errors == 0);
}

static char dir[] = "/dev/shm/nbdzram-unit-XXXXXX", path[64];

static int
remove_named_file (void **state)
{
  (void) state;
  unlink (path);
  rmdir (dir);
  return 0;
}

/* By name, as users open it: a file in a directory of its own. */
TEST (a_named_file)
{
  struct unit_pool u = { .fd = -1 };
  struct stats before, after;
  struct device *a, *b;

  assert_non_null (mkdtemp (dir));
  snprintf (path, sizeof path, "%s/pool", dir);
  u.options = (struct pool_options) {
    .path = path,
    .geometry = { .page_size = PAGE, .checksum = true },
    .algorithm = unit_algorithm ("lz4"),
  };
  assert_int_equal (unit_attach (&u), 0);
  a = device_open (u.pool, "a", PAGES * PAGE);
  b = device_open (u.pool, "b", PAGES * PAGE + 1);
  for (uint64_t i = 0; i < PAGES; ++i) {
    put (a, i, i + 1);
    put (b, i, i + 5000);
  }
  pool_get_stats (u.pool, &before);
  assert_int_equal (unit_reopen (&u), 0);
  pool_get_stats (u.pool, &after);
  assert_same_stats (&before, &after);
  a = device_open (u.pool, "a", 0);
  b = device_open (u.pool, "b", 0);
  assert_true (b->size == PAGES * PAGE + 1);
  for (uint64_t i = 0; i < PAGES; ++i) {
    compare (a, i, i + 1);
    compare (b, i, i + 5000);
  }
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* Each attach has another algorithm, and the pool has pages of all of them. */
TEST (every_algorithm_is_read)
{
  static uint64_t tags[PAGES];
  struct unit_pool u;
  struct stats before, after;
  struct device *d;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  assert_non_null (device_open (u.pool, "", PAGES * PAGE));
  for (uint64_t i = 0; i < PAGES; ++i)
    tags[i] = i;
  for (uint64_t i = 0; i < PAGES; ++i)
    put (device_open (u.pool, "", 0), i, i);
  for (const struct codec *const *c = codecs; *c; ++c)
    for (unsigned round = 0; round < 2; ++round) {
      u.options.algorithm = unit_algorithm ((*c)->name);
      pool_get_stats (u.pool, &before);
      assert_int_equal (unit_reopen (&u), 0);
      assert_pool_ok (u.pool);
      pool_get_stats (u.pool, &after);
      assert_same_stats (&before, &after);
      d = device_open (u.pool, "", 0);
      for (uint64_t i = 0; i < PAGES; ++i)
        compare (d, i, tags[i]);
      for (unsigned n = 0; n < PAGES / 5; ++n) {
        uint64_t i = rng_below (&rng, PAGES);

        put (d, i, tags[i] = rng_next (&rng));
      }
      pool_compact (u.pool, NULL);
      assert_pool_ok (u.pool);
    }
  unit_close (&u);
}

TEST (geometry_is_the_files)
{
  struct unit_pool u;

  assert_int_equal (unit_open (&u, "lz4", 16384, false, 0), 0);
  u.options.geometry.page_size = 4096;
  u.options.geometry.checksum = true;
  assert_int_equal (unit_reopen (&u), 0);
  assert_int_equal (u.pool->file.geometry.page_size, 16384);
  assert_int_equal (u.pool->sizes.page_size, 16384);
  assert_false (u.pool->file.geometry.checksum);
  unit_close (&u);
}

TEST (one_holder_at_a_time)
{
  struct unit_pool u;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  errno = 0;
  assert_null (pool_open (&u.options));
  assert_int_equal (errno, EBUSY);
  unit_close (&u);
}

/* Slots beyond the last page belong to no page: damage there must not free an
 * object.
 */
TEST (slots_behind_the_end)
{
  struct unit_pool u;
  struct device *a, *b;
  uint8_t page[PAGE], found[PAGE];
  slot_t slot;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  a = device_open (u.pool, "a", 10 * PAGE);
  b = device_open (u.pool, "b", 10 * PAGE);
  assert_int_equal (device_write (a, "x", 1, 0), 0);
  for (uint64_t i = 0; i < 10; ++i) {
    data_fill (page, PAGE, DATA_RANDOM, i);
    assert_int_equal (device_write (b, page, PAGE, i * PAGE), 0);
  }
  slot = b->table.slots[5];
  a->table.slots[100] = slot;
  assert_int_equal (device_zero (b, PAGE, 0), 0);
  pool_compact (u.pool, NULL);
  assert_true (a->table.slots[100] == slot);
  for (uint64_t i = 1; i < 10; ++i) {
    data_fill (page, PAGE, DATA_RANDOM, i);
    assert_int_equal (device_read (b, found, PAGE, i * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
  unit_close (&u);
}

/* ---- killed at any moment ---- */

#define VICTIMS 256

/* For each page, what the victim was about to write, and what it had written
 * before.
 */
struct diary {
  _Atomic uint64_t old[VICTIMS], new[VICTIMS];
};

static void __attribute__ ((noreturn))
write_until_killed (const struct unit_pool *u, struct diary *diary,
                    uint64_t seed)
{
  struct pool *pool = pool_open (&u->options);
  struct rng r = { seed };
  struct device *d;
  uint8_t page[PAGE];

  if (!pool || pool_start (pool) != ATTACH_OK)
    _exit (1);
  d = device_open (pool, "", VICTIMS * PAGE);
  while (d) {
    uint64_t i = rng_below (&r, VICTIMS), tag = rng_next (&r);

    if (tag % 64 == 0)
      pool_compact (pool, NULL);
    if (tag % 4 == 0)
      tag = 0;
    diary->new[i] = tag;
    if (tag == 0)
      device_zero (d, PAGE, i * PAGE);
    else {
      data_realistic (page, PAGE, tag);
      if (device_write (d, page, PAGE, i * PAGE) == -1)
        _exit (2);
    }
    diary->old[i] = tag;
  }
  _exit (3);
}

static bool
is_page_of (const uint8_t found[PAGE], uint64_t tag)
{
  uint8_t page[PAGE];

  if (tag == 0)
    memset (page, 0, PAGE);
  else
    data_realistic (page, PAGE, tag);
  return memcmp (page, found, PAGE) == 0;
}

static void
old_or_new (struct unit_pool *u, struct diary *diary)
{
  struct device *d;
  uint8_t found[PAGE];

  assert_int_equal (unit_attach (u), 0);
  assert_pool_ok (u->pool);
  assert_true (u->pool->counters.bad_slots == 0);
  d = device_open (u->pool, "", VICTIMS * PAGE);
  for (uint64_t i = 0; i < VICTIMS; ++i) {
    assert_int_equal (device_read (d, found, PAGE, i * PAGE), 0);
    if (is_page_of (found, diary->new[i]))
      diary->old[i] = diary->new[i];
    else
      assert_true (is_page_of (found, diary->old[i]));
  }
  unit_detach (u);
}

TEST (killed_anywhere)
{
  struct diary *diary = mmap (NULL, sizeof *diary, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct unit_pool u;

  assert_ptr_not_equal (diary, MAP_FAILED);
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  assert_non_null (device_open (u.pool, "", VICTIMS * PAGE));
  unit_detach (&u);
  for (unsigned round = 0; round < unit_scaled (150); ++round) {
    struct timespec ts = { .tv_nsec = 2000000
                                      + (long) rng_below (&rng, 8000000) };
    uint64_t seed = rng_next (&rng);
    int status;
    pid_t pid = fork ();

    assert_true (pid >= 0);
    if (pid == 0)
      write_until_killed (&u, diary, seed);
    nanosleep (&ts, NULL);
    kill (pid, SIGKILL);
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_true (WIFSIGNALED (status));
    old_or_new (&u, diary);
  }
  munmap (diary, sizeof *diary);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown (a_named_file, remove_named_file),
    cmocka_unit_test (every_algorithm_is_read),
    cmocka_unit_test (geometry_is_the_files),
    cmocka_unit_test (one_holder_at_a_time),
    cmocka_unit_test (slots_behind_the_end),
    cmocka_unit_test (killed_anywhere),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("attach", tests, NULL, NULL);
}
