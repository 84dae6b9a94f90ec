/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "backing.h"
#include "internal.h"
#include "seal.h"

/* The number of adjacent free blocks that is worth a write of its own. */
#define LONG_RUN 16

/* Blocks that only cleaning may use, and their part of a small file: without
 * them, a full file could never be cleaned.
 */
#define RESERVE 256
#define RESERVE_PART 16

/* ---- the arrays ---- */

static uint32_t
groups_of (uint32_t blocks)
{
  return (uint32_t) div_up (blocks, GROUP_BLOCKS);
}

/* Bytes that the arrays take when they are used up to HIGH_WATER. */
static uint64_t
resident_bytes (const struct backing *b, uint32_t high_water)
{
  return align_up (high_water * sizeof (uint16_t), OS_PAGE_SIZE)
    + 2 * align_up (div_up (high_water, 8), OS_PAGE_SIZE)
    + align_up (groups_of (high_water) * sizeof (uint16_t), OS_PAGE_SIZE)
    + block_array_bytes (&b->sums, high_water)
    + block_array_bytes (&b->seals, high_water);
}

/* Bytes that GROUP_BLOCKS more can take.  So much of the budget is held in
 * reserve: pages are written back when no memory is left, and that must not
 * need any.
 */
static uint64_t
spare_bytes (const struct backing *b)
{
  return 4 * OS_PAGE_SIZE + block_array_bytes (&b->sums, GROUP_BLOCKS)
    + block_array_bytes (&b->seals, GROUP_BLOCKS);
}

_Static_assert (GROUP_BLOCKS * sizeof (uint16_t) <= OS_PAGE_SIZE, "spare");

size_t
backing_memory (uint64_t granule, bool with_key)
{
  const struct backing b = {
    .sums = { .entry = SUMS_ENTRY, .room.granule = granule },
    .seals = {
      .entry = with_key ? sizeof (struct seal) : 0, .room.granule = granule,
    },
  };

  return resident_bytes (&b, GROUP_BLOCKS) + spare_bytes (&b)
    + (with_key ? SEALER_BYTES : 0);
}

static void
keep_spare (struct backing *b)
{
  uint64_t bytes = spare_bytes (b);

  if (b->spare < bytes && budget_take (b->budget, bytes - b->spare) == 0)
    b->spare = bytes;
}

static size_t
live_size (const struct backing *b)
{
  return align_up (b->blocks * sizeof (uint16_t), OS_PAGE_SIZE);
}

static size_t
bits_size (const struct backing *b)
{
  return align_up (div_up (b->blocks, 8), OS_PAGE_SIZE);
}

static size_t
groups_size (const struct backing *b)
{
  return align_up (groups_of (b->blocks) * sizeof (uint16_t), OS_PAGE_SIZE);
}

/* Take MORE bytes from the budget, or else from the reserve; *SPARE is set to
 * the bytes from there.
 */
static int
take_memory (struct backing *b, uint64_t more, bool force, uint64_t *spare)
{
  *spare = 0;
  if (force)
    budget_force (b->budget, more);
  else if (budget_take (b->budget, more) == -1) {
    if (b->spare < more)
      return -1;
    *spare = more;
    b->spare -= more;
  }
  return 0;
}

int
space_raise (struct backing *b, uint32_t high_water, bool force)
{
  uint64_t more, spare;

  if (high_water <= b->high_water)
    return 0;
  more = resident_bytes (b, high_water) - resident_bytes (b, b->high_water);
  if (take_memory (b, more, force, &spare) == -1)
    return -1;
  if (block_array_populate (&b->sums, b->high_water, high_water) == -1
      || block_array_populate (&b->seals, b->high_water, high_water) == -1) {
    b->spare += spare;
    budget_give (b->budget, more - spare);
    return fail_with (ENOSPC);
  }
  b->high_water = high_water;
  return 0;
}

void
space_raise_to (struct backing *b, uint64_t blocks)
{
  uint32_t high_water = (uint32_t) MIN (b->blocks,
                                        align_up (blocks, GROUP_BLOCKS));

  if (space_raise (b, high_water, true) == -1)
    b->attach_error = errno;
}

int
space_open (struct backing *b, const struct backing_options *o,
            struct backing_error *error)
{
  if (block_array_open (&b->sums, b->blocks, SUMS_ENTRY, o->sums) == -1
      || (o->key && seals_open (b, o, error) == -1))
    return -1;
  b->live = os_map_anon (live_size (b));
  b->backed = os_map_anon (bits_size (b));
  b->victims = os_map_anon (bits_size (b));
  b->group_used = os_map_anon (groups_size (b));
  if (!b->live || !b->backed || !b->victims || !b->group_used
      || space_raise (b, MIN (GROUP_BLOCKS, b->blocks), false) == -1)
    return -1;
  keep_spare (b);
  block_claim (b, 0, BLOCK_UNITS);      /* the header */
  return 0;
}

void
space_close (struct backing *b)
{
  os_unmap (b->live, live_size (b));
  os_unmap (b->backed, bits_size (b));
  os_unmap (b->victims, bits_size (b));
  os_unmap (b->group_used, groups_size (b));
  b->live = NULL;
  b->backed = b->victims = NULL;
  b->group_used = NULL;
  if (b->high_water != 0)
    budget_give (b->budget, resident_bytes (b, b->high_water));
  seals_close (b);
  block_array_close (&b->sums);
  budget_give (b->budget, b->spare);
  b->high_water = 0;
  b->spare = 0;
}

/* ---- the end ---- */

bool
space_has_room (const struct backing *b, uint64_t size)
{
  for (uint64_t block = size / BACKING_BLOCK; block < b->high_water; ++block)
    if (block_live (b, (uint32_t) block) != 0)
      return false;
  return true;
}

void
space_bound (struct backing *b, uint64_t size)
{
  uint64_t blocks = size / BACKING_BLOCK;
  uint32_t limit = b->limit;

  while (blocks < limit
         && !atomic_compare_exchange_weak (&b->limit, &limit,
                                           (uint32_t) blocks))
    ;
}

/* ---- claims ---- */

/* What LIVE adds to live_units: a block can't have more bytes alive than it
 * has, even if several slots name the same ones.
 */
static uint64_t
capped_units (uint16_t live)
{
  return MIN (live, BLOCK_UNITS);
}

void
block_claim (struct backing *b, uint32_t block, uint32_t units)
{
  uint16_t old = atomic_load_explicit (&b->live[block], memory_order_relaxed);
  uint16_t new;

  do {
    if (old == LIVE_PINNED)
      return;
    new = (uint16_t) MIN (old + units, LIVE_PINNED);
  } while (!atomic_compare_exchange_weak (&b->live[block], &old, new));

  atomic_fetch_add (&b->live_units, capped_units (new) - capped_units (old));
  if (old == 0) {
    atomic_fetch_add (&b->group_used[block / GROUP_BLOCKS], 1);
    atomic_fetch_add (&b->used, 1);
  }
}

void
block_release (struct backing *b, uint32_t block, uint32_t units)
{
  uint16_t old = atomic_load_explicit (&b->live[block], memory_order_relaxed);
  uint16_t new;

  do {
    /* A block that is free already stays free. */
    if (old == LIVE_PINNED || old == 0)
      return;
    new = (uint16_t) (old >= units ? old - units : LIVE_PINNED);
  } while (!atomic_compare_exchange_weak (&b->live[block], &old, new));

  atomic_fetch_add (&b->live_units, capped_units (new) - capped_units (old));
  if (new == 0) {
    atomic_fetch_sub (&b->group_used[block / GROUP_BLOCKS], 1);
    atomic_fetch_sub (&b->used, 1);
  }
}

bool
backing_contains (const struct backing *b, uint64_t offset, uint32_t length)
{
  uint64_t size = (uint64_t) b->blocks * BACKING_BLOCK;

  return length > 0 && offset % BACKING_UNIT == 0 && offset >= BACKING_BLOCK
    && offset < size && length <= size - offset;
}

/* Units of BLOCK that count for one slot of an object. */
static uint32_t
units_in (uint32_t block, uint64_t offset, uint32_t length, unsigned share)
{
  uint64_t start = MAX (offset, (uint64_t) block * BACKING_BLOCK);
  uint64_t end = MIN (offset + length, (uint64_t) (block + 1) * BACKING_BLOCK);

  return (uint32_t) div_up (div_up (end - start, BACKING_UNIT), share);
}

void
backing_claim (struct backing *b, uint64_t offset, uint32_t length,
               unsigned share)
{
  uint32_t first = (uint32_t) (offset / BACKING_BLOCK);
  uint32_t last = (uint32_t) ((offset + length - 1) / BACKING_BLOCK);

  /* Only at attach: otherwise the blocks were written, and are below it. */
  if (last >= b->high_water)
    space_raise_to (b, last + 1);
  for (uint32_t block = first; block <= last; ++block)
    block_claim (b, block, units_in (block, offset, length, share));
}

void
backing_release (struct backing *b, uint64_t offset, uint32_t length,
                 unsigned share)
{
  uint32_t first = (uint32_t) (offset / BACKING_BLOCK);
  uint32_t last = (uint32_t) ((offset + length - 1) / BACKING_BLOCK);

  for (uint32_t block = first; block <= last && block < b->high_water; ++block)
    block_release (b, block, units_in (block, offset, length, share));
}

/* ---- free blocks ---- */

/* The blocks of a batch, some of which are still to be placed. */
struct placement {
  const uint16_t *extents;
  uint32_t *places;
  uint32_t count, placed;
  uint32_t max;                 /* blocks that may be placed */
  uint32_t first;               /* all before it are placed */
};

static void
place_extent (struct backing *b, struct placement *c, uint32_t i,
              uint32_t block)
{
  for (uint32_t k = 0; k < c->extents[i]; ++k) {
    c->places[i + k] = block + k;
    bit_clear (b->victims, block + k);
    block_claim (b, block + k, 1);
  }
  c->placed += c->extents[i];
}

/* Fill LEN free blocks from BLOCK on, with extents in their order. */
static void
fill_run (struct backing *b, struct placement *c, uint32_t block, uint32_t len)
{
  while (c->first < c->count && c->places[c->first] != 0)
    ++c->first;
  for (uint32_t i = c->first; i < c->count && len > 0; ++i)
    if (c->extents[i] != 0 && c->extents[i] <= len && c->places[i] == 0
        && c->extents[i] <= c->max - c->placed) {
      uint16_t n = c->extents[i];

      place_extent (b, c, i, block);
      block += n;
      len -= n;
    }
}

/* Fill the runs of at least MIN_RUN blocks that lie in one group. */
static void
fill_group (struct backing *b, struct placement *c, uint32_t group,
            uint32_t min_run)
{
  uint32_t block = group * GROUP_BLOCKS;
  uint32_t end = MIN (MIN (block + GROUP_BLOCKS, b->limit), b->high_water);

  if (b->group_used[group] + min_run > GROUP_BLOCKS)
    return;
  while (block < end && c->placed < c->max) {
    uint32_t start = block;

    while (block < end && block_live (b, block) == 0)
      ++block;
    if (block - start >= min_run)
      fill_run (b, c, start, block - start);
    while (block < end && block_live (b, block) != 0)
      ++block;
  }
}

/* Visit all groups once, beginning where the last blocks were found. */
static void
fill_runs (struct backing *b, struct placement *c, uint32_t min_run)
{
  uint32_t groups = groups_of (MIN (b->limit, b->high_water));
  uint32_t from = b->cursor < groups ? b->cursor : 0;

  for (uint32_t n = 0; n < groups && c->placed < c->max; ++n) {
    b->cursor = (from + n) % groups;
    fill_group (b, c, b->cursor, min_run);
  }
}

/* Fill blocks that were never used. */
static void
fill_new (struct backing *b, struct placement *c)
{
  while (c->placed < c->max && b->high_water < b->limit) {
    uint32_t group = b->high_water / GROUP_BLOCKS;

    if (space_raise (b, MIN (b->limit, b->high_water + GROUP_BLOCKS), false)
        == -1)
      return;
    fill_group (b, c, group, 1);
  }
}

/* How many blocks may be used now. */
static uint32_t
available_blocks (const struct backing *b, bool cleaning)
{
  uint32_t reserve = cleaning ? 0 : MIN (RESERVE, b->limit / RESERVE_PART);
  uint32_t taken = b->used + reserve;

  return b->limit > taken ? b->limit - taken : 0;
}

uint32_t
space_choose (struct backing *b, const uint16_t *extents, uint32_t count,
              uint32_t *places, bool cleaning)
{
  struct placement c = {
    .extents = extents, .places = places, .count = count,
    .max = MIN (count, available_blocks (b, cleaning)),
  };

  keep_spare (b);
  for (uint32_t i = 0; i < count; ++i)
    places[i] = 0;
  if (!b->no_long_runs) {
    fill_runs (b, &c, MIN (LONG_RUN, count));
    b->no_long_runs = c.placed < c.max;
  }
  /* New blocks give long runs, but cost memory: use them only if few of the
   * old blocks are free.
   */
  if (b->high_water - b->used < b->high_water / 8 + count)
    fill_new (b, &c);
  fill_runs (b, &c, 1);
  fill_new (b, &c);
  return c.placed;
}

/* ---- space on disk ---- */

void
space_set_backed (struct backing *b, uint32_t from, uint32_t to)
{
  for (uint32_t block = from; block < to; ++block)
    if (!bit_set (b->backed, block))
      b->backed_count++;
}

static int
give_back_run (struct backing *b, uint32_t from, uint32_t to)
{
  bool unsure;

  if (b->kind->give_back (b, (uint64_t) from * BACKING_BLOCK,
                          (uint64_t) (to - from) * BACKING_BLOCK, &unsure)
      == -1) {
    /* It may still be executed when something else is there. */
    for (uint32_t block = from; unsure && block < to; ++block)
      block_claim (b, block, LIVE_PINNED);
    return -1;
  }
  for (uint32_t block = from; block < to; ++block)
    if (bit_clear (b->backed, block))
      b->backed_count--;
  return 0;
}

/* Blocks that are given back at once.  If the result is unsure, none of them
 * can be used again.
 */
#define GIVE_BACK_MAX 8192

/* Give back runs of MIN_RUN blocks and more, the highest first, until all
 * but KEEP of what is on disk is used.
 */
static int
give_back_runs (struct backing *b, uint32_t min_run, uint32_t keep)
{
  uint32_t block = b->high_water;

  while (block > 1 && b->backed_count > b->used + keep) {
    uint32_t end = block;

    while (block > 1 && end - block < GIVE_BACK_MAX
           && bit_test (b->backed, block - 1)
           && block_live (b, block - 1) == 0)
      --block;
    if (end > block && end - block >= min_run
        && give_back_run (b, block, end) == -1)
      return -1;
    if (block == end)
      --block;
  }
  return 0;
}

/* Give back the OS pages of bytes FROM to TO of an array, which are zero or no
 * longer needed.  A page that begins before FROM is kept.
 */
static int
give_back_array (void *array, size_t from, size_t to)
{
  from = align_up (from, OS_PAGE_SIZE);
  to = align_up (to, OS_PAGE_SIZE);
  return from < to ? os_give_back ((char *) array + from, to - from) : 0;
}

/* Lower high_water to the last group that is in use. */
static void
lower_high_water (struct backing *b)
{
  uint32_t group = groups_of (b->high_water), low;

  while (group > 1 && b->group_used[group - 1] == 0)
    --group;
  low = group * GROUP_BLOCKS;
  if (low >= b->high_water
      || bits_find_set (b->backed, low, b->high_water) < b->high_water
      || io_wait_for_readers (b) == -1
      || block_array_forget (&b->sums, low, b->high_water) == -1
      || block_array_forget (&b->seals, low, b->high_water) == -1
      || give_back_array (b->live, low * sizeof (uint16_t),
                          b->high_water * sizeof (uint16_t)) == -1
      || give_back_array (b->backed, low / 8, div_up (b->high_water, 8)) == -1
      || give_back_array (b->victims, low / 8, div_up (b->high_water, 8))
         == -1
      || give_back_array (b->group_used, groups_of (low) * sizeof (uint16_t),
                          groups_of (b->high_water) * sizeof (uint16_t)) == -1)
    return;
  budget_give (b->budget,
               resident_bytes (b, b->high_water) - resident_bytes (b, low));
  b->high_water = low;
}

/* Free the space behind the last block in use without making holes. */
static void
cut_end (struct backing *b)
{
  uint64_t end = b->high_water;

  while (end > 1 && !bit_test (b->backed, end - 1)
         && block_live (b, (uint32_t) end - 1) == 0)
    --end;
  b->kind->cut (b, end * BACKING_BLOCK); /* if that fails, holes stay */
}

void
backing_give_back (struct backing *b, uint64_t keep)
{
  uint32_t blocks = (uint32_t) MIN (keep / BACKING_BLOCK, b->blocks);

  b->cursor = 0;
  b->no_long_runs = false;
  if (b->can_give_back && give_back_runs (b, LONG_RUN, blocks) == 0)
    give_back_runs (b, 1, blocks);
  if (!b->is_device)
    cut_end (b);
  lower_high_water (b);
}

/* ---- statistics ---- */

void
backing_get_stats (const struct backing *b, struct backing_stats *st)
{
  st->size = (uint64_t) b->limit * BACKING_BLOCK;
  st->used = (uint64_t) atomic_load (&b->used) * BACKING_BLOCK;
  st->live = atomic_load (&b->live_units) * BACKING_UNIT;
  st->file = b->kind->space ? b->kind->space (b) : st->used;
  st->connections = 0;
  st->reconnects = 0;
  if (b->kind->count)
    b->kind->count (b, st);
}

const char *
backing_check (const struct backing *b)
{
  uint64_t units = 0;
  uint32_t used = 0, backed = 0, in_group = 0;

  if (b->high_water > b->blocks)
    return "high_water beyond the end";
  for (uint32_t block = 0; block < b->high_water; ++block) {
    if (block % GROUP_BLOCKS == 0)
      in_group = 0;
    units += capped_units (block_live (b, block));
    used += block_live (b, block) != 0;
    in_group += block_live (b, block) != 0;
    backed += bit_test (b->backed, block);
    if ((block + 1) % GROUP_BLOCKS == 0 || block + 1 == b->high_water)
      if (b->group_used[block / GROUP_BLOCKS] != in_group)
        return "group_used";
  }
  if (units != b->live_units)
    return "live_units";
  if (used != b->used)
    return "used";
  if (b->can_give_back && backed != b->backed_count)
    return "backed_count";
  return NULL;
}
