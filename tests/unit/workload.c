/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the workloads of bench/remote are made of. */

#include <config.h>

#include <math.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "bench/remote/page-in.h"
#include "bench/remote/zipf.h"
#include "tests/lib/content.h"
#include "tests/lib/prng.h"

/* A time is told again, never shorter, and at most 3 % longer. */
TEST (times_are_kept)
{
  for (uint64_t ns = 1; ns < UINT64_C (1000000000000); ns += ns / 50 + 1) {
    struct page_ins p = { 0 };
    double us = (double) ns / 1000;

    page_in_count (&p, ns, 1);
    assert_true (page_in_quantile (&p, .5) >= us * .999999);
    assert_true (page_in_quantile (&p, .5) <= us * 1.032);
  }
}

TEST (quantiles)
{
  struct page_ins p = { 0 };

  assert_true (page_in_quantile (&p, .99) == 0);
  page_in_count (&p, 10000, 980);
  page_in_count (&p, 100000, 19);
  page_in_count (&p, UINT64_MAX, 1);
  assert_int_equal (p.count, 1000);
  assert_int_equal ((int) page_in_quantile (&p, .5), 10);
  assert_int_equal ((int) page_in_quantile (&p, .98), 10);
  assert_true (page_in_quantile (&p, .981) >= 100);
  assert_true (page_in_quantile (&p, .999) < 104);
  assert_true (page_in_quantile (&p, 1) > 1e9);
}

#define NUMBERS 1000

/* The k-th most popular of NUMBERS, by 1 / k^EXPONENT. */
static double
expected (unsigned k, double exponent)
{
  double sum = 0;

  for (unsigned i = 1; i <= NUMBERS; ++i)
    sum += pow (i, -exponent);
  return pow (k, -exponent) / sum;
}

/* The popular come as often as by the law, within five deviations. */
TEST (zipf_is_by_the_law)
{
  const double exponents[] = { .5, .99, 1.5 };
  unsigned touches = unit_scaled (1000000);

  for (unsigned e = 0; e < 3; ++e) {
    uint64_t prng = unit_seed ();
    struct zipf z = zipf_new (NUMBERS, exponents[e], prng);
    unsigned counts[NUMBERS] = { 0 };

    for (unsigned i = 0; i < touches; ++i)
      counts[zipf_next (&z, &prng)]++;
    for (unsigned k = 1; k <= 100; k = k * 3 + 1) {
      double mean = touches * expected (k, exponents[e]);

      assert_true (fabs (counts[z.order[k - 1]] - mean) <= 5 * sqrt (mean));
    }
    zipf_free (&z);
  }
}

TEST (zipf_of_one)
{
  uint64_t prng = 1;
  struct zipf z = zipf_new (1, .99, 1);

  for (unsigned i = 0; i < 100; ++i)
    assert_int_equal (zipf_next (&z, &prng), 0);
  zipf_free (&z);
}

/* Every bit that is turned is found, and where. */
TEST (content_is_verified)
{
  uint64_t page[512];

  for (uint64_t number = 0; number < 200; ++number) {
    uint64_t at = number * 7 % 512;

    content_write (content (number), page, 512);
    assert_int_equal (content_differs (content (number), page, 512), 512);
    page[at] ^= UINT64_C (1) << number % 64;
    assert_int_equal (content_differs (content (number), page, 512), at);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (times_are_kept),
    cmocka_unit_test (quantiles),
    cmocka_unit_test (zipf_is_by_the_law),
    cmocka_unit_test (zipf_of_one),
    cmocka_unit_test (content_is_verified),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
