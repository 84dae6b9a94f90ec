/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a page of a live program may look like, told by one number: of a
 * hundred pages 10 are same-filled, 3 random, and the others compress so
 * that lz4 makes 3.3 to 1 of them all.  Memory that is filled by it can be
 * verified to the byte as long as the number is known.
 *
 * Any count of words will do; a page is 512.
 */

#ifndef NBDZRAM_TESTS_LIB_CONTENT_H
#define NBDZRAM_TESTS_LIB_CONTENT_H

#include <stdint.h>

#include "prng.h"

/* A page as it is written word by word; good for one pass. */
struct content {
  uint64_t state, first;
  unsigned kind;                /* of a hundred */
};

#define CONTENT_RANDOM 12       /* one of these kinds */

static inline struct content
content (uint64_t number)
{
  struct content c = { .state = number };

  c.kind = (unsigned) below (&c.state, 100);
  c.first = next (&c.state);
  return c;
}

/* Word I; called for each in order. */
static inline uint64_t
content_word (struct content *c, uint64_t i)
{
  if (c->kind < 10)
    return c->first;
  if (c->kind < 13 || (i % 8 == 0 && (c->kind < 60 || i % 16 == 0)))
    return next (&c->state);
  return i % 8 < 4 ? c->first : i / 64;
}

static inline void
content_write (struct content c, uint64_t *p, uint64_t words)
{
  for (uint64_t i = 0; i < words; ++i)
    p[i] = content_word (&c, i);
}

/* The first word that is wrong, or WORDS. */
static inline uint64_t
content_differs (struct content c, const uint64_t *p, uint64_t words)
{
  for (uint64_t i = 0; i < words; ++i)
    if (p[i] != content_word (&c, i))
      return i;
  return words;
}

#endif /* NBDZRAM_TESTS_LIB_CONTENT_H */
