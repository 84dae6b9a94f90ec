/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ages: the seconds that a byte stands for, and how sweeps raise it. */

#include <config.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/store/age.h"

TEST (seconds_and_back)
{
  for (unsigned age = 0; age <= AGE_MAX; ++age) {
    assert_int_equal (age_of_seconds (age_seconds ((uint8_t) age)), age);
    if (age > 0) {
      uint64_t step = age_seconds ((uint8_t) age)
                      - age_seconds ((uint8_t) (age - 1));

      assert_uint_in_range (step, 1, age_seconds ((uint8_t) age) / 16 + 1);
      assert_int_equal (age_of_seconds (age_seconds ((uint8_t) age)
                                        - step + 1), age);
    }
  }
  assert_int_equal (age_seconds (31), 31);
  assert_uint_in_range (age_seconds (AGE_MAX), 5 * 86400, 6 * 86400);
  assert_int_equal (age_of_seconds (UINT64_MAX), AGE_MAX);
}

/* At any interval of sweeps, an age is exact to one of its steps. */
TEST (sweeps_keep_the_time)
{
  struct rng rng = { unit_seed () };

  for (unsigned i = 0; i < unit_scaled (200); ++i) {
    uint64_t start = rng_below (&rng, 1000000), now = start;
    uint64_t longest = 1 + rng_below (&rng, i % 2 ? 3 : 5000);
    uint8_t age = 0, older[AGE_CODES];

    while (now - start < 300000) {
      uint64_t next = now + rng_below (&rng, longest) + (i % 3 == 0), seconds;

      age_steps (now, next, older);
      assert_true (older[age] >= age);
      age = older[age];
      now = next;
      seconds = age_seconds (age);
      assert_uint_in_range (now - start + (now - start) / 8 + 2, seconds,
                            UINT64_MAX);
      assert_uint_in_range (seconds + seconds / 8 + 2, now - start,
                            UINT64_MAX);
      if (longest == 1)
        break;
    }
  }
}

TEST (the_oldest_stay_so)
{
  uint8_t older[AGE_CODES];

  age_steps (0, 100 * 86400, older);
  assert_int_equal (older[0], AGE_MAX);
  assert_int_equal (older[AGE_MAX], AGE_MAX);
  age_steps (77, 77, older);
  for (unsigned age = 0; age <= AGE_MAX; ++age)
    assert_int_equal (older[age], age);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (seconds_and_back),
    cmocka_unit_test (sweeps_keep_the_time),
    cmocka_unit_test (the_oldest_stay_so),
  };

  return cmocka_run_group_tests_name ("age", tests, NULL, NULL);
}
