/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adding, removing and changing devices while a pool is in use; their quotas
 * and algorithms.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/reconfigure.h"

#define PAGE 4096

static struct rng rng;
static struct unit_pool u;

static void
open_pool (uint64_t limit)
{
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, limit), 0);
}

static void
fill (struct device *d, uint64_t first, uint64_t end, uint64_t seed)
{
  uint8_t page[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    data_realistic (page, PAGE, seed + i);
    assert_int_equal (device_write (d, page, PAGE, i * PAGE), 0);
  }
}

static void
verify (struct device *d, uint64_t first, uint64_t end, uint64_t seed)
{
  uint8_t page[PAGE], found[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    data_realistic (page, PAGE, seed + i);
    assert_int_equal (device_read (d, found, PAGE, i * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
}

static void
verify_zero (struct device *d, uint64_t first, uint64_t end)
{
  uint8_t page[PAGE] = { 0 }, found[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    assert_int_equal (device_read (d, found, PAGE, i * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
}

/* ---- adding and removing ---- */

TEST (found_by_name)
{
  struct device *a, *b;

  open_pool (0);
  errno = 0;
  assert_null (device_find (u.pool, "a"));
  assert_int_equal (errno, ENOENT);
  a = device_add (u.pool, "a", 100 * PAGE, "x=1", NULL);
  assert_non_null (a);
  assert_null (device_add (u.pool, "a", PAGE, "", NULL));
  assert_int_equal (errno, EEXIST);
  b = device_add (u.pool, "b", 1, "", NULL);
  assert_non_null (b);
  assert_ptr_equal (device_find (u.pool, "a"), a);
  assert_ptr_equal (device_pin_next (u.pool, NULL), a);
  assert_ptr_equal (device_pin_next (u.pool, a), b);
  assert_null (device_pin_next (u.pool, b));
  assert_int_equal (u.pool->device_count, 2);
  device_put (a);
  device_put (a);
  device_put (b);
  /* Devices stay without users. */
  assert_ptr_equal (device_find (u.pool, "b"), b);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (removed_with_all_it_held)
{
  struct device *a, *b;
  uint64_t used, bytes;

  open_pool (0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  fill (a, 0, 1000, 1);
  device_zero (a, 1000 * PAGE, 0);
  used = u.pool->budget.used;
  bytes = unit_file_bytes (u.pool);

  b = device_add (u.pool, "b", 1000 * PAGE, "", NULL);
  fill (b, 0, 1000, 2);
  assert_true (b->held.used > 100 * PAGE);
  device_remove (b);
  assert_null (device_find (u.pool, "b"));
  assert_ptr_equal (device_pin_next (u.pool, NULL), a);
  assert_null (device_pin_next (u.pool, a));
  device_put (b);
  assert_pool_ok (u.pool);
  pool_compact (u.pool, NULL);
  /* Spare frames of the arena may stay. */
  assert_true (u.pool->budget.used <= used + 2 * MIB);
  assert_true (unit_file_bytes (u.pool) <= bytes + 2 * MIB);
  assert_int_equal (u.pool->device_count, 1);

  /* Its name and its number may be used again. */
  b = device_add (u.pool, "b", 500 * PAGE, "", NULL);
  assert_int_equal (b->number, 1);
  verify_zero (b, 0, 500);
  unit_close (&u);
}

TEST (removed_device_stays_for_its_users)
{
  struct device *old, *new;

  open_pool (0);
  old = device_add (u.pool, "a", 100 * PAGE, "", NULL);
  assert_ptr_equal (device_find (u.pool, "a"), old);
  fill (old, 0, 100, 1);
  device_remove (old);
  assert_true (device_is_removed (old));
  device_put (old);

  /* A new device of the same name is independent of it. */
  new = device_add (u.pool, "a", 100 * PAGE, "", NULL);
  assert_non_null (new);
  assert_ptr_not_equal (new, old);
  verify_zero (new, 0, 100);
  fill (new, 0, 100, 2);
  /* A user that has not noticed the removal does no harm, and what it writes
   * is freed.
   */
  fill (old, 0, 50, 3);
  verify (new, 0, 100, 2);
  pool_compact (u.pool, NULL);
  device_put (old);
  verify (new, 0, 100, 2);
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  verify (device_find (u.pool, "a"), 0, 100, 2);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* The server is killed after it has begun to remove a device. */
TEST (removal_survives_a_kill)
{
  struct device *a, *b;
  uint64_t size;

  open_pool (0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 1000 * PAGE, "", NULL);
  fill (a, 0, 1000, 1);
  fill (b, 0, 1000, 2);
  device_remove (a);
  fill (a, 0, 1000, 3);         /* it is full at that moment */
  assert_int_equal (unit_reopen (&u), 0);
  assert_null (device_find (u.pool, "a"));
  assert_int_equal (pool_find_device (u.pool, "a", &size), -1);
  assert_int_equal (errno, ENOENT);
  b = device_find (u.pool, "b");
  verify (b, 0, 1000, 2);
  assert_pool_ok (u.pool);
  /* The removal is complete: its number may be used again. */
  assert_int_equal (device_add (u.pool, "c", PAGE, "", NULL)->number, 0);
  unit_close (&u);
}

/* Tables that no record names are freed at attach.  The server was killed
 * before it wrote the record of a new table, or after it had replaced the
 * record of an old one.
 */
TEST (orphaned_tables_go)
{
  struct device_record before = { .size = PIB }, after = before;
  struct device *d;

  open_pool (0);
  assert_int_equal (pool_file_add_table (&u.pool->file, &before, MIB), 0);
  d = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  assert_int_equal (pool_file_add_table (&u.pool->file, &after, MIB), 0);
  fill (d, 0, 1000, 1);
  assert_int_equal (pwrite (u.pool->file.fd, "x", 1,
                            (off_t) before.table_offset + 5000), 1);
  assert_int_equal (pwrite (u.pool->file.fd, "x", 1,
                            (off_t) after.table_offset), 1);
  assert_int_equal (unit_reopen (&u), 0);
  verify (device_find (u.pool, "a"), 0, 1000, 1);
  assert_pool_ok (u.pool);      /* also compares the file's memory */
  unit_close (&u);
}

/* ---- size ---- */

TEST (becomes_larger_and_smaller)
{
  struct device *d;

  open_pool (0);
  d = device_add (u.pool, "a", 100 * PAGE, "quota=1M", NULL);
  fill (d, 0, 100, 1);

  assert_int_equal (device_resize (d, TIB), 0);
  assert_true (d->size == TIB && d->pages == TIB / PAGE);
  verify (d, 0, 100, 1);
  verify_zero (d, 100, 200);
  verify_zero (d, TIB / PAGE - 10, TIB / PAGE);
  fill (d, TIB / PAGE - 10, TIB / PAGE, 2);
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  d = device_find (u.pool, "a");
  assert_true (d->size == TIB);
  verify (d, 0, 100, 1);

  /* The new end lies within a page: the rest of the page is lost, too. */
  assert_int_equal (device_resize (d, 49 * PAGE + 100), 0);
  assert_int_equal (d->pages, 50);
  verify (d, 0, 49, 1);
  assert_pool_ok (u.pool);
  assert_int_equal (device_resize (d, 200 * PAGE), 0);
  verify (d, 0, 49, 1);
  verify_zero (d, 50, 200);
  {
    uint8_t page[PAGE], found[PAGE];

    data_realistic (page, PAGE, 1 + 49);
    memset (page + 100, 0, PAGE - 100);
    assert_int_equal (device_read (d, found, PAGE, 49 * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  d = device_find (u.pool, "a");
  assert_true (d->size == 200 * PAGE);
  verify (d, 0, 49, 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (who_can_not_be_resized)
{
  struct device *d;

  open_pool (0);
  d = device_add (u.pool, "a", 100 * PAGE, "", NULL);
  assert_ptr_equal (device_find (u.pool, "a"), d);
  assert_int_equal (device_resize (d, 200 * PAGE), -1);
  assert_int_equal (errno, EBUSY);
  device_put (d);
  assert_int_equal (device_resize (d, 0), -1);
  assert_int_equal (errno, EINVAL);
  assert_int_equal (device_resize (d, DEVICE_SIZE_MAX + 1), -1);
  assert_int_equal (errno, EINVAL);
  assert_true (d->size == 100 * PAGE);
  device_remove (d);
  assert_int_equal (device_resize (d, 200 * PAGE), -1);
  assert_int_equal (errno, ENOENT);
  device_put (d);
  unit_close (&u);
}

/* ---- resizing on a full pool ---- */

struct resizer {
  struct device *d;
  uint64_t size;
  int result, error;
  _Atomic bool done;
};

static void *
resize (void *opaque)
{
  struct resizer *r = opaque;

  r->result = device_resize (r->d, r->size);
  r->error = errno;
  r->done = true;
  return NULL;
}

/* A maintainer that never makes room. */
static void
ignore (void *opaque)
{
  (void) opaque;
}

/* Shrink A so that its end lies in a page for which there is no memory, and
 * use B while the resize waits.  Then raise the limit.  Returns false if the
 * resize did not wait for long enough.
 */
static bool
resize_beside (struct device *a, struct device *b)
{
  struct resizer r = { .d = a, .size = 51 * PAGE - 100 };
  pthread_t thread;
  bool in_time;

  u.pool->budget.limit = u.pool->budget.used;
  assert_int_equal (pthread_create (&thread, NULL, resize, &r), 0);
  while (!reclaim_is_wanted (&u.pool->reclaim) && !r.done)
    usleep (100);
  in_time = device_find (u.pool, "a") == NULL;
  if (in_time)
    assert_int_equal (errno, EBUSY);
  else
    device_put (a);
  assert_ptr_equal (device_find (u.pool, "b"), b);
  device_put (b);
  verify (b, 0, 100, 2);
  assert_int_equal (pool_set_mem_limit (u.pool, 0), 0);
  pthread_join (thread, NULL);
  assert_true (r.result == 0 || r.error == ENOSPC);
  return in_time && r.result == 0;
}

/* Resizing holds no lock that other threads need.  It waits for memory for two
 * seconds, which may be too short on a busy machine, so it is tried again.
 */
TEST (resized_while_others_connect)
{
  uint8_t page[PAGE], found[PAGE];
  struct device *a, *b;
  unsigned tries = 0;

  open_pool (0);
  reclaim_set (&u.pool->reclaim, ignore, NULL);
  a = device_add (u.pool, "a", 51 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 100 * PAGE, "", NULL);
  fill (a, 0, 50, 1);
  data_fill (page, PAGE, DATA_RANDOM, 1);
  assert_int_equal (device_write (a, page, PAGE, 50 * PAGE), 0);
  fill (b, 0, 100, 2);
  while (!resize_beside (a, b))
    assert_true (++tries < 20);
  assert_true (a->size == 51 * PAGE - 100);
  assert_int_equal (device_resize (a, 60 * PAGE), 0);
  verify (a, 0, 50, 1);
  memset (page + PAGE - 100, 0, 100);
  assert_int_equal (device_read (a, found, PAGE, 50 * PAGE), 0);
  assert_memory_equal (found, page, PAGE);
  verify_zero (a, 51, 60);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* The pages beyond the new end free the memory that the last page needs. */
TEST (shrunk_on_a_full_pool)
{
  struct device *d;

  open_pool (0);
  d = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  fill (d, 0, 1000, 1);
  u.pool->budget.limit = u.pool->budget.used;
  assert_int_equal (device_resize (d, 500 * PAGE + 100), 0);
  verify (d, 0, 500, 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* There is no memory for the larger table. */
TEST (no_memory_to_become_larger)
{
  struct device *d;
  uint64_t used;

  open_pool (4 * MIB);
  d = device_add (u.pool, "a", 2000 * PAGE, "", NULL);
  fill (d, 0, 200, 1);
  used = u.pool->budget.used;
  u.pool->budget.limit = used + OS_PAGE_SIZE;
  assert_int_equal (device_resize (d, TIB), -1);
  assert_int_equal (errno, ENOSPC);
  assert_true (u.pool->budget.used == used && d->size == 2000 * PAGE);
  verify (d, 0, 200, 1);
  u.pool->budget.limit = 4 * MIB;
  assert_pool_ok (u.pool);
  assert_int_equal (device_resize (d, TIB), 0);
  verify (d, 0, 200, 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

static const char *
recorded_settings (unsigned n)
{
  static struct device_record record;

  assert_int_equal (pool_file_get_device (&u.pool->file, n, &record), 0);
  return record.settings;
}

TEST (settings_are_kept)
{
  char longest[DEVICE_SETTINGS_MAX + 2];
  struct device *d;

  memset (longest, 's', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  open_pool (0);
  assert_null (device_add (u.pool, "a", PAGE, longest, NULL));
  assert_int_equal (errno, ENAMETOOLONG);
  longest[DEVICE_SETTINGS_MAX] = '\0';
  d = device_add (u.pool, "a", PAGE, longest, NULL);
  assert_non_null (d);
  assert_int_equal (unit_reopen (&u), 0);
  assert_string_equal (recorded_settings (0), longest);
  d = device_find (u.pool, "a");
  device_set_settings (d, "");
  assert_string_equal (recorded_settings (0), "");
  device_set_settings (d, "quota=5M:allow=10.0.0.0/8");
  assert_int_equal (device_resize (d, 3 * PAGE), 0);
  assert_int_equal (unit_reopen (&u), 0);
  assert_string_equal (recorded_settings (0), "quota=5M:allow=10.0.0.0/8");
  unit_close (&u);
}

/* ---- quotas ---- */

/* Write pages until one is refused with ERROR.  Returns how many were written.
 */
static uint64_t
fill_up (struct device *d, int error, uint64_t seed)
{
  uint8_t page[PAGE];

  for (uint64_t i = 0; i < d->pages; ++i) {
    data_realistic (page, PAGE, seed + i);
    errno = 0;
    if (device_write (d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, error);
      return i;
    }
  }
  fail_msg ("everything found room");
  return 0;
}

TEST (no_more_than_its_quota)
{
  struct device *a, *b;
  uint64_t n;

  open_pool (0);
  a = device_add (u.pool, "a", 4000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 4000 * PAGE, "", NULL);
  device_set_quota (a, MIB);
  n = fill_up (a, EDQUOT, 1);
  assert_true (n > 300 && a->held.used <= MIB && a->held.used_max <= MIB);
  assert_true (a->held.used > MIB - 2 * PAGE);
  assert_int_equal (a->counters.failed, 1);
  verify (a, 0, n, 1);
  assert_pool_ok (u.pool);

  /* Other devices are not limited. */
  fill (b, 0, 1000, 2);
  /* After a trim, or with a larger quota, pages can be written again. */
  assert_int_equal (device_zero (a, 100 * PAGE, 0), 0);
  fill (a, 0, 90, 1);
  device_set_quota (a, 2 * MIB);
  assert_true (fill_up (a, EDQUOT, 1) > n + 200);
  /* A smaller quota removes no page. */
  device_set_quota (a, MIB);
  verify (a, 0, n, 1);
  assert_int_equal (device_write (a, "x", 1, 3900 * PAGE), -1);
  assert_int_equal (errno, EDQUOT);
  assert_pool_ok (u.pool);

  /* After an attach the device holds the same memory as before. */
  n = a->held.used;
  assert_int_equal (unit_reopen (&u), 0);
  assert_true (device_find (u.pool, "a")->held.used == n);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* A device that has used up its quota can still be recompressed. */
TEST (recompressed_at_its_quota)
{
  struct recompress_request req = { .which = select_type (PAGES_ALL) };
  struct recompress_result result;
  struct device *d;
  uint64_t n;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  unit_detach (&u);
  u.options.recompress[0] = unit_algorithm (unit_strong ());
  u.options.recompress_count = 1;
  assert_int_equal (unit_attach (&u), 0);
  d = device_add (u.pool, "a", 4000 * PAGE, "", NULL);
  device_set_quota (d, MIB);
  n = fill_up (d, EDQUOT, 1);
  pool_recompress (u.pool, &req, NULL, &result);
  assert_true (d->held.used < MIB - 4 * PAGE);
  assert_true (d->held.used_max <= MIB + PAGE);
  pool_group (u.pool, &req, NULL, &result);
  pool_compact (u.pool, NULL);
  assert_pool_ok (u.pool);
  verify (d, 0, n, 1);
  fill (d, n, n + 2, 1);
  unit_close (&u);
}

/* In a full pool, the last memory goes to devices that hold little. */
TEST (the_last_memory_is_for_all)
{
  struct device *a, *b;
  uint64_t n;

  open_pool (8 * MIB);
  a = device_add (u.pool, "a", 40000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 40000 * PAGE, "", NULL);
  n = fill_up (a, ENOSPC, 1);
  assert_true (u.pool->budget.used > 7 * MIB);
  verify (a, 0, n, 1);
  fill (b, 0, 50, 2);
  assert_true (fill_up (b, ENOSPC, 2) > 80);
  assert_true (u.pool->budget.used_max <= 8 * MIB);
  assert_pool_ok (u.pool);
  /* The only device of a pool may use all of it. */
  device_remove (b);
  device_put (b);
  assert_true (fill_up (a, ENOSPC, 1) > n);
  unit_close (&u);
}

/* ---- algorithms ---- */

/* An algorithm stronger than lz4hc, if one is built in. */
static struct algorithm
strong (void)
{
  return unit_algorithm (codec_by_name ("zstd") ? "zstd:level=3"
                         : codec_by_name ("deflate") ? "deflate"
                         : "lz4hc:level=12");
}

static slot_t
slot_at (struct device *d, uint64_t index)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  return table_get (&d->table, index);
}

/* How many of the pages FIRST up to END were compressed by CODEC. */
static uint64_t
count_codec (struct device *d, uint64_t first, uint64_t end,
             const struct codec *codec)
{
  uint64_t n = 0;

  for (uint64_t i = first; i < end; ++i) {
    slot_t slot = slot_at (d, i);

    n += slot_is_stored (slot) && slot_codec (slot) == codec->id;
  }
  return n;
}

static void
put_text (struct device *d, uint64_t first, uint64_t end)
{
  uint8_t page[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    data_fill (page, PAGE, DATA_TEXT, i);
    assert_int_equal (device_write (d, page, PAGE, i * PAGE), 0);
  }
}

static void
assert_text (struct device *d, uint64_t first, uint64_t end)
{
  uint8_t page[PAGE], found[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    data_fill (page, PAGE, DATA_TEXT, i);
    assert_int_equal (device_read (d, found, PAGE, i * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
}

TEST (each_by_its_algorithm)
{
  struct algorithm hc = unit_algorithm ("lz4hc:level=5"), best = strong ();
  struct algorithm lz4 = unit_algorithm ("lz4");
  struct device *a, *b, *c;
  uint64_t refreshed;

  open_pool (0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 1000 * PAGE, "", &hc);
  c = device_add (u.pool, "c", 1000 * PAGE, "", &best);
  assert_non_null (b);
  assert_non_null (c);
  for (unsigned i = 0; i < 100; ++i) {
    put_text (a, i, i + 1);
    put_text (b, i, i + 1);
    put_text (c, i, i + 1);
    /* Partial writes use the device's algorithm, too. */
    assert_int_equal (device_write (c, "part", 4, (200 + i) * PAGE + 100), 0);
  }
  assert_true (count_codec (a, 0, 100, lz4.codec) == 100);
  assert_true (count_codec (b, 0, 100, hc.codec) == 100);
  assert_true (count_codec (c, 0, 100, best.codec) == 100);
  assert_true (count_codec (c, 200, 300, best.codec) == 100);
  assert_pool_ok (u.pool);

  /* A new algorithm of the pool affects the devices without their own. */
  assert_int_equal (pool_set_algorithm (u.pool, &best), 0);
  put_text (a, 100, 110);
  put_text (b, 100, 110);
  assert_true (count_codec (a, 100, 110, best.codec) == 10);
  assert_true (count_codec (b, 100, 110, hc.codec) == 10);
  assert_int_equal (pool_refresh (u.pool, NULL, &refreshed), 0);
  assert_true (refreshed == 100);
  assert_true (count_codec (a, 0, 110, best.codec) == 110);
  assert_true (count_codec (b, 0, 110, hc.codec) == 110);
  assert_text (a, 0, 110);
  assert_text (b, 0, 110);
  assert_text (c, 0, 100);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* After an attach the algorithm must be set again, also in a full pool. */
TEST (found_and_told_its_algorithm)
{
  struct algorithm hc = unit_algorithm ("lz4hc:level=5"), best = strong ();
  struct device *d;
  uint64_t n;

  open_pool (8 * MIB);
  d = device_add (u.pool, "a", 40000 * PAGE, "", &best);
  put_text (d, 0, 50);
  n = 50 + fill_up (device_add (u.pool, "b", 40000 * PAGE, "", NULL), ENOSPC,
                    1);
  assert_true (n > 500);
  assert_int_equal (unit_reopen (&u), 0);
  u.pool->budget.limit = u.pool->budget.used;
  d = device_find (u.pool, "a");
  assert_int_equal (d->method, METHOD_OF_POOL);
  assert_int_equal (device_set_algorithm (d, &best), 0);
  assert_int_equal (device_set_algorithm (d, &hc), 0);
  assert_true (u.pool->budget.limit < u.pool->budget.used);
  assert_pool_ok (u.pool);
  assert_text (d, 0, 50);
  assert_true (count_codec (d, 0, 50, best.codec) == 50);
  u.pool->budget.limit = 0;
  put_text (d, 0, 70);
  assert_true (count_codec (d, 0, 70, hc.codec) == 70);
  assert_int_equal (device_set_algorithm (d, NULL), 0);
  put_text (d, 0, 70);
  assert_true (count_codec (d, 0, 70, codec_by_name ("lz4")) == 70);
  assert_text (d, 0, 70);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* With any amount of memory too little for the algorithm, nothing changes. */
TEST (no_memory_for_its_algorithm)
{
  struct algorithm hc = unit_algorithm ("lz4hc:level=5");
  struct device *a;
  uint64_t used, bytes, size;
  unsigned refused = 0;

  open_pool (0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  assert_int_equal (pool_make_resident (u.pool, 4), 0);
  put_text (a, 0, 100);
  used = u.pool->budget.used;
  bytes = unit_file_bytes (u.pool);
  for (uint64_t more = 1;; more += 64 * KIB) {
    u.pool->budget.limit = used + more;
    errno = 0;
    if (device_add (u.pool, "b", 1000 * PAGE, "", &hc))
      break;
    assert_int_equal (errno, ENOSPC);
    assert_true (u.pool->budget.used == used);
    assert_true (unit_file_bytes (u.pool) == bytes);
    assert_int_equal (u.pool->device_count, 1);
    assert_null (device_find (u.pool, "b"));
    assert_int_equal (pool_find_device (u.pool, "b", &size), -1);
    assert_text (a, 0, 100);
    assert_pool_ok (u.pool);
    refused++;
  }
  assert_true (refused >= 4);

  /* The same if the device can't be made for other reasons. */
  u.pool->budget.limit = 0;
  used = u.pool->budget.used;
  hc.level = 6;
  assert_null (device_add (u.pool, "a", PAGE, "", &hc));
  assert_int_equal (errno, EEXIST);
  assert_null (device_add (u.pool, "c", 0, "", &hc));
  assert_int_equal (errno, EINVAL);
  assert_true (u.pool->budget.used == used);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (as_many_algorithms_as_there_can_be)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct device *d[METHODS_OF_DEVICES];
  uint64_t used = 0;
  char name[16];

  open_pool (0);
  for (int i = 0; i < METHODS_OF_DEVICES; ++i) {
    a.level = 2 + i;
    snprintf (name, sizeof name, "%d", i);
    d[i] = device_add (u.pool, name, 100 * PAGE, "", &a);
    assert_non_null (d[i]);
    put_text (d[i], 0, 10);
  }
  used = u.pool->budget.used;
  a.level = 20;
  assert_null (device_add (u.pool, "more", PAGE, "", &a));
  assert_int_equal (errno, EMLINK);
  assert_true (u.pool->budget.used == used);
  /* Any number of devices may have the same algorithm. */
  a.level = 5;
  assert_non_null (device_add (u.pool, "more", PAGE, "", &a));
  /* An algorithm is dropped with its last device, not before. */
  device_remove (d[3]);
  device_put (d[3]);
  a.level = 20;
  assert_null (device_add (u.pool, "others", PAGE, "", &a));
  device_remove (d[4]);
  put_text (d[4], 20, 30);      /* a removed device still uses it */
  assert_null (device_add (u.pool, "others", PAGE, "", &a));
  device_put (d[4]);
  assert_non_null (device_add (u.pool, "others", PAGE, "", &a));
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* The device's algorithm is weaker or stronger than that of recompression: a
 * page becomes smaller, or stays as it is.
 */
TEST (recompressed_by_the_pools)
{
  struct recompress_request req = { .which = select_type (PAGES_ALL) };
  struct algorithm weak = unit_algorithm ("lz4:level=30"), best = strong ();
  struct algorithm hc = unit_algorithm ("lz4hc:level=5");
  struct recompress_result result;
  struct device *a, *b;

  open_pool (0);
  unit_detach (&u);
  u.options.recompress[0] = hc;
  u.options.recompress_count = 1;
  assert_int_equal (unit_attach (&u), 0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", &weak);
  b = device_add (u.pool, "b", 1000 * PAGE, "", &best);
  put_text (a, 0, 100);
  put_text (b, 0, 100);
  assert_int_equal (pool_recompress (u.pool, &req, NULL, &result), 0);
  assert_true (result.tried == 200 && result.recompressed >= 50);
  assert_true (count_codec (a, 0, 100, hc.codec) >= 50);
  if (best.codec != hc.codec)
    assert_true (count_codec (b, 0, 100, best.codec) >= 50);
  assert_text (a, 0, 100);
  assert_text (b, 0, 100);
  assert_pool_ok (u.pool);
  assert_int_equal (pool_group (u.pool, &req, NULL, &result), 0);
  assert_text (a, 0, 100);
  assert_text (b, 0, 100);
  /* A new write uses the device's algorithm again. */
  put_text (b, 0, 100);
  assert_true (count_codec (b, 0, 100, best.codec) == 100);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* Pages of the strongest algorithm can only gain in groups. */
TEST (grouped_where_nothing_is_stronger)
{
  struct recompress_request req = { .which = select_type (PAGES_ALL) };
  struct recompress_result result;
  struct algorithm best = strong ();
  struct device *d;

  open_pool (0);
  unit_detach (&u);
  u.options.recompress[0] = best;
  u.options.recompress_count = 1;
  assert_int_equal (unit_attach (&u), 0);
  d = device_add (u.pool, "a", 1000 * PAGE, "", &best);
  put_text (d, 0, 100);
  assert_int_equal (pool_recompress (u.pool, &req, NULL, &result), 0);
  assert_true (result.tried == 100 && result.recompressed == 0);
  assert_int_equal (pool_group (u.pool, &req, NULL, &result), 0);
  assert_true (result.recompressed >= 50 && result.saved > 0);
  assert_text (d, 0, 100);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* A page may share the object of a device with another algorithm. */
TEST (shared_with_another_algorithm)
{
  struct algorithm best = strong (), lz4 = unit_algorithm ("lz4");
  struct device *a, *b;

  open_pool (0);
  unit_detach (&u);
  u.options.dedup = DEDUP_POOL;
  assert_int_equal (unit_attach (&u), 0);
  a = device_add (u.pool, "a", 1000 * PAGE, "", NULL);
  b = device_add (u.pool, "b", 1000 * PAGE, "", &best);
  put_text (b, 0, 50);
  put_text (a, 0, 100);
  put_text (b, 50, 100);
  assert_true (count_codec (a, 0, 50, best.codec) == 50);
  assert_true (count_codec (b, 50, 100, lz4.codec) == 50);
  assert_pool_ok (u.pool);
  /* The objects stay readable after the device that made them is removed. */
  device_remove (b);
  device_put (b);
  assert_text (a, 0, 100);
  assert_int_equal (unit_reopen (&u), 0);
  assert_text (device_find (u.pool, "a"), 0, 100);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* ---- races ---- */

#define WRITERS 16
#define TENANTS 4
#define RACE_PAGES 600
#define QUOTA (512 * KIB)
#define LIMIT (3 * MIB)

struct writer {
  pthread_t thread;
  unsigned number;
  struct device *d;
  struct rng rng;
  uint64_t tags[RACE_PAGES];    /* of its own pages; 0: zeroes */
  uint64_t refused, wrong;
};

/* The page of the tenant that is number I of this writer's pages.  The writers
 * of a tenant take turns.
 */
static uint64_t
place (const struct writer *w, uint64_t i)
{
  return i * (WRITERS / TENANTS) + w->number / TENANTS;
}

static bool
is_right (struct writer *w, uint64_t i)
{
  uint8_t page[PAGE] = { 0 }, found[PAGE];

  if (w->tags[i] != 0)
    data_realistic (page, PAGE, w->tags[i]);
  return device_read (w->d, found, PAGE, place (w, i) * PAGE) == 0
    && memcmp (page, found, PAGE) == 0;
}

static void
write_one (struct writer *w, uint64_t i)
{
  uint64_t tag = rng_next (&w->rng) | 1;
  uint8_t page[PAGE];

  data_realistic (page, PAGE, tag);
  if (device_write (w->d, page, PAGE, place (w, i) * PAGE) == 0)
    w->tags[i] = tag;
  else {
    w->refused++;
    w->wrong += errno != EDQUOT && errno != ENOSPC;
  }
}

static void *
race (void *opaque)
{
  struct writer *w = opaque;
  unsigned rounds = unit_instrumented () ? 1500 : 6000;

  for (unsigned n = 0; n < rounds; ++n) {
    uint64_t i = rng_below (&w->rng, RACE_PAGES);

    if (rng_below (&w->rng, 8) == 0) {
      w->wrong += device_zero (w->d, PAGE, place (w, i) * PAGE) == -1;
      w->tags[i] = 0;
    }
    else
      write_one (w, i);
    w->wrong += !is_right (w, rng_below (&w->rng, RACE_PAGES));
  }
  return NULL;
}

static _Atomic bool stop;

/* Runs meanwhile: compaction, visits of all devices, and a device that is
 * added and removed again and again.
 */
static void *
disturb (void *opaque)
{
  struct rng r = *(struct rng *) opaque;
  uint8_t page[PAGE];

  for (uint64_t n = 0; !stop; ++n) {
    struct device *d = device_add (u.pool, "guest", 1000 * PAGE, "", NULL);

    pool_compact (u.pool, NULL);
    for (struct device *l = NULL;
         (l = device_pin_next (u.pool, l)) != NULL; )
      assert_true (l->size > 0);
    if (!d)
      continue;
    device_set_quota (d, QUOTA);
    for (unsigned i = 0; i < 50; ++i) {
      data_realistic (page, PAGE, rng_next (&r));
      device_write (d, page, PAGE, rng_below (&r, 1000) * PAGE);
    }
    if (n % 2 == 0)
      device_resize (d, rng_below (&r, 3000 * PAGE) + 1);
    device_remove (d);
    device_put (d);
  }
  return NULL;
}

TEST (writers_at_the_limits)
{
  static struct writer writers[WRITERS];
  struct device *tenants[TENANTS];
  uint64_t refused = 0, seed = rng_next (&rng);
  pthread_t other;
  char name[8];

  open_pool (LIMIT);
  for (unsigned i = 0; i < TENANTS; ++i) {
    snprintf (name, sizeof name, "%u", i);
    tenants[i] = device_add (u.pool, name, RACE_PAGES * WRITERS / TENANTS
                                           * PAGE, "", NULL);
    assert_non_null (tenants[i]);
    /* The first two reach their quota, the others the pool's limit. */
    device_set_quota (tenants[i], i < 2 ? QUOTA : 0);
  }
  stop = false;
  assert_int_equal (pthread_create (&other, NULL, disturb, &seed), 0);
  for (unsigned i = 0; i < WRITERS; ++i) {
    writers[i] = (struct writer) { .number = i, .d = tenants[i % TENANTS],
                                   .rng.state = rng_next (&rng) };
    assert_int_equal (pthread_create (&writers[i].thread, NULL, race,
                                      &writers[i]), 0);
  }
  for (unsigned i = 0; i < WRITERS; ++i) {
    pthread_join (writers[i].thread, NULL);
    refused += writers[i].refused;
  }
  stop = true;
  pthread_join (other, NULL);

  for (unsigned i = 0; i < WRITERS; ++i) {
    assert_true (writers[i].wrong == 0);
    for (uint64_t k = 0; k < RACE_PAGES; ++k)
      assert_true (is_right (&writers[i], k));
  }
  assert_true (refused > 0);
  assert_true (u.pool->budget.used_max <= LIMIT);
  /* For a moment, compaction holds an object twice. */
  for (unsigned i = 0; i < 2; ++i)
    assert_true (tenants[i]->held.used_max <= QUOTA + PAGE
                 && tenants[i]->held.used <= QUOTA);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* Runs meanwhile: the pool's algorithm changes, and devices with other
 * algorithms are added and removed with their pages.
 */
static void *
change_algorithms (void *opaque)
{
  const struct algorithm a[] = {
    unit_algorithm ("lz4"), strong (), unit_algorithm ("lz4hc:level=3"),
  };
  struct rng r = *(struct rng *) opaque;

  for (uint64_t n = 0; !stop; ++n) {
    struct device *d = device_add (u.pool, "guest", 1000 * PAGE, "",
                                   &a[n % ARRAY_SIZE (a)]);
    uint64_t refreshed;

    assert_non_null (d);
    fill (d, 0, 20, rng_next (&r));
    assert_int_equal (pool_set_algorithm (u.pool, &a[rng_below (&r, 3)]), 0);
    if (n % 3 == 0)
      assert_int_equal (pool_refresh (u.pool, NULL, &refreshed), 0);
    if (n % 5 == 0)
      pool_compact (u.pool, NULL);
    device_remove (d);
    device_put (d);
  }
  return NULL;
}

TEST (algorithms_change_under_writers)
{
  static struct writer writers[WRITERS];
  struct algorithm hc = unit_algorithm ("lz4hc:level=5"), best = strong ();
  const struct algorithm *of[TENANTS] = { NULL, &hc, NULL, &best };
  struct device *tenants[TENANTS];
  uint64_t seed = rng_next (&rng);
  pthread_t other;
  char name[8];

  open_pool (0);
  for (unsigned i = 0; i < TENANTS; ++i) {
    snprintf (name, sizeof name, "%u", i);
    tenants[i] = device_add (u.pool, name, RACE_PAGES * WRITERS / TENANTS
                                           * PAGE, "", of[i]);
    assert_non_null (tenants[i]);
  }
  stop = false;
  assert_int_equal (pthread_create (&other, NULL, change_algorithms, &seed),
                    0);
  for (unsigned i = 0; i < WRITERS; ++i) {
    writers[i] = (struct writer) { .number = i, .d = tenants[i % TENANTS],
                                   .rng.state = rng_next (&rng) };
    assert_int_equal (pthread_create (&writers[i].thread, NULL, race,
                                      &writers[i]), 0);
  }
  for (unsigned i = 0; i < WRITERS; ++i)
    pthread_join (writers[i].thread, NULL);
  stop = true;
  pthread_join (other, NULL);

  for (unsigned i = 0; i < WRITERS; ++i) {
    assert_true (writers[i].wrong == 0 && writers[i].refused == 0);
    for (uint64_t k = 0; k < RACE_PAGES; ++k)
      assert_true (is_right (&writers[i], k));
  }
  for (unsigned i = 0; i < TENANTS; ++i)
    for (uint64_t k = 0; of[i] && k < tenants[i]->pages; ++k) {
      slot_t slot = slot_at (tenants[i], k);

      assert_true (!slot_is_stored (slot) || slot_codec (slot) == CODEC_FILL
                   || slot_codec (slot) == of[i]->codec->id);
    }
  assert_pool_ok (u.pool);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (found_by_name),
    cmocka_unit_test (removed_with_all_it_held),
    cmocka_unit_test (removed_device_stays_for_its_users),
    cmocka_unit_test (removal_survives_a_kill),
    cmocka_unit_test (orphaned_tables_go),
    cmocka_unit_test (becomes_larger_and_smaller),
    cmocka_unit_test (who_can_not_be_resized),
    cmocka_unit_test (resized_while_others_connect),
    cmocka_unit_test (shrunk_on_a_full_pool),
    cmocka_unit_test (no_memory_to_become_larger),
    cmocka_unit_test (settings_are_kept),
    cmocka_unit_test (no_more_than_its_quota),
    cmocka_unit_test (recompressed_at_its_quota),
    cmocka_unit_test (the_last_memory_is_for_all),
    cmocka_unit_test (each_by_its_algorithm),
    cmocka_unit_test (found_and_told_its_algorithm),
    cmocka_unit_test (no_memory_for_its_algorithm),
    cmocka_unit_test (as_many_algorithms_as_there_can_be),
    cmocka_unit_test (recompressed_by_the_pools),
    cmocka_unit_test (grouped_where_nothing_is_stronger),
    cmocka_unit_test (shared_with_another_algorithm),
    cmocka_unit_test (writers_at_the_limits),
    cmocka_unit_test (algorithms_change_under_writers),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("devices", tests, NULL, NULL);
}
