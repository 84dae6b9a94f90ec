/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writers at the limits of a pool with several devices, while other threads
 * change the devices and their algorithms.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/maintenance/compact.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/store/devices.h"
#include "tests/lib/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#define WRITERS 16
#define TENANTS 4
#define RACE_PAGES 600
#define QUOTA (512 * KIB)
#define LIMIT (3 * MIB)

static struct rng rng;

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
    cmocka_unit_test (writers_at_the_limits),
    cmocka_unit_test (algorithms_change_under_writers),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("devices-races", tests, NULL, NULL);
}
