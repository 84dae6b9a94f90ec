/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <pthread.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/bits.h"

#define BITS 1000
#define WORDS 16
#define THREADS 4

static struct rng rng;

static uint64_t
find_slowly (const bool *oracle, uint64_t from, uint64_t end, bool value)
{
  while (from < end && oracle[from] != value)
    from++;
  return from < end ? from : end;
}

TEST (as_an_array_of_bool)
{
  bits_word map[WORDS] = { 0 };
  bool oracle[BITS] = { false };

  for (int i = 0; i < 20000; ++i) {
    uint64_t n = rng_below (&rng, BITS), end = rng_below (&rng, BITS + 1);
    /* Make runs of equal bits, so that the search skips whole words. */
    bool value = i / 500 % 2;

    assert_int_equal (bit_test (map, n), oracle[n]);
    assert_int_equal (value ? bit_set (map, n) : bit_clear (map, n),
                      oracle[n]);
    oracle[n] = value;
    assert_int_equal (bits_find_set (map, n, end),
                      find_slowly (oracle, n, end, true));
    assert_int_equal (bits_find_clear (map, n, end),
                      find_slowly (oracle, n, end, false));
  }
}

TEST (nothing_found_is_the_end)
{
  bits_word map[WORDS] = { 0 };

  assert_int_equal (bits_find_set (map, 0, BITS), BITS);
  assert_int_equal (bits_find_set (map, BITS, BITS), BITS);
  assert_int_equal (bits_find_clear (map, 64, 64), 64);
  bit_set (map, 640);
  assert_int_equal (bits_find_set (map, 0, 640), 640);
  assert_int_equal (bits_find_set (map, 0, 641), 640);
}

static bits_word shared[WORDS];

static void *
set_every_fourth (void *arg)
{
  for (uint64_t n = *(unsigned *) arg; n < BITS; n += THREADS)
    if (bit_set (shared, n))
      return arg;
  return NULL;
}

TEST (threads_lose_no_bit)
{
  pthread_t threads[THREADS];
  unsigned numbers[THREADS];

  for (unsigned t = 0; t < THREADS; ++t) {
    numbers[t] = t;
    assert_int_equal (pthread_create (&threads[t], NULL, set_every_fourth,
                                      &numbers[t]), 0);
  }
  for (unsigned t = 0; t < THREADS; ++t) {
    void *r;

    pthread_join (threads[t], &r);
    assert_null (r);
  }
  assert_int_equal (bits_find_clear (shared, 0, BITS), BITS);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (as_an_array_of_bool),
    cmocka_unit_test (nothing_found_is_the_end),
    cmocka_unit_test (threads_lose_no_bit),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("bits", tests, NULL, NULL);
}
