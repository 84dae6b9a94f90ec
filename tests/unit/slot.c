/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/store/slot.h"

#define ROUNDS 200000

static struct rng rng;

static uint64_t
random_offset (unsigned unit)
{
  return rng_next (&rng) % (SLOT_ARENA_MAX / unit) * unit;
}

static slot_t
random_slot (void)
{
  switch (rng_below (&rng, 4)) {
  case 0:
    return slot_same ((uint64_t) ((int64_t) rng_next (&rng) >> 8));
  case 1:
    return slot_stored (random_offset (SLOT_STORED_UNIT),
                        1 + (uint32_t) rng_below (&rng, 65536),
                        (unsigned) rng_below (&rng, 16));
  case 2:
    return slot_group (random_offset (SLOT_STORED_UNIT),
                       1 + (uint32_t) rng_below (&rng, 65536),
                       (unsigned) rng_below (&rng, 16));
  default:
    return slot_huge (random_offset (SLOT_HUGE_UNIT), rng_next (&rng));
  }
}

/* At most one predicate is true of a slot. */
static void
assert_kind (slot_t s, unsigned kind)
{
  assert_int_equal (slot_kind (s), kind);
  assert_int_equal (slot_is_same (s), kind == SLOT_KIND_SAME);
  assert_int_equal (slot_is_stored (s), kind == SLOT_KIND_STORED);
  assert_int_equal (slot_is_huge (s), kind == SLOT_KIND_HUGE);
  assert_int_equal (slot_is_group (s), kind == SLOT_KIND_GROUP);
  assert_int_equal (slot_names_object (s),
                    slot_is_stored (s) || slot_is_huge (s)
                    || slot_is_group (s));
  assert_int_equal (slot_has_object (s) + slot_is_written_back (s),
                    slot_names_object (s));
  assert_true (slot_verify (s) == s);
}

TEST (same_words)
{
  const uint64_t fit[] = {
    0, 1, 255, UINT64_MAX, (uint64_t) -4096, UINT64_C (0x7fffffffffffff),
    UINT64_C (0xff80000000000000), UINT64_C (0x7ffe12345678),
  };
  const uint64_t too_long[] = {
    UINT64_C (0x80000000000000), UINT64_C (0xff7fffffffffffff),
    UINT64_C (0x0101010101010101), INT64_MAX, (uint64_t) INT64_MIN,
  };

  for (unsigned i = 0; i < ARRAY_SIZE (fit); ++i) {
    assert_true (slot_same_fits (fit[i]));
    assert_true (slot_same_word (slot_same (fit[i])) == fit[i]);
    assert_kind (slot_same (fit[i]), SLOT_KIND_SAME);
  }
  for (unsigned i = 0; i < ARRAY_SIZE (too_long); ++i)
    assert_false (slot_same_fits (too_long[i]));
  assert_true (slot_same (0) != SLOT_EMPTY);
}

TEST (stored_fields)
{
  for (int i = 0; i < ROUNDS; ++i) {
    uint64_t offset = random_offset (SLOT_STORED_UNIT);
    uint32_t length = i == 0 ? 1 : i == 1 ? 65536
      : 1 + (uint32_t) rng_below (&rng, 65536);
    unsigned codec = (unsigned) rng_below (&rng, 16);
    slot_t s = slot_stored (offset, length, codec);

    assert_kind (s, SLOT_KIND_STORED);
    assert_true (slot_offset (s) == offset);
    assert_int_equal (slot_length (s), length);
    assert_int_equal (slot_codec (s), codec);
  }
}

TEST (huge_fields)
{
  for (int i = 0; i < ROUNDS; ++i) {
    uint64_t offset = random_offset (SLOT_HUGE_UNIT);
    uint64_t sum = rng_next (&rng);
    slot_t s = slot_huge (offset, sum);

    assert_kind (s, SLOT_KIND_HUGE);
    assert_true (slot_offset (s) == offset);
    assert_true (slot_huge_sum_matches (s, sum));
    assert_false (slot_huge_sum_matches
                  (s, sum ^ UINT64_C (1) << rng_below (&rng, SLOT_SUM_BITS)));
  }
}

TEST (last_offsets)
{
  uint64_t stored = SLOT_ARENA_MAX - SLOT_STORED_UNIT;
  uint64_t huge = SLOT_ARENA_MAX - SLOT_HUGE_UNIT;

  assert_true (slot_offset (slot_stored (stored, 1, 1)) == stored);
  assert_true (slot_offset (slot_huge (huge, 0)) == huge);
}

TEST (moving_changes_the_offset_alone)
{
  for (int i = 0; i < ROUNDS; ++i) {
    slot_t s = random_slot (), moved;
    uint64_t offset = random_offset (SLOT_HUGE_UNIT);

    if (!slot_has_object (s))
      continue;
    moved = slot_moved (s, offset);
    assert_kind (moved, slot_kind (s));
    assert_true (slot_offset (moved) == offset);
    assert_true (slot_moved (moved, slot_offset (s)) == s);
    if (slot_is_stored (s)) {
      assert_int_equal (slot_length (moved), slot_length (s));
      assert_int_equal (slot_codec (moved), slot_codec (s));
    }
  }
}

TEST (written_back_keeps_all_but_the_offset)
{
  for (int i = 0; i < ROUNDS; ++i) {
    slot_t s = random_slot (), out;
    uint64_t offset = random_offset (SLOT_HUGE_UNIT);

    if (!slot_has_object (s))
      continue;
    out = slot_moved_out (s, offset);
    assert_kind (out, slot_kind (s));
    assert_true (slot_is_written_back (out) && slot_offset (out) == offset);
    assert_true (slot_moved (out & ~SLOT_WRITTEN_BACK, slot_offset (s))
                 == s);
    if (slot_is_stored (s))
      assert_int_equal (slot_length (out), slot_length (s));
    if (slot_is_group (s))
      assert_int_equal (slot_place (out), slot_place (s));
  }
}

TEST (one_flipped_bit_is_noticed)
{
  for (int i = 0; i < ROUNDS / 16; ++i) {
    slot_t s = i == 0 ? SLOT_EMPTY : i == 1 ? SLOT_BAD : random_slot ();

    for (unsigned bit = 0; bit < 64; ++bit)
      assert_true (slot_verify (s ^ (slot_t) 1 << bit) == SLOT_BAD);
  }
}

TEST (bad_and_empty_have_no_object)
{
  assert_true (slot_verify (SLOT_EMPTY) == SLOT_EMPTY);
  assert_false (slot_has_object (SLOT_EMPTY));
  assert_kind (SLOT_BAD, SLOT_KIND_BAD);
  assert_true (SLOT_BAD != SLOT_EMPTY);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (same_words),
    cmocka_unit_test (stored_fields),
    cmocka_unit_test (huge_fields),
    cmocka_unit_test (last_offsets),
    cmocka_unit_test (moving_changes_the_offset_alone),
    cmocka_unit_test (written_back_keeps_all_but_the_offset),
    cmocka_unit_test (one_flipped_bit_is_noticed),
    cmocka_unit_test (bad_and_empty_have_no_object),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("slot", tests, NULL, NULL);
}
