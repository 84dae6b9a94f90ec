/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random lengths and content. */

#include <config.h>

#include <string.h>

#include "nbd-model.h"

uint32_t
pick_length (uint64_t *random, uint32_t limit)
{
  uint64_t length;

  switch (below (random, 4)) {
  case 0:
    length = 1 + below (random, limit);
    break;
  case 1:
    length = (1 + below (random, 8)) * page_size + below (random, 3) - 1;
    break;
  default:
    length = 1 + (below (random, LENGTH_MAX) >> below (random, 19));
  }
  return (uint32_t) min (length, limit);
}

static void
fill_words (uint8_t *p, uint32_t length, uint64_t offset, uint64_t word)
{
  for (uint32_t i = 0; i < length; ++i)
    p[i] = (uint8_t) (word >> (offset + i) % 8 * 8);
}

static void
fill_random (uint64_t *random, uint8_t *p, uint32_t length)
{
  for (uint32_t i = 0; i < length; ++i)
    p[i] = (uint8_t) next (random);
}

static void
fill_text (uint64_t *random, uint8_t *p, uint32_t length)
{
  static const char *const words[] = {
    "page ", "of ", "memory ", "the ", "swap ", "disk ", "\n", "0x7ffd",
    "compressed ", "and ", "then ", "freed ", "    ", "return ",
  };

  while (length > 0) {
    const char *word = words[below (random, sizeof words / sizeof words[0])];
    uint32_t n = (uint32_t) min (strlen (word), length);

    memcpy (p, word, n);
    p += n;
    length -= n;
  }
}

/* Where it covers whole pages, they are as others, somewhere, are. */
static void
fill_as_elsewhere (uint64_t *random, uint8_t *p, uint32_t length,
                   uint64_t offset)
{
  uint64_t text = below (random, 16);
  uint8_t page[page_size];

  fill_text (&text, page, page_size);
  for (uint32_t i = 0; i < length; ++i)
    p[i] = page[(offset + i) % page_size];
}

/* A word of the kinds that a page may repeat. */
static uint64_t
pick_word (uint64_t *random)
{
  uint64_t word = next (random);

  switch (below (random, 5)) {
  case 0: return 0;
  case 1: return word & 0xff;
  case 2: return UINT64_MAX - (word & 0xffff);
  case 3: return word >> 8;
  default: return word;
  }
}

void
fill (uint64_t *random, uint8_t *p, uint32_t length, uint64_t offset)
{
  switch (below (random, 9)) {
  case 0:
    memset (p, 0, length);
    break;
  case 1:
    fill_words (p, length, offset, pick_word (random));
    break;
  case 2:                       /* ... but for one byte */
    fill_words (p, length, offset, pick_word (random));
    p[below (random, 2) ? length - 1 : below (random, length)] ^= 1;
    break;
  case 3:
    fill_random (random, p, length);
    break;
  case 4:
    fill_as_elsewhere (random, p, length, offset);
    break;
  case 5:
  case 6:
    fill_text (random, p, length);
    break;
  default:                      /* some of everything */
    while (length > 0) {
      uint32_t n = (uint32_t) min (length, 1 + below (random, 2 * page_size));

      switch (below (random, 3)) {
      case 0: fill_random (random, p, n); break;
      case 1: fill_text (random, p, n); break;
      default: fill_words (p, n, offset, pick_word (random));
      }
      p += n;
      offset += n;
      length -= n;
    }
  }
}
