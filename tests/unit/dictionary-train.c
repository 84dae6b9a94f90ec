/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/codec/dictionary-train.h"

#define PAGE 4096
#define PAGES 400
#define SIZE 16384

static struct rng rng;
static uint8_t samples[PAGES * PAGE];
static struct budget budget;

static bool
always (void *opaque)
{
  ++*(unsigned *) opaque;
  return true;
}

static bool
until (void *opaque)
{
  return --*(unsigned *) opaque > 0;
}

static ssize_t
train (size_t count, size_t page_size, size_t size, uint8_t *out)
{
  unsigned calls = 0;
  ssize_t r = dictionary_train (samples, count, page_size, size, out, &budget,
                                always, &calls);

  assert_true (budget.used == 0);
  assert_true (count * page_size < MIB || calls > 4);
  assert_true (r <= (ssize_t) size);
  return r;
}

static void
fill_samples (enum data_kind kind)
{
  for (size_t i = 0; i < PAGES; ++i)
    data_fill (samples + i * PAGE, PAGE, kind, rng_next (&rng));
}

/* Make a page of which half consists of parts that many pages share. */
static void
related_page (uint8_t page[PAGE])
{
  data_fill (page, PAGE, DATA_RANDOM, rng_next (&rng));
  for (unsigned n = 0; n < 8; ++n)
    data_fill (page + 512 * n, 256 + 8 * n, DATA_RANDOM,
               rng_below (&rng, 32));
}

static size_t
compress (void *encoder, const void *page)
{
  const struct codec *zstd = codec_by_id (CODEC_ZSTD);
  static uint8_t out[2 * PAGE];
  size_t bytes, length;
  void *ctx = encoder
    ? zstd->dictionaries->compressor_new (encoder, PAGE, &bytes)
    : zstd->compressor_new (3, PAGE, &bytes);

  assert_non_null (ctx);
  length = encoder ? zstd->dictionaries->compress (ctx, page, PAGE, out)
                   : zstd->compress (ctx, 3, page, PAGE, out);
  assert_true (length > 0);
  zstd->compressor_free (ctx);
  return length;
}

/* Half of each page is from 32 parts that fit in the dictionary, so it must
 * gain nearly as much.
 */
TEST (finds_what_is_common)
{
  const struct codec *zstd = codec_by_id (CODEC_ZSTD);
  static uint8_t dictionary[SIZE];
  size_t with = 0, without = 0, bytes;
  uint8_t page[PAGE];
  ssize_t length;
  void *encoder;

  if (!zstd)
    skip ();
  for (size_t i = 0; i < PAGES; ++i)
    related_page (samples + i * PAGE);
  length = train (PAGES, PAGE, SIZE, dictionary);
  assert_uint_in_range (length, SIZE / 2, SIZE);
  encoder = zstd->dictionaries->encoder_new (dictionary, (size_t) length, 3,
                                             &bytes);
  assert_non_null (encoder);
  for (unsigned n = 0; n < 50; ++n) {
    related_page (page);
    with += compress (encoder, page);
    without += compress (NULL, page);
  }
  zstd->dictionaries->encoder_free (encoder);
  assert_true (without > 45 * PAGE);
  assert_true (with < without * 7 / 10);
}

TEST (every_page_size)
{
  uint8_t *out = malloc (POOL_DICTIONARY_MAX);

  assert_non_null (out);
  fill_samples (DATA_TEXT);
  for (size_t size = PAGE; size <= 65536; size *= 2)
    assert_true (train (PAGES * PAGE / size, size, SIZE, out) > 0);
  assert_true (train (PAGES, PAGE, POOL_DICTIONARY_MAX, out) > 0);
  free (out);
}

/* The content is at the start of OUT, and nothing is written beyond SIZE. */
TEST (small_sizes)
{
  uint8_t out[2000];

  fill_samples (DATA_TEXT);
  for (size_t size = 0; size < 1500; size += 100) {
    memset (out, 0xa5, sizeof out);
    assert_int_equal (train (PAGES, PAGE, size, out), size / 256 * 256);
    for (size_t i = size; i < sizeof out; ++i)
      assert_int_equal (out[i], 0xa5);
  }
}

TEST (nothing_in_common)
{
  static uint8_t out[SIZE];

  assert_int_equal (train (0, PAGE, SIZE, out), 0);
  fill_samples (DATA_ZERO);
  assert_int_equal (train (PAGES, PAGE, SIZE, out), 0);
  /* A single page has nothing in common with others. */
  fill_samples (DATA_TEXT);
  assert_int_equal (train (1, PAGE, SIZE, out), 0);
}

TEST (stops_when_told)
{
  static uint8_t out[SIZE];
  unsigned all = 0;

  fill_samples (DATA_RECORDS);
  assert_true (dictionary_train (samples, PAGES, PAGE, SIZE, out, &budget,
                                 always, &all) > 0);
  for (unsigned left = 1; left <= all; left += 1 + all / 40) {
    unsigned n = left;

    errno = 0;
    assert_int_equal (dictionary_train (samples, PAGES, PAGE, SIZE, out,
                                        &budget, until, &n), -1);
    assert_int_equal (errno, ECANCELED);
    assert_int_equal (n, 0);
    assert_true (budget.used == 0);
  }
}

TEST (asks_for_its_memory)
{
  uint64_t memory = dictionary_train_memory (PAGES, PAGE);
  struct budget small = { .limit = memory - 1 };
  struct budget enough = { .limit = memory };
  static uint8_t out[SIZE];
  unsigned calls = 0;

  fill_samples (DATA_TEXT);
  errno = 0;
  assert_int_equal (dictionary_train (samples, PAGES, PAGE, SIZE, out, &small,
                                      always, &calls), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (calls, 0);
  assert_true (dictionary_train (samples, PAGES, PAGE, SIZE, out, &enough,
                                 always, &calls) > 0);
  assert_true (enough.used_max == memory && enough.used == 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (finds_what_is_common),
    cmocka_unit_test (every_page_size),
    cmocka_unit_test (small_sizes),
    cmocka_unit_test (nothing_in_common),
    cmocka_unit_test (stops_when_told),
    cmocka_unit_test (asks_for_its_memory),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dictionary-train", tests, NULL, NULL);
}
