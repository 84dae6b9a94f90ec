/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The space in a backing file: what is given back, cleaned and lacking. */

#include <config.h>

#include <errno.h>
#include <sys/stat.h>

#include "tests/lib/backing.h"

#include <cmocka.h>

/* ---- space ---- */

/* Put, drop, clean, give back and attach in any order. */
static void
try_anything (const char *parent)
{
  struct store *s = store_open (parent, 64 * MIB);

  for (unsigned round = 0; round < unit_scaled (100); ++round) {
    uint64_t op = rng_below (&s->rng, 8);
    uint32_t from = (uint32_t) rng_below (&s->rng, STORE_SLOTS - 1024);
    uint32_t max = rng_below (&s->rng, 8) == 0 ? OBJECT_MAX : 4096;

    for (uint32_t n = from; n < from + 1024; ++n)
      if (op < 2 && rng_below (&s->rng, 2) == 0)
        store_drop (s, n);
      else if (op < 6 && rng_below (&s->rng, max / 4096) == 0)
        assert_int_equal (store_put (s, n, 1 + (uint32_t)
                                     rng_below (&s->rng, max)), 0);
    assert_int_equal (store_flush (s), 0);
    store_clean (s);
    if (op == 6)
      backing_give_back (&s->backing, 0);
    if (op == 7)
      store_reopen (s);
    if (round % 10 == 9)
      store_check (s);
  }
  store_check (s);
  store_close (s);
}

TEST (anything)
{
  try_anything (".");
  try_anything ("/dev/shm");
}

static uint64_t
file_bytes (struct store *s)
{
  struct backing_stats st;

  backing_get_stats (&s->backing, &st);
  return st.file;
}

TEST (given_back)
{
  struct store *s = store_open (".", TIB);
  struct backing *b = &s->backing;
  uint64_t empty = s->budget.used;
  struct stat st;
  int error;

  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    assert_int_equal (store_put (s, n, 3800), 0);
  assert_int_equal (store_flush (s), 0);
  assert_int_equal (b->used, STORE_SLOTS + 1);
  assert_true (s->budget.used > empty);
  /* An empty disk of so much would be described by 512 MiB. */
  assert_true (s->budget.used < empty + MIB);

  /* It has holes, and space that is soon used again. */
  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    if (n % 64 < 32)
      store_drop (s, n);
  backing_give_back (b, MIB);
  assert_true (file_bytes (s) <= (uint64_t) STORE_SLOTS / 2 * 4096 + 2 * MIB);
  store_check (s);
  store_reopen (s);
  backing_give_back (b, 0);
  assert_true (file_bytes (s) <= (uint64_t) STORE_SLOTS / 2 * 4096 + MIB / 4);
  store_check (s);

  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    store_drop (s, n);
  backing_give_back (b, 0);
  assert_int_equal (s->budget.used, empty);
  assert_int_equal (fstat (b->fd, &st), 0);
  assert_int_equal (st.st_size, BACKING_BLOCK);
  /* Our own cut is not reported as another program's. */
  assert_int_equal (backing_get_state (b, &error), BACKING_OK);
  assert_int_equal (store_put (s, 0, 100), 0);
  assert_int_equal (store_flush (s), 0);
  assert_int_equal (backing_get_state (b, &error), BACKING_OK);
  store_check (s);
  store_close (s);
}

/* Without memory for more blocks, those that the file has are used. */
TEST (at_the_limit_of_memory)
{
  struct store *s = store_open (".", 64 * MIB);
  unsigned written = 0;
  int r;

  s->budget.limit = s->budget.used;
  do {
    r = store_put (s, written % STORE_SLOTS, 3800);
    written++;
  } while (r == 0 && written < STORE_SLOTS);
  assert_int_equal (r, -1);
  assert_int_equal (errno, ENOSPC);
  /* A group that it had, and those that it had kept memory for. */
  assert_true (s->backing.used <= 5 * 2048);
  assert_true (s->backing.used >= 2 * 2048 - 512);
  store_check (s);
  store_close (s);
}

/* With a smaller size than before, objects beyond it can still be read. */
TEST (made_smaller)
{
  struct store *s = store_open (".", 64 * MIB);

  for (uint32_t n = 0; n < 8192; ++n)
    assert_int_equal (store_put (s, n, 3800), 0);
  assert_int_equal (store_flush (s), 0);
  s->options.size = 4 * MIB;
  store_reopen (s);
  store_check (s);
  assert_int_equal (store_put (s, 8192, 3800), 0);
  assert_int_equal (store_flush (s), -1);
  assert_int_equal (errno, ENOSPC);
  for (uint32_t n = 0; n < 8192; ++n)
    store_drop (s, n);
  assert_int_equal (store_put (s, 0, 3800), 0);
  assert_int_equal (store_flush (s), 0);
  assert_true (s->slots[0].offset < 4 * MIB);
  backing_give_back (&s->backing, 0);
  store_check (s);
  store_close (s);
}

/* A full file loses nothing, reports that it is full, and is cleaned. */
TEST (full)
{
  struct store *s = store_open (".", 8 * MIB);
  uint32_t n = 0, in_file = 0;
  int error;

  while (store_put (s, n, object_length (&s->rng)) == 0)
    ++n;
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (backing_get_state (&s->backing, &error), BACKING_FULL);
  assert_int_equal (error, ENOSPC);
  store_check (s);
  for (uint32_t i = 0; i < n; i += 3)
    store_drop (s, i);
  assert_true (backing_needs_cleaning (&s->backing));
  store_clean (s);
  store_check (s);
  /* In this small file, one batch is two percent. */
  assert_true (store_space (s) < 1.2);
  for (uint32_t i = 0; i < 512; ++i)
    assert_int_equal (store_put (s, n + i, 1000), 0);
  assert_int_equal (store_flush (s), 0);
  assert_int_equal (backing_get_state (&s->backing, &error), BACKING_OK);
  store_check (s);
  for (uint32_t i = 0; i < STORE_SLOTS; ++i)
    in_file += s->slots[i].offset != 0;
  assert_true (in_file > n / 2);
  store_close (s);
}

/* ---- cleaning ---- */

enum churn { RANDOM, HOT, NEIGHBOURS };

static uint32_t
choose_slot (struct store *s, enum churn churn, uint32_t i)
{
  static uint32_t first;

  switch (churn) {
  case RANDOM:
    return (uint32_t) rng_below (&s->rng, STORE_SLOTS);
  case HOT:
    return (uint32_t) (rng_below (&s->rng, 5) > 0
                       ? rng_below (&s->rng, STORE_SLOTS / 5) * 5
                       : rng_below (&s->rng, STORE_SLOTS));
  default:
    if (i % 64 == 0)
      first = (uint32_t) rng_below (&s->rng, STORE_SLOTS / 64) * 64;
    return first + i % 64;
  }
}

static void
try_churn (enum churn churn, double space, double writes)
{
  static const char *const names[] = { "random", "hot", "neighbours" };
  struct store *s = store_open (".", 64 * MIB);
  double worst = 0;

  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
  assert_int_equal (store_flush (s), 0);
  for (unsigned round = 0; round < unit_scaled (200); ++round) {
    for (uint32_t i = 0; i < 512; ++i) {
      uint32_t n = choose_slot (s, churn, i);

      if (s->slots[n].offset != 0)
        assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
    }
    assert_int_equal (store_flush (s), 0);
    store_clean (s);
    worst = MAX (worst, store_space (s));
  }
  print_message ("%s: space %.3f, writes %.2f\n", names[churn], worst,
                 store_writes (s));
  assert_true (worst <= space);
  assert_true (store_writes (s) <= writes);
  store_check (s);
  store_close (s);
}

/* Ratios of used to live bytes, and of written to new ones, as in
 * lib/backing/clean.c.
 */
TEST (churn)
{
  try_churn (RANDOM, 1.18, 2.0);
  try_churn (HOT, 1.18, 2.2);
  try_churn (NEIGHBOURS, 1.18, 1.2);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (anything),
    cmocka_unit_test (given_back),
    cmocka_unit_test (at_the_limit_of_memory),
    cmocka_unit_test (made_smaller),
    cmocka_unit_test (full),
    cmocka_unit_test (churn),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing-space", tests, NULL, NULL);
}
