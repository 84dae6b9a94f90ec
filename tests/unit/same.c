/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/store/same.h"

#define PAGE 4096

static struct rng rng;

TEST (finds_the_word)
{
  /* Without alignment. */
  uint8_t buf[PAGE + 8];
  uint64_t word = rng_next (&rng), found;

  for (unsigned shift = 0; shift < 8; ++shift) {
    for (unsigned i = 0; i < PAGE; i += 8)
      memcpy (buf + shift + i, &word, 8);
    assert_true (same_filled (buf + shift, PAGE, &found));
    assert_true (found == word);
  }
}

TEST (one_byte_differs)
{
  uint8_t page[PAGE];
  uint64_t found;

  memset (page, 0, PAGE);
  for (unsigned i = 0; i < PAGE; ++i) {
    page[i] ^= 0x40;
    assert_false (same_filled (page, PAGE, &found));
    page[i] ^= 0x40;
  }
  assert_true (same_filled (page, PAGE, &found));
  assert_true (found == 0);
}

TEST (longer_periods_are_not_same)
{
  uint8_t page[PAGE];
  uint64_t found;

  for (unsigned i = 0; i < PAGE; ++i)
    page[i] = (uint8_t) (i % 16);
  assert_false (same_filled (page, PAGE, &found));
}

TEST (fills_any_part)
{
  uint8_t whole[PAGE], part[PAGE + 2];

  for (unsigned i = 0; i < 5000; ++i) {
    uint64_t word = i % 8 == 0 ? 0 : rng_next (&rng);
    size_t offset = rng_below (&rng, PAGE);
    size_t size = rng_below (&rng, PAGE - offset + 1);

    same_fill (whole, word, 0, PAGE);
    memset (part, 0xa5, sizeof part);
    same_fill (part + 1, word, offset, size);
    assert_memory_equal (part + 1, whole + offset, size);
    assert_int_equal (part[0], 0xa5);
    assert_int_equal (part[1 + size], 0xa5);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (finds_the_word),
    cmocka_unit_test (one_byte_differs),
    cmocka_unit_test (longer_periods_are_not_same),
    cmocka_unit_test (fills_any_part),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("same", tests, NULL, NULL);
}
