/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dictionaries that change while threads write and read pages. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/store/encode.h"
#include "tests/lib/dictionary-pool.h"

#ifndef HAVE_ZSTD

int
main (void)
{
  printf ("SKIP: zstd is not built in\n");
  return SKIPPED;
}

#else

static struct rng rng;

/* Few different pages, so that with dedup the last page of a dictionary is
 * often freed while another thread writes the same content.
 */
#define TAGS 40

static _Atomic bool done;

static void *
write_and_read (void *arg)
{
  uint64_t first = *(uint64_t *) arg, tags[PAGES] = { 0 };
  struct rng r = { first };
  bool written[PAGES] = { false };

  while (!done) {
    uint64_t i = rng_below (&r, PAGES);

    if (rng_below (&r, 2) == 0) {
      put (first + i, tags[i] = rng_below (&r, TAGS));
      written[i] = true;
    }
    else if (written[i])
      compare (first + i, tags[i]);
  }
  for (uint64_t i = 0; i < PAGES; ++i)
    if (written[i])
      compare (first + i, tags[i]);
  return NULL;
}

static void
change_under_load (void)
{
  pthread_t threads[4];
  uint64_t firsts[4];
  unsigned changed = 0;

  done = false;
  for (unsigned t = 0; t < 4; ++t) {
    firsts[t] = t * PAGES;
    assert_int_equal (pthread_create (&threads[t], NULL, write_and_read,
                                      &firsts[t]), 0);
  }
  for (unsigned n = 0; n < unit_scaled (200); ++n) {
    if (use_dictionary (rng_below (&rng, 12)) == 0)
      changed++;
    else
      assert_int_equal (errno, EMLINK);
    dictionaries_drop_unused (&u.pool->dictionaries);
  }
  done = true;
  for (unsigned t = 0; t < 4; ++t)
    pthread_join (threads[t], NULL);
  assert_true (changed > unit_scaled (200) / 4);
  assert_pool_ok (u.pool);
}

TEST (changes_under_load)
{
  change_under_load ();
}

TEST (changes_while_pages_are_shared)
{
  u.options.dedup = DEDUP_POOL;
  u.options.dedup_limit = MIB;
  reopen ();
  change_under_load ();
}

/* The only page of a dictionary is freed just after a writer has found the
 * same content in it, and before the writer's slot is counted.
 */
TEST (a_page_about_to_share)
{
  struct dictionaries *d;
  uint8_t page[PAGE], found[PAGE];
  struct stream *stream;
  slot_t slot;

  u.options.dedup = DEDUP_POOL;
  u.options.dedup_limit = MIB;
  reopen ();
  d = &u.pool->dictionaries;
  assert_int_equal (use_dictionary (0), 0);
  put (0, 3);
  assert_int_equal (use_dictionary (1), 0);
  assert_int_equal (dictionaries_alive (d), 2);

  page_of (3, page);
  stream = stream_get (&u.pool->streams);
  slot = encode_shared (device, stream, page, SIZE_CLASSES_MAX);
  assert_int_equal (slot_codec (slot), CODEC_DICTIONARY + 0);
  assert_int_equal (device_zero (device, PAGE, 0), 0);
  assert_true (slots_of (0) == 0);
  assert_int_equal (dictionaries_drop_unused (d), 0);
  assert_int_equal (decode_slot (device, stream, slot, found), 0);
  assert_memory_equal (found, page, PAGE);
  release_slot (device, slot);
  stream_put (&u.pool->streams, stream);

  assert_int_equal (dictionaries_drop_unused (d), 1);
  stream = stream_get (&u.pool->streams);
  assert_false (stream_pin (&u.pool->streams, stream, CODEC_DICTIONARY + 0));
  assert_true (stream_pin (&u.pool->streams, stream, CODEC_DICTIONARY + 1));
  stream_put (&u.pool->streams, stream);
  assert_int_equal (d->generations[0].holders, 0);
  assert_int_equal (d->generations[1].holders, 1);
  assert_pool_ok (u.pool);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_POOL (changes_under_load),
    WITH_POOL (changes_while_pages_are_shared),
    WITH_POOL (a_page_about_to_share),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dictionary-threads", tests, NULL, NULL);
}

#endif /* HAVE_ZSTD */
