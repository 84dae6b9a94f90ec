/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <pthread.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/latency.h"

#define PAGE 4096
#define THREADS 8

TEST (buckets)
{
  assert_int_equal (latency_bucket (0), 0);
  assert_int_equal (latency_bucket ((1 << LATENCY_SHIFT) - 1), 0);
  assert_int_equal (latency_bucket (1 << LATENCY_SHIFT), 1);
  for (unsigned i = 0; i < LATENCY_BUCKETS - 1; ++i) {
    uint64_t bound = (uint64_t) 1 << (i + LATENCY_SHIFT);

    assert_int_equal (latency_bucket (bound - 1), i);
    assert_int_equal (latency_bucket (bound), i + 1);
  }
  assert_int_equal (latency_bucket (UINT64_MAX), LATENCY_BUCKETS - 1);
}

static uint64_t
count_of (const struct latency *l)
{
  uint64_t sum = 0;

  for (unsigned i = 0; i < LATENCY_BUCKETS; ++i)
    sum += l->counts[i];
  return sum;
}

static void *
client (void *arg)
{
  struct device *d = arg;
  uint8_t buf[2 * PAGE];

  memset (buf, 1, sizeof buf);
  for (unsigned i = 0; i < 200; ++i) {
    assert_int_equal (device_write (d, buf, sizeof buf, i * sizeof buf), 0);
    if (i % 2 == 0)
      assert_int_equal (device_read (d, buf, 100, i * sizeof buf), 0);
  }
  return NULL;
}

/* Each request is counted once, with several threads, while another thread
 * reads the sums.
 */
TEST (every_request_counts)
{
  pthread_t threads[THREADS];
  struct unit_pool u;
  struct device *d;
  struct latency l;

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  d = device_open (u.pool, "", 1024 * PAGE);
  assert_non_null (d);
  for (unsigned i = 0; i < THREADS; ++i)
    pthread_create (&threads[i], NULL, client, d);
  for (uint64_t last = 0, n = 0; n < THREADS * 200; last = n) {
    streams_latency (&u.pool->streams, REQUEST_WRITE, &l);
    n = count_of (&l);
    assert_true (n >= last);
  }
  for (unsigned i = 0; i < THREADS; ++i)
    pthread_join (threads[i], NULL);
  streams_latency (&u.pool->streams, REQUEST_WRITE, &l);
  assert_int_equal (count_of (&l), THREADS * 200);
  assert_int_equal (l.bytes, THREADS * 200 * 2 * PAGE);
  assert_true (l.nanoseconds > 0);
  streams_latency (&u.pool->streams, REQUEST_READ, &l);
  assert_int_equal (count_of (&l), THREADS * 100);
  assert_int_equal (l.bytes, THREADS * 100 * 100);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (buckets),
    cmocka_unit_test (every_request_counts),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
