/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bitmaps of atomic words.
 *
 * Any thread may change a single bit at any time.  A bit may also stand for
 * data elsewhere; the owner of the bitmap says which lock covers that.
 */

#ifndef NBDZRAM_BASE_BITS_H
#define NBDZRAM_BASE_BITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WORD_BITS 64

typedef _Atomic uint64_t bits_word;

static inline bool
bit_test (const bits_word *map, uint64_t n)
{
  return atomic_load_explicit (&map[n / WORD_BITS], memory_order_acquire)
    >> n % WORD_BITS & 1;
}

/* bit_set and bit_clear return whether the bit was set before. */
static inline bool
bit_set (bits_word *map, uint64_t n)
{
  return atomic_fetch_or (&map[n / WORD_BITS], (uint64_t) 1 << n % WORD_BITS)
    >> n % WORD_BITS & 1;
}

static inline bool
bit_clear (bits_word *map, uint64_t n)
{
  return atomic_fetch_and (&map[n / WORD_BITS],
                           ~((uint64_t) 1 << n % WORD_BITS))
    >> n % WORD_BITS & 1;
}

/* Return the number of the first bit in [FROM, END) that is set (SKIP is 0)
 * or clear (SKIP is ~0), or END if there is no such bit.
 */
static inline uint64_t
bits_find (const bits_word *map, uint64_t from, uint64_t end, uint64_t skip)
{
  uint64_t word;

  while (from < end) {
    word = atomic_load_explicit (&map[from / WORD_BITS], memory_order_relaxed);
    word = (word ^ skip) >> from % WORD_BITS;
    if (word != 0) {
      from += (uint64_t) __builtin_ctzll (word);
      return from < end ? from : end;
    }
    from = (from / WORD_BITS + 1) * WORD_BITS;
  }
  return end;
}

static inline uint64_t
bits_find_set (const bits_word *map, uint64_t from, uint64_t end)
{
  return bits_find (map, from, end, 0);
}

static inline uint64_t
bits_find_clear (const bits_word *map, uint64_t from, uint64_t end)
{
  return bits_find (map, from, end, ~(uint64_t) 0);
}

#endif /* NBDZRAM_BASE_BITS_H */
