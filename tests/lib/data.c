/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chance, and pages made from it. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/util.h"

#include "prng.h"
#include "unit.h"

uint64_t
rng_next (struct rng *r)
{
  return next (&r->state);
}

uint64_t
rng_below (struct rng *r, uint64_t n)
{
  return below (&r->state, n);
}

uint64_t
unit_seed (void)
{
  static uint64_t seed;
  static bool known;
  const char *s = getenv ("SEED");

  if (known)
    return seed;
  if (s)
    seed = strtoull (s, NULL, 0);
  else if (getrandom (&seed, sizeof seed, 0) != sizeof seed)
    abort ();
  known = true;
  printf ("SEED=%" PRIu64 "\n", seed);
  fflush (stdout);
  return seed;
}

bool
unit_quick (void)
{
  return getenv ("NBDZRAM_QUICK") != NULL;
}

unsigned
unit_scaled (unsigned n)
{
  return unit_quick () ? (unsigned) div_up (n, 10) : n;
}

bool
unit_instrumented (void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
  return true;
#elif defined __has_feature
#if __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
  return true;
#endif
#endif
  return getenv ("NBDZRAM_VALGRIND") != NULL;
}

/* ---- pages ---- */

static void
fill_random (uint8_t *p, size_t size, struct rng *r)
{
  for (; size >= 8; p += 8, size -= 8) {
    uint64_t word = rng_next (r);

    memcpy (p, &word, 8);
  }
  while (size-- > 0)
    *p++ = (uint8_t) rng_next (r);
}

static void
fill_words (uint8_t *p, size_t size, uint64_t word)
{
  for (size_t i = 0; i < size; i += sizeof word)
    memcpy (p + i, &word, MIN (sizeof word, size - i));
}

/* The square of a random number makes some words common, as in speech. */
static void
fill_text (uint8_t *p, size_t size, struct rng *r)
{
  static const char words[][12] = {
    "the ", "of ", "page ", "a ", "memory ", "to ", "is ", "in ", "slot ",
    "that ", "return ", "object ", "for ", "zspage ", "not ", "struct ",
    "class ", "with ", "free ", "lock ", "pool ", "device ", "budget ", "\n",
    "stream ", "leaf ", "table ", "arena ", "0x", "index ", "offset ", "; ",
  };
  size_t used = 0;

  while (used < size) {
    uint64_t n = rng_below (r, 32 * 32);
    const char *word = words[n * n / (32 * 32 * 32)];
    size_t len = MIN (strlen (word), size - used);

    memcpy (p + used, word, len);
    used += len;
    if (used < size && n % 7 == 0)
      p[used++] = (uint8_t) ('a' + n % 26);
  }
}

static void
fill_records (uint8_t *p, size_t size, struct rng *r)
{
  uint64_t base = UINT64_C (0x7f0000000000) + (rng_next (r) & 0xffffff000);
  uint64_t words[4];

  memset (p, 0, size);
  for (size_t i = 0; i + sizeof words <= size; i += sizeof words) {
    words[0] = base + rng_below (r, 4096) * 16;
    words[1] = i;
    words[2] = rng_below (r, 4);
    words[3] = rng_below (r, 3) == 0 ? rng_next (r) : 0;
    memcpy (p + i, words, sizeof words);
  }
}

void
data_fill (void *page, size_t size, enum data_kind kind, uint64_t tag)
{
  struct rng r = { tag };
  uint8_t *p = page;
  size_t part;

  switch (kind) {
  case DATA_ZERO:
    memset (p, 0, size);
    break;
  case DATA_SAME:
    fill_words (p, size, (rng_next (&r) >> 9) + 1);
    break;
  case DATA_SAME_STORED:
    fill_words (p, size, rng_next (&r) >> 2 | UINT64_C (1) << 62);
    break;
  case DATA_TEXT:
    fill_text (p, size, &r);
    break;
  case DATA_RECORDS:
    fill_records (p, size, &r);
    break;
  case DATA_PARTLY_RANDOM:
    part = 1 + rng_below (&r, size - 1);
    fill_random (p, part, &r);
    memset (p + part, 0x20, size - part);
    break;
  default:
    fill_random (p, size, &r);
  }
}

void
data_realistic (void *page, size_t size, uint64_t tag)
{
  static const struct {
    unsigned percent;
    enum data_kind kind;
  } kinds[] = {
    { 12, DATA_ZERO }, { 2, DATA_SAME }, { 1, DATA_SAME_STORED },
    { 30, DATA_TEXT }, { 30, DATA_RECORDS }, { 20, DATA_PARTLY_RANDOM },
    { 100, DATA_RANDOM },
  };
  struct rng r = { ~tag };
  uint64_t n = rng_below (&r, 100);
  unsigned k;

  for (k = 0; n >= kinds[k].percent; ++k)
    n -= kinds[k].percent;
  data_fill (page, size, kinds[k].kind, tag);
}
