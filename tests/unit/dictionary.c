/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dictionaries, and pages that were compressed with them. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_ZSTD
#include <zdict.h>
#endif

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/maintenance/compact.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/stats.h"
#include "tests/lib/dictionary-pool.h"

#ifndef HAVE_ZSTD

int
main (void)
{
  printf ("SKIP: zstd is not built in\n");
  return SKIPPED;
}

#else

static const struct job always;

static void
trim_all (unsigned g)
{
  assert_int_equal (device_zero (device, PAGES * PAGE, g * PAGES * PAGE), 0);
}

static uint64_t
bytes_stored (void)
{
  struct stats st;

  pool_get_stats (u.pool, &st);
  return st.compr_data_size;
}

/* Give the pool's algorithm a dictionary, as dict=FILE does; the caller frees
 * it.
 */
static struct dictionary_content *
as_option (uint64_t tag)
{
  struct dictionary_content *c = malloc (sizeof *c + LENGTH);

  assert_non_null (c);
  c->length = LENGTH;
  memcpy (c->bytes, content_of (tag), LENGTH);
  u.options.algorithm.dictionary = c;
  return c;
}

/* ---- generations ---- */

TEST (pages_shrink)
{
  uint64_t with, without;

  put_all (0);
  without = bytes_stored ();
  assert_int_equal (use_dictionary (7), 0);
  put_all (0);
  with = bytes_stored ();
  assert_true (with < without);
  assert_true (slots_of (0) == PAGES);
  compare_all (0);
  assert_pool_ok (u.pool);
}

TEST (eight_at_once)
{
  for (unsigned g = 0; g < POOL_DICTIONARIES; ++g) {
    assert_int_equal (use_dictionary (g), 0);
    put_all (g);
    assert_true (slots_of (g) == PAGES);
    assert_pool_ok (u.pool);
  }
  errno = 0;
  assert_int_equal (use_dictionary (100), -1);
  assert_int_equal (errno, EMLINK);
  assert_pool_ok (u.pool);
  /* New pages still use the last generation. */
  put (0, 0);
  assert_true (slots_of (0) == PAGES - 1);
  assert_true (slots_of (7) == PAGES + 1);
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned g = 0; g < POOL_DICTIONARIES; ++g)
      compare_all (g);
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 8);
    reopen ();
    assert_true (slots_of (0) == PAGES - 1);
    assert_pool_ok (u.pool);
  }
}

TEST (the_last_page_drops_it)
{
  struct dictionaries *d = &u.pool->dictionaries;
  uint64_t used;

  for (unsigned g = 0; g < 3; ++g) {
    assert_int_equal (use_dictionary (g), 0);
    put_all (g);
  }
  assert_int_equal (dictionaries_drop_unused (d), 0);
  trim_all (1);
  used = u.pool->budget.used;
  assert_int_equal (dictionaries_drop_unused (d), 1);
  assert_true (used - u.pool->budget.used >= LENGTH);
  assert_int_equal (dictionaries_drop_unused (d), 0);
  /* The pool's method holds its generation, though no page needs it. */
  trim_all (2);
  assert_int_equal (dictionaries_drop_unused (d), 0);
  assert_pool_ok (u.pool);
  assert_int_equal (use_dictionary (9), 0);
  assert_int_equal (dictionaries_alive (d), 2);
  compare_all (0);
  assert_pool_ok (u.pool);

  /* Compaction drops unused generations, too. */
  put_all (1);
  assert_int_equal (use_dictionary (10), 0);
  trim_all (1);
  assert_int_equal (dictionaries_alive (d), 3);
  pool_compact (u.pool, &always);
  assert_int_equal (dictionaries_alive (d), 2);
  assert_pool_ok (u.pool);

  /* After attaching, no method holds a generation that no page needs. */
  reopen ();
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  compare_all (0);
  assert_pool_ok (u.pool);
}

TEST (the_same_is_found)
{
  struct dictionary_content *c = as_option (5);

  for (unsigned round = 0; round < 12; ++round) {
    reopen ();
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
    put_all (round % 3);
    for (unsigned g = 0; g < 3 && g <= round; ++g)
      compare_all (g);
    assert_pool_ok (u.pool);
  }
  assert_true (slots_of (0) == 3 * PAGES);
  assert_int_equal (use_dictionary (5), 0);
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  assert_int_equal (u.pool->dictionaries.generations[0].holders, 1);
  free (c);
}

TEST (auto_goes_on_with_the_most_used)
{
  put_all (0);
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 0);
  assert_int_equal (use_dictionary (1), 0);
  put_all (1);
  assert_int_equal (use_dictionary (2), 0);
  put_all (2);
  put_all (3);
  reopen ();
  put_all (4);
  assert_true (slots_of (0) == PAGES && slots_of (1) == 3 * PAGES);
  for (unsigned g = 0; g < 5; ++g)
    compare_all (g);
  assert_pool_ok (u.pool);
}

TEST (every_level)
{
  static const int levels[] = { -100, -1, 1, 2, 3, 5, 7, 9, 12, 15, 19, 22 };

  for (unsigned i = 0; i < ARRAY_SIZE (levels); ++i) {
    struct dictionary_content *c = as_option (i);

    u.options.algorithm.level = levels[i];
    reopen ();
    put_all (i % 4);
    for (unsigned g = 0; g < 4 && g <= i; ++g)
      compare_all (g);
    assert_pool_ok (u.pool);
    free (c);
  }
}

/* Train a dictionary in zstd's own format, from pages like those here. */
static size_t
formatted_content (uint8_t *content, size_t room)
{
  static uint8_t samples[500 * PAGE];
  static size_t sizes[500];
  size_t length;

  for (size_t i = 0; i < 500; ++i) {
    page_of (1000 + i, samples + i * PAGE);
    sizes[i] = PAGE;
  }
  length = ZDICT_trainFromBuffer (content, room, samples, sizes, 500);
  assert_false (ZDICT_isError (length));
  return length;
}

TEST (formatted_ones)
{
  static uint8_t content[32768];
  size_t length = formatted_content (content, sizeof content);

  assert_int_equal (use_dictionary (0), 0);
  put_all (0);
  assert_int_equal (pool_use_dictionary (u.pool, content, length), 0);
  put_all (1);
  put_all (2);
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned g = 0; g < 3; ++g)
      compare_all (g);
    assert_true (slots_of (1) == 2 * PAGES);
    assert_pool_ok (u.pool);
    reopen ();
  }
  /* This one ends in the middle of its tables. */
  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, content, 20), -1);
  assert_int_equal (errno, EINVAL);
  compare_all (0);
  assert_pool_ok (u.pool);
}

/* ---- recompression ---- */

/* Pages are written with lz4.  Recompression uses zstd with a dictionary,
 * which the pages then need.
 */
TEST (recompression_has_its_own)
{
  struct recompress_request req = { .which = select_type (PAGES_ALL) };
  struct recompress_result with, without;
  uint64_t bytes;

  u.options.algorithm = unit_algorithm ("lz4");
  u.options.recompress[0] = unit_algorithm ("zstd:level=9:dict=auto");
  u.options.recompress_count = 1;
  reopen ();
  put_all (0);
  put_all (1);
  assert_int_equal (pool_recompress (u.pool, &req, &always, &without), 0);
  bytes = bytes_stored ();
  assert_true (slots_of (0) == 0);
  put_all (0);
  put_all (1);
  assert_int_equal (use_dictionary (4), 0);
  assert_true (slots_of (0) == 0);
  assert_int_equal (pool_recompress (u.pool, &req, &always, &with), 0);
  assert_true (slots_of (0) == with.recompressed && slots_of (0) > PAGES);
  assert_true (bytes_stored () < bytes && with.saved >= without.saved);
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);

  /* Groups use no dictionary.  It is dropped after its last page. */
  assert_int_equal (pool_group (u.pool, &req, &always, &with), 0);
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
  reopen ();
  compare_all (1);
  trim_all (0);
  trim_all (1);
  reopen ();
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 0);
  assert_pool_ok (u.pool);
}

TEST (a_change_that_fails)
{
  u.options.algorithm = unit_algorithm ("lz4");
  u.options.recompress[0] = unit_algorithm ("zstd:level=9:dict=auto");
  u.options.recompress_count = 1;
  reopen ();
  assert_int_equal (use_dictionary (4), 0);
  for (uint64_t room = 0; room < 600000; room += 20000) {
    u.pool->budget.limit = u.pool->budget.used + room;
    errno = 0;
    if (use_dictionary (5) == 0)
      break;
    assert_int_equal (errno, ENOSPC);
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
    assert_pool_ok (u.pool);
  }
  u.pool->budget.limit = 0;
  assert_pool_ok (u.pool);
}

/* ---- memory ---- */

TEST (no_memory_changes_nothing)
{
  assert_int_equal (use_dictionary (0), 0);
  put_all (0);
  for (uint64_t room = 0; room < 400000; room += 9000) {
    u.pool->budget.limit = u.pool->budget.used + room;
    errno = 0;
    if (use_dictionary (1) == 0)
      break;
    assert_int_equal (errno, ENOSPC);
    dictionaries_drop_unused (&u.pool->dictionaries);
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
    assert_pool_ok (u.pool);
    put (1, 1);
    assert_true (slots_of (0) == PAGES);
  }
  u.pool->budget.limit = 0;
  assert_int_equal (use_dictionary (2), 0);
  put_all (1);
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
}

/* At the smallest limit that is allowed, a full pool can be opened again:
 * the limit has room for the dictionary of the algorithm.
 */
TEST (a_full_pool_starts)
{
  struct dictionary_content *c = as_option (3);
  uint8_t page[PAGE];
  uint64_t least;

  unit_close (&u);
  least = pool_mem_limit_min (&u.options);
  assert_true (least > LENGTH);
  assert_int_equal (unit_open (&u, "zstd", PAGE, true, 0), 0);
  u.options.algorithm.dictionary = c;
  u.options.mem_limit = least;
  reopen ();
  for (uint64_t i = 0; i < POOL_DICTIONARIES * PAGES; ++i) {
    data_fill (page, PAGE, DATA_RANDOM, i);
    if (device_write (device, page, PAGE, i * PAGE) == -1)
      break;
  }
  assert_int_equal (device_write (device, page, PAGE, 500 * PAGE), -1);
  for (unsigned round = 0; round < 3; ++round) {
    reopen ();
    data_fill (page, PAGE, DATA_RANDOM, 0);
    assert_true (u.pool->budget.limit == least);
    assert_pool_ok (u.pool);
  }
  free (c);
}

TEST (what_is_no_dictionary)
{
  static const uint8_t damaged[1000] = { 0x37, 0xa4, 0x30, 0xec, 1 };
  static uint8_t large[POOL_DICTIONARY_MAX + 1];

  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, damaged, 0), -1);
  assert_int_equal (errno, EINVAL);
  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, large, sizeof large), -1);
  assert_int_equal (errno, EINVAL);
  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, damaged, sizeof damaged), -1);
  assert_int_equal (errno, EINVAL);
  assert_pool_ok (u.pool);

  /* Any other content is valid, from one byte to the largest size. */
  assert_int_equal (pool_use_dictionary (u.pool, damaged, 1), 0);
  put_all (0);
  assert_int_equal (pool_use_dictionary (u.pool, large, sizeof large - 1), 0);
  put_all (1);
  reopen ();
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_POOL (pages_shrink),
    WITH_POOL (eight_at_once),
    WITH_POOL (the_last_page_drops_it),
    WITH_POOL (the_same_is_found),
    WITH_POOL (auto_goes_on_with_the_most_used),
    WITH_POOL (every_level),
    WITH_POOL (formatted_ones),
    WITH_POOL (recompression_has_its_own),
    WITH_POOL (a_change_that_fails),
    WITH_POOL (no_memory_changes_nothing),
    WITH_POOL (a_full_pool_starts),
    WITH_POOL (what_is_no_dictionary),
  };

  return cmocka_run_group_tests_name ("dictionary", tests, NULL, NULL);
}

#endif /* HAVE_ZSTD */
