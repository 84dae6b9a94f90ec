/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When to clean, and which blocks.
 *
 * Cleaning a block of which the part F is alive writes F and frees 1-F.  So
 * the emptiest blocks are cleaned first.  The longer cleaning waits, the
 * emptier they are: space is traded for writes.  Simulated, with objects of
 * 200 to 3800 bytes, 1200 on average, and with the packing of batch.c, the
 * bytes written for each byte of new objects are
 *
 *   used : alive                         1.15   1.20   1.25   1.30
 *   pages die at random                  1.80   1.62   1.49   1.39
 *   80 % of the deaths in 20 % of them   1.99   1.83   1.70   1.60
 *   neighbours die together              1.01 at 1.04: nothing to clean
 *
 * Where pages die at random, the small number of objects in a block sets the
 * limit.  Take three objects of the same size: a block is whole for 1/3 of an
 * object's lifetime, then has two alive for 1/2.  Cleaned when one is left,
 * it costs 1.5 bytes written for each byte, and is alive to 0.8 on average,
 * so used : alive is 1.25.  Cleaned earlier, the writes double.
 */

#include <config.h>

#include "backing.h"
#include "internal.h"

/* Used bytes in percent of live ones: cleaning begins above the first number
 * and ends at the second.
 */
#define BEGIN 115
#define GOAL 113

/* The same after a batch found no room. */
#define FULL_BEGIN 108
#define FULL_GOAL 106

/* Blocks that may be used in excess: a file of a few pages need not be clean.
 */
#define SLACK 64

/* A block with more live units than this is not worth cleaning. */
#define LIVE_MAX (BLOCK_UNITS * 9 / 10)

static bool
is_full (const struct backing *b)
{
  return atomic_load (&b->state) == BACKING_FULL;
}

/* Units of used blocks above PERCENT of the live units; or 0. */
static uint64_t
excess (const struct backing *b, unsigned percent)
{
  uint64_t used = (uint64_t) atomic_load (&b->used) * BLOCK_UNITS;
  uint64_t allowed = atomic_load (&b->live_units) * percent / 100;

  return used > allowed ? used - allowed : 0;
}

bool
backing_needs_cleaning (const struct backing *b)
{
  if (is_full (b))
    return excess (b, FULL_BEGIN) > 0;
  return excess (b, BEGIN) > (uint64_t) SLACK * BLOCK_UNITS;
}

/* Count the blocks by their number of live units. */
static void
count_blocks (const struct backing *b, uint32_t counts[LIVE_MAX + 1])
{
  for (uint32_t live = 0; live <= LIVE_MAX; ++live)
    counts[live] = 0;
  for (uint32_t block = 1; block < b->high_water; ++block) {
    uint16_t live = block_live (b, block);

    if (live > 0 && live <= LIVE_MAX)
      counts[live]++;
  }
}

/* Reduce COUNTS to the emptiest blocks that free NEEDED units, with at most
 * MAX_UNITS live ones.
 */
static void
keep_emptiest (uint32_t counts[LIVE_MAX + 1], uint64_t needed,
               uint64_t max_units)
{
  for (uint32_t live = 1; live <= LIVE_MAX; ++live) {
    uint64_t n = MIN (counts[live],
                      MIN (div_up (needed, BLOCK_UNITS - live),
                           max_units / live));

    /* If MAX_UNITS left out one of these, leave out all fuller blocks. */
    if (n < counts[live] && max_units / live < counts[live])
      max_units = n * live;
    counts[live] = (uint32_t) n;
    needed -= MIN (needed, n * (BLOCK_UNITS - live));
    max_units -= n * live;
  }
}

uint64_t
backing_choose_victims (struct backing *b, uint64_t max_bytes)
{
  uint32_t counts[LIVE_MAX + 1];
  uint64_t units = 0;

  backing_cleaning_done (b);
  if (!backing_needs_cleaning (b))
    return 0;
  count_blocks (b, counts);
  keep_emptiest (counts, excess (b, is_full (b) ? FULL_GOAL : GOAL),
                 max_bytes / BACKING_UNIT);
  for (uint32_t block = 1; block < b->high_water; ++block) {
    uint16_t live = block_live (b, block);

    if (live > 0 && live <= LIVE_MAX && counts[live] > 0) {
      counts[live]--;
      bit_set (b->victims, block);
      units += live;
    }
  }
  return units * BACKING_UNIT;
}

bool
backing_is_victim (const struct backing *b, uint64_t offset, uint32_t length)
{
  uint64_t first = offset / BACKING_BLOCK;
  uint64_t last = (offset + length - 1) / BACKING_BLOCK;

  return bits_find_set (b->victims, first, last + 1) <= last;
}

void
backing_cleaning_done (struct backing *b)
{
  for (uint32_t block = 0; block < b->high_water; block += WORD_BITS)
    atomic_store_explicit (&b->victims[block / WORD_BITS], 0,
                           memory_order_relaxed);
  b->no_long_runs = false;
}
