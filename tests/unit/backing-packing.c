/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How objects are packed into the blocks of a backing file, and claims of
 * slots on them.
 */

#include <config.h>

#include <errno.h>

#include "tests/lib/backing.h"

#include <cmocka.h>

/* ---- packing ---- */

static void
try_packing (uint32_t min, uint32_t max, uint32_t multiple)
{
  struct store *s = store_open (".", 256 * MIB);
  struct backing *b = &s->backing;
  uint64_t sum = 0, used = b->used;

  for (uint32_t n = 0; n < STORE_SLOTS / 2; ++n) {
    uint32_t length = min + (uint32_t) rng_below (&s->rng, max - min + 1);

    assert_int_equal (store_put (s, n, length), 0);
    sum += align_up (length, BACKING_UNIT);
  }
  assert_int_equal (store_flush (s), 0);
  for (uint32_t n = 0; n < STORE_SLOTS / 2; ++n) {
    const struct store_slot *slot = &s->slots[n];

    assert_true (slot->offset >= BACKING_BLOCK);
    assert_int_equal (slot->offset % BACKING_UNIT, 0);
    if (slot->length <= BACKING_BLOCK / 2)
      assert_int_equal (slot->offset / BACKING_BLOCK,
                        (slot->offset + slot->length - 1) / BACKING_BLOCK);
  }
  store_check (s);
  assert_int_equal (b->live_units, sum / BACKING_UNIT + 128);
  used = (b->used - used) * BACKING_BLOCK;
  print_message ("%u to %u: %.3f\n", min, max, (double) used / (double) sum);
  assert_true (used * 100 <= sum * multiple);
  store_close (s);
}

/* No more than 5 % is lost, if sizes allow it. */
TEST (packing)
{
  try_packing (32, 3844, 105);
  try_packing (200, 1500, 105);
  try_packing (1, 64, 105);
  try_packing (32, 20000, 106);
  try_packing (5000, 9000, 110);
  try_packing (2049, 4096, 200);
}

TEST (large_and_aligned)
{
  static const uint32_t lengths[] = {
    4096, 65536, 65540, 100, 4097, 61441, 8192, 3000, 32, 33, 12345,
  };
  static _Alignas (4096) uint8_t object[OBJECT_MAX];
  struct store *s = store_open (".", 64 * MIB);
  struct backing *b = &s->backing;
  uint32_t used;

  for (unsigned i = 0; i < ARRAY_SIZE (lengths); ++i) {
    object_fill (object, lengths[i], i);
    s->slots[i].length = lengths[i];
    s->slots[i].tag = i;
    assert_int_equal (backing_batch_add (s->fresh, object, lengths[i],
                                         lengths[i] % 4096 == 0), i);
  }
  assert_int_equal (backing_batch_offset (s->fresh, 0), 0);
  assert_int_equal (backing_flush (s->fresh), 0);
  used = b->used;
  for (unsigned i = 0; i < ARRAY_SIZE (lengths); ++i) {
    s->slots[i].offset = backing_batch_offset (s->fresh, i);
    assert_true (lengths[i] % 4096 != 0 || s->slots[i].offset % 4096 == 0);
    backing_claim (b, s->slots[i].offset, lengths[i], 1);
  }
  backing_batch_reset (s->fresh);
  assert_int_equal (b->used, used);
  /* The small objects were put behind the large ones. */
  assert_int_equal (used, 1 + 1 + 16 + 17 + 2 + 16 + 2 + 4);
  store_check (s);
  store_reopen (s);
  assert_int_equal (b->used, used);
  store_check (s);
  store_close (s);
}

/* A batch accepts an object or refuses it: nothing is written beyond its
 * memory.
 */
TEST (batches_of_all_sizes)
{
  static uint8_t object[OBJECT_MAX];
  struct store *s = store_open (".", 64 * MIB);

  for (unsigned round = 0; round < 40; ++round) {
    uint32_t bytes = (uint32_t) rng_below (&s->rng, MIB);
    uint32_t max = 32u << rng_below (&s->rng, 12);
    struct backing_batch *t = backing_batch_new (&s->backing, bytes, false);
    int added, count = 0;

    assert_non_null (t);
    do {
      added = backing_batch_add (t, object,
                                 1 + (uint32_t) rng_below (&s->rng, max),
                                 rng_below (&s->rng, 50) == 0);
      count += added >= 0;
    } while (added >= 0);
    assert_int_equal (errno, EAGAIN);
    assert_true (count > 0);
    assert_int_equal (backing_flush (t), 0);
    for (int i = 0; i < count; ++i)
      assert_true (backing_batch_offset (t, (unsigned) i) != 0);
    backing_batch_free (t);
    assert_int_equal (s->backing.used, 1);
  }
  store_check (s);
  store_close (s);
}

/* ---- claims of slots ---- */

TEST (places_that_cannot_be)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing *b = &s->backing;

  assert_true (backing_contains (b, 4096, 1));
  assert_true (backing_contains (b, 8 * MIB - 4096, 4096));
  assert_true (backing_contains (b, 8 * MIB - 32, 32));
  assert_false (backing_contains (b, 0, 32));
  assert_false (backing_contains (b, 4064, 32));
  assert_false (backing_contains (b, 4097, 32));
  assert_false (backing_contains (b, 4096, 0));
  assert_false (backing_contains (b, 8 * MIB - 32, 33));
  assert_false (backing_contains (b, 8 * MIB, 1));
  assert_false (backing_contains (b, UINT64_MAX - 31, 32));
  assert_false (backing_contains (b, UINT64_MAX - 31, 4096));
  store_close (s);
}

TEST (shared_objects)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing *b = &s->backing;
  uint64_t offset;

  assert_int_equal (store_put (s, 0, 10000), 0);
  assert_int_equal (store_flush (s), 0);
  offset = s->slots[0].offset;
  for (unsigned i = 0; i < 16; ++i)
    backing_claim (b, offset, 10000, BACKING_GROUP);
  store_drop (s, 0);
  assert_int_equal (b->used, 1 + 3);
  assert_int_equal (b->live_units, 128 * 3 + 16 * 4);
  for (unsigned i = 0; i < 16; ++i) {
    assert_int_equal (b->used, 1 + 3);
    backing_release (b, offset, 10000, BACKING_GROUP);
  }
  assert_int_equal (b->used, 1);
  assert_int_equal (b->live_units, 128);
  store_close (s);
}

/* With more slots than can be counted, the block is not free again before the
 * next process counts fewer.
 */
TEST (too_many_share)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing *b = &s->backing;
  uint64_t offset;

  assert_int_equal (store_put (s, 0, 3200), 0);
  assert_int_equal (store_flush (s), 0);
  offset = s->slots[0].offset;
  for (unsigned i = 0; i < 1000; ++i)
    backing_claim (b, offset, 3200, 1);
  assert_int_equal (b->live_units, 128 + 128);
  for (unsigned i = 0; i < 1000; ++i)
    backing_release (b, offset, 3200, 1);
  assert_int_equal (b->used, 2);
  store_check (s);
  store_reopen (s);
  assert_int_equal (b->live_units, 128 + 100);

  /* The same for a block that is released more often than it was claimed. */
  backing_claim (b, offset, 32, 1);
  backing_release (b, offset, 3200, 1);
  backing_release (b, offset, 3200, 1);
  assert_int_equal (b->used, 2);
  assert_int_equal (b->live[offset / BACKING_BLOCK], UINT16_MAX);
  backing_release (b, 4 * MIB, 4096, 1);
  assert_int_equal (b->used, 2);
  assert_null (backing_check (b));
  store_close (s);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (packing),
    cmocka_unit_test (large_and_aligned),
    cmocka_unit_test (batches_of_all_sizes),
    cmocka_unit_test (places_that_cannot_be),
    cmocka_unit_test (shared_objects),
    cmocka_unit_test (too_many_share),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing-packing", tests, NULL, NULL);
}
