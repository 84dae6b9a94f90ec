/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "same.h"

static uint64_t
word_at (const uint8_t *page, size_t offset)
{
  uint64_t word;

  memcpy (&word, page + offset, sizeof word);
  return word;
}

bool
same_filled (const void *page, size_t size, uint64_t *word)
{
  const uint8_t *p = page;
  uint64_t first = word_at (p, 0);

  /* The last word before the rest, as in zram: pages that begin with
   * zeroes and are not all zero are common.
   */
  if (first != word_at (p, size - sizeof first)
      || memcmp (p, p + sizeof first, size - sizeof first) != 0)
    return false;
  *word = first;
  return true;
}

void
same_fill (void *buf, uint64_t word, size_t offset, size_t size)
{
  uint64_t twice[2] = { word, word };
  uint8_t *p = buf;

  if (word == 0) {
    memset (p, 0, size);
    return;
  }
  memcpy (&word, (uint8_t *) twice + offset % sizeof word, sizeof word);
  for (; size >= sizeof word; p += sizeof word, size -= sizeof word)
    memcpy (p, &word, sizeof word);
  memcpy (p, &word, size);
}
