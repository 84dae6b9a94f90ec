/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks of a backing file that differ from what was written. */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/backing/internal.h"
#include "lib/base/os.h"
#include "tests/lib/backing.h"

#include <cmocka.h>

#define STALE_SLOTS 400
#define STALE_BYTES (4 * MIB)

static void
put_all (struct store *s)
{
  for (uint32_t n = 0; n < STALE_SLOTS; ++n)
    assert_int_equal (store_put (s, n, n % 50 == 0 ? 30000
                                       : object_length (&s->rng)), 0);
  assert_int_equal (store_flush (s), 0);
}

/* Count the slots that can't be read; all others must be right. */
static unsigned
count_stale (struct store *s)
{
  unsigned stale = 0;

  for (uint32_t n = 0; n < STALE_SLOTS; ++n)
    if (!store_slot_ok (s, n)) {
      assert_int_equal (errno, EUCLEAN);
      stale++;
    }
  return stale;
}

static struct store *
open_stale (uint8_t *snapshot)
{
  struct store *s = store_open (".", STALE_BYTES);

  assert_int_equal (truncate (s->path, STALE_BYTES), 0);
  put_all (s);
  store_check (s);
  store_blocks (s, 0, snapshot, STALE_BYTES, false);
  return s;
}

/* The file is an older one, whole or in some blocks. */
TEST (older_blocks)
{
  static uint8_t older[STALE_BYTES], newer[STALE_BYTES];
  struct store *s = open_stale (older);
  unsigned stale, again;

  for (unsigned round = 0; round < 5; ++round) {
    put_all (s);
    store_check (s);
    store_blocks (s, 0, newer, sizeof newer, false);
    store_blocks (s, 1, older + BACKING_BLOCK, sizeof older - BACKING_BLOCK,
                  true);
    stale = count_stale (s);
    assert_true (stale > STALE_SLOTS * 3 / 4);
    store_reopen (s);
    assert_int_equal (count_stale (s), stale);
    for (uint32_t i = 1; i < STALE_BYTES / BACKING_BLOCK; ++i)
      if (rng_below (&s->rng, 2))
        store_blocks (s, i, newer + (size_t) i * BACKING_BLOCK, BACKING_BLOCK,
                      true);
    again = count_stale (s);
    assert_true (again > 0 && again < stale);
    store_blocks (s, 0, newer, sizeof newer, true);
    store_check (s);
    memcpy (older, newer, sizeof older);
  }
  store_close (s);
}

/* Two blocks were exchanged, or one was lost. */
TEST (misplaced_blocks)
{
  static uint8_t good[STALE_BYTES];
  struct store *s = open_stale (good);

  for (unsigned round = 0; round < 40; ++round) {
    uint32_t used = s->backing.used;
    uint32_t a = 1 + (uint32_t) rng_below (&s->rng, used - 1);
    uint32_t b = 1 + (uint32_t) rng_below (&s->rng, used - 1);
    static uint8_t zeroes[BACKING_BLOCK];

    store_blocks (s, a, round % 2 ? good + (size_t) b * BACKING_BLOCK
                                  : zeroes, BACKING_BLOCK, true);
    if (round % 2)
      store_blocks (s, b, good + (size_t) a * BACKING_BLOCK, BACKING_BLOCK,
                    true);
    assert_int_equal (count_stale (s) > 0, round % 2 == 0 || a != b);
    store_blocks (s, 0, good, sizeof good, true);
  }
  store_check (s);
  store_close (s);
}

/* After an upgrade, blocks without checksums are valid until they are written
 * again.
 */
TEST (unknown_blocks)
{
  static uint8_t older[STALE_BYTES];
  struct store *s = open_stale (older);

  assert_int_equal (ftruncate (s->sums.fd, 0), 0);
  assert_int_equal (ftruncate (s->sums.fd, BACKING_SUMS_SIZE), 0);
  store_reopen (s);
  store_check (s);
  put_all (s);
  store_blocks (s, 1, older + BACKING_BLOCK, sizeof older - BACKING_BLOCK,
                true);
  assert_true (count_stale (s) > STALE_SLOTS * 3 / 4);
  store_close (s);
}

/* Without memory for checksums, nothing is written, and attaching fails.  A
 * file that ends too early has no memory for them.
 */
TEST (no_room_for_sums)
{
  const uint64_t offset = (uint64_t) GROUP_BLOCKS * BACKING_BLOCK;
  struct store *s = store_open (".", 256 * MIB);
  struct backing *b = &s->backing;

  assert_int_equal (ftruncate (s->sums.fd, OS_PAGE_SIZE * 2), 0);
  assert_int_equal (space_raise (b, 2 * GROUP_BLOCKS, false), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (b->high_water, GROUP_BLOCKS);
  assert_null (backing_check (b));
  space_raise_to (b, offset / BACKING_BLOCK + 1);
  assert_int_equal (b->high_water, GROUP_BLOCKS);
  assert_int_equal (backing_attach_done (b), -1);
  assert_int_equal (errno, ENOSPC);
  store_close (s);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (older_blocks),
    cmocka_unit_test (misplaced_blocks),
    cmocka_unit_test (unknown_blocks),
    cmocka_unit_test (no_room_for_sums),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing-stale", tests, NULL, NULL);
}
