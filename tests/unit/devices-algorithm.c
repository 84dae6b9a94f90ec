/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices with algorithms of their own. */

#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "lib/maintenance/recompress.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/store/devices.h"
#include "tests/lib/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_by_its_algorithm),
    cmocka_unit_test (found_and_told_its_algorithm),
    cmocka_unit_test (no_memory_for_its_algorithm),
    cmocka_unit_test (as_many_algorithms_as_there_can_be),
    cmocka_unit_test (recompressed_by_the_pools),
    cmocka_unit_test (grouped_where_nothing_is_stronger),
    cmocka_unit_test (shared_with_another_algorithm),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("devices-algorithm", tests, NULL, NULL);
}
