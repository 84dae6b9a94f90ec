/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <pthread.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/budget.h"

#define THREADS 4

TEST (no_limit)
{
  struct budget b = { .limit = 0 };

  assert_int_equal (budget_take (&b, UINT64_C (1) << 62), 0);
  budget_give (&b, UINT64_C (1) << 62);
  assert_true (b.used == 0);
  assert_true (b.used_max == UINT64_C (1) << 62);
}

TEST (up_to_the_limit)
{
  struct budget b = { .limit = 100 };

  assert_int_equal (budget_take (&b, 60), 0);
  errno = 0;
  assert_int_equal (budget_take (&b, 41), -1);
  assert_int_equal (errno, ENOSPC);
  assert_true (b.used == 60 && b.used_max == 60);
  assert_int_equal (budget_take (&b, 40), 0);
  assert_int_equal (budget_take (&b, 1), -1);
  /* A sum that overflows must not pass the check. */
  assert_int_equal (budget_take (&b, UINT64_MAX), -1);
  assert_int_equal (budget_take (&b, UINT64_MAX - 99), -1);
  assert_true (b.used == 100 && b.used_max == 100);
}

TEST (force_goes_beyond)
{
  struct budget b = { .limit = 100 };

  budget_force (&b, 150);
  assert_true (b.used == 150 && b.used_max == 150);
  assert_int_equal (budget_take (&b, 1), -1);
  assert_int_equal (budget_take (&b, 0), 0);
  budget_give (&b, 51);
  assert_int_equal (budget_take (&b, 1), 0);
  assert_true (b.used == 100 && b.used_max == 150);
}

/* ---- threads ---- */

#define LIMIT 1000

static struct budget shared = { .limit = LIMIT };
static _Atomic unsigned exceeded;

static void *
take_and_give (void *arg)
{
  struct rng rng = { *(uint64_t *) arg };

  for (unsigned i = unit_scaled (100000); i > 0; --i) {
    uint64_t bytes = 1 + rng_below (&rng, LIMIT / 2);

    if (budget_take (&shared, bytes) == -1)
      continue;
    if (shared.used > LIMIT)
      exceeded++;
    budget_give (&shared, bytes);
  }
  return NULL;
}

TEST (threads_never_exceed_it)
{
  pthread_t threads[THREADS];
  uint64_t seeds[THREADS];

  for (unsigned t = 0; t < THREADS; ++t) {
    seeds[t] = unit_seed () + t;
    assert_int_equal (pthread_create (&threads[t], NULL, take_and_give,
                                      &seeds[t]), 0);
  }
  for (unsigned t = 0; t < THREADS; ++t)
    pthread_join (threads[t], NULL);
  assert_int_equal (exceeded, 0);
  assert_true (shared.used == 0);
  assert_true (shared.used_max <= LIMIT);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (no_limit),
    cmocka_unit_test (up_to_the_limit),
    cmocka_unit_test (force_goes_beyond),
    cmocka_unit_test (threads_never_exceed_it),
  };

  return cmocka_run_group_tests_name ("budget", tests, NULL, NULL);
}
