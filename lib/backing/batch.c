/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches: objects are packed into blocks, and the blocks written.
 *
 * Small objects wait in a window of about 64 until it is full.  Then they are
 * put into blocks, the largest first, each where it leaves the least room,
 * which loses less than 2 % of the space.  A larger window would pack a
 * little better.  But it would spread neighbours, which are often freed
 * together, over more blocks, so that they leave holes instead of free
 * blocks.
 */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "backing.h"
#include "internal.h"
#include "seal.h"

#define WINDOW_OBJECTS 64
#define WINDOW_BYTES (128 * 1024)

/* Blocks with room left that are kept open from one window to the next. */
#define OPEN_BLOCKS 16

/* No two objects of more than half a block fit into one block.  They are put
 * one behind the other, as larger objects are: lz4 makes so many of them from
 * real pages that a quarter of the space would be lost otherwise.  A chain of
 * many blocks loses less space; one of few blocks is easier to find free.
 */
#define MEDIUM (BACKING_BLOCK / 2)
#define MEDIUM_CHAIN_BLOCKS 4
#define CHAIN_BLOCKS 16

/* A batch has room for one object for each so many bytes.  The smallest
 * objects have 32 bytes, but most are so large that this is several times
 * enough.
 */
#define BYTES_PER_OBJECT 256

struct window_object {
  uint32_t number;              /* in the batch */
  uint32_t at;                  /* in the window's data */
  uint32_t size;                /* whole units */
};

struct batch_object {
  uint32_t at;                  /* in the batch's data */
  uint32_t length;
};

/* A block that has room left. */
struct open_block {
  uint32_t block;
  uint32_t used;                /* bytes */
};

struct backing_batch {
  struct backing *backing;
  bool cleaning;
  size_t size;                  /* of its memory, the budget's */
  uint32_t block_max, object_max;

  char *data;                   /* of the blocks */
  uint32_t blocks;              /* in use */
  uint32_t last_extent;         /* where the last extent begins */
  uint16_t *extents;            /* by block; see space_choose */
  uint32_t *places;
  struct io_run *runs;     /* as they are written */
  struct batch_object *objects;
  uint32_t count;
  bool flushed;                 /* the places are chosen and claimed */

  char *window_data;
  uint32_t window_used;
  uint32_t window_count;
  struct window_object window[WINDOW_OBJECTS];
  struct open_block open[2 * WINDOW_OBJECTS];
  uint32_t open_count;
};

/* ---- allocation ---- */

/* The next BYTES of the memory at BASE, or NULL if BASE is NULL. */
static void *
next_part (char *base, size_t *at, size_t bytes)
{
  char *part = base ? base + *at : NULL;

  *at += bytes;
  return part;
}

/* Lay out the memory at BASE, or at NULL to calculate its size, which is
 * returned.
 */
static size_t
lay_out (struct backing_batch *t, char *base)
{
  size_t at = 0;

  t->data = next_part (base, &at, (size_t) t->block_max * BACKING_BLOCK);
  t->window_data = next_part (base, &at, WINDOW_BYTES);
  t->objects = next_part (base, &at, t->object_max * sizeof *t->objects);
  t->runs = next_part (base, &at, t->block_max * sizeof *t->runs);
  t->places = next_part (base, &at, t->block_max * sizeof *t->places);
  t->extents = next_part (base, &at, t->block_max * sizeof *t->extents);
  return align_up (at, OS_PAGE_SIZE);
}

/* The sizes of a batch with room for BYTES. */
static struct backing_batch
layout_of (uint32_t bytes)
{
  struct backing_batch layout = {
    .block_max = (uint32_t) div_up (MAX (bytes, 2 * WINDOW_BYTES),
                                    BACKING_BLOCK),
  };

  layout.object_max = layout.block_max * (BACKING_BLOCK / BYTES_PER_OBJECT);
  layout.size = lay_out (&layout, NULL);
  return layout;
}

size_t
backing_batch_memory (uint32_t bytes)
{
  return layout_of (bytes).size + sizeof (struct backing_batch);
}

struct backing_batch *
backing_batch_new (struct backing *b, uint32_t bytes, bool cleaning)
{
  struct backing_batch layout = layout_of (bytes);
  struct backing_batch *t;
  char *base;

  if (budget_take (b->budget, layout.size + sizeof *t) == -1)
    return NULL;
  t = malloc (sizeof *t);
  base = os_map_anon (layout.size);
  if (!t || !base) {
    free (t);
    os_unmap (base, layout.size);
    budget_give (b->budget, layout.size + sizeof *t);
    errno = ENOMEM;
    return NULL;
  }
  *t = layout;
  lay_out (t, base);
  t->backing = b;
  t->cleaning = cleaning;
  return t;
}

void
backing_batch_free (struct backing_batch *t)
{
  if (!t)
    return;
  backing_batch_reset (t);
  budget_give (t->backing->budget, t->size + sizeof *t);
  os_unmap (t->data, t->size);
  free (t);
}

void
backing_batch_reset (struct backing_batch *t)
{
  if (t->flushed)
    for (uint32_t i = 0; i < t->blocks; ++i)
      if (t->places[i] != 0)
        block_release (t->backing, t->places[i], 1);
  t->flushed = false;
  t->blocks = t->count = 0;
  t->window_used = t->window_count = 0;
  t->open_count = 0;
}

/* ---- packing ---- */

/* Begin an extent of N blocks; returns its first block. */
static uint32_t
begin_blocks (struct backing_batch *t, uint32_t n)
{
  uint32_t first = t->blocks;

  t->extents[first] = (uint16_t) n;
  t->last_extent = first;
  for (uint32_t i = 1; i < n; ++i)
    t->extents[first + i] = 0;
  t->blocks += n;
  return first;
}

static void
open_block (struct backing_batch *t, uint32_t block, uint32_t used)
{
  t->open[t->open_count++] = (struct open_block) { block, used };
}

/* The open block in which SIZE bytes leave the least room, or a new one. */
static struct open_block *
best_block (struct backing_batch *t, uint32_t size)
{
  struct open_block *best = NULL;

  for (uint32_t i = 0; i < t->open_count; ++i)
    if (BACKING_BLOCK - t->open[i].used >= size
        && (!best || t->open[i].used > best->used))
      best = &t->open[i];
  if (!best) {
    open_block (t, begin_blocks (t, 1), 0);
    best = &t->open[t->open_count - 1];
  }
  return best;
}

static int
larger_first (const void *a, const void *b)
{
  const struct window_object *x = a, *y = b;

  if (x->size != y->size)
    return x->size > y->size ? -1 : 1;
  return x->number < y->number ? -1 : 1;
}

static int
emptiest_first (const void *a, const void *b)
{
  const struct open_block *x = a, *y = b;

  if (x->used != y->used)
    return x->used < y->used ? -1 : 1;
  return x->block < y->block ? -1 : 1;
}

/* Keep only the emptiest of the open blocks, for the next objects. */
static void
close_blocks (struct backing_batch *t)
{
  qsort (t->open, t->open_count, sizeof t->open[0], emptiest_first);
  t->open_count = MIN (t->open_count, OPEN_BLOCKS);
}

static void
clear_tail (struct backing_batch *t, const struct open_block *o)
{
  memset (t->data + (size_t) o->block * BACKING_BLOCK + o->used, 0,
          BACKING_BLOCK - o->used);
}

static void
pack_window (struct backing_batch *t)
{
  qsort (t->window, t->window_count, sizeof t->window[0], larger_first);
  for (uint32_t i = 0; i < t->window_count; ++i) {
    const struct window_object *w = &t->window[i];
    struct open_block *o = best_block (t, w->size);

    t->objects[w->number].at = o->block * BACKING_BLOCK + o->used;
    memcpy (t->data + t->objects[w->number].at, t->window_data + w->at,
            w->size);
    o->used += w->size;
  }
  /* Don't write bytes of an earlier batch. */
  for (uint32_t i = 0; i < t->open_count; ++i)
    clear_tail (t, &t->open[i]);
  close_blocks (t);
  t->window_used = t->window_count = 0;
}

/* Blocks that the window may still need.  At most one of its blocks is less
 * than half full, and one more object may come after the others are packed.
 */
static uint32_t
window_blocks (const struct backing_batch *t, uint32_t more_objects,
               uint32_t more_bytes)
{
  return MIN (t->window_count + more_objects,
              2 * (t->window_used + more_bytes) / BACKING_BLOCK + 2);
}

static int
add_small (struct backing_batch *t, const void *object, uint32_t length)
{
  uint32_t size = (uint32_t) align_up (length, BACKING_UNIT);
  char *to;

  if (t->blocks + window_blocks (t, 1, size) > t->block_max)
    return fail_with (EAGAIN);
  if (t->window_count == WINDOW_OBJECTS
      || t->window_used + size > WINDOW_BYTES)
    pack_window (t);
  to = t->window_data + t->window_used;
  memcpy (to, object, length);
  memset (to + length, 0, size - length);
  t->window[t->window_count++]
    = (struct window_object) { t->count, t->window_used, size };
  t->window_used += size;
  return 0;
}

/* The last block, if an object of LENGTH bytes may begin there: there must be
 * room left in it, and the extent must not become longer than the maximum,
 * since a run of so many free blocks must be found.  Otherwise a new block.
 */
static struct open_block
last_block (struct backing_batch *t, uint32_t length)
{
  struct open_block none = { t->blocks, 0 };
  uint32_t max = length > BACKING_BLOCK ? CHAIN_BLOCKS : MEDIUM_CHAIN_BLOCKS;

  for (uint32_t i = 0; i < t->open_count; ++i)
    if (t->open[i].block + 1 == t->blocks
        && t->extents[t->last_extent] - 1
           + div_up (t->open[i].used + length, BACKING_BLOCK) <= max)
      return t->open[i];
  return none;
}

/* Extend the last extent to N blocks from BLOCK on, or begin a new one. */
static void
extend_blocks (struct backing_batch *t, uint32_t block, uint32_t n)
{
  uint32_t more = block + n - t->blocks;

  if (block == t->blocks) {
    begin_blocks (t, n);
    return;
  }
  for (uint32_t i = 0; i < more; ++i)
    t->extents[t->blocks + i] = 0;
  t->extents[t->last_extent] = (uint16_t) (t->extents[t->last_extent] + more);
  t->blocks += more;
}

static void
close_block (struct backing_batch *t, uint32_t block)
{
  for (uint32_t i = 0; i < t->open_count; ++i)
    if (t->open[i].block == block)
      t->open[i--] = t->open[--t->open_count];
}

static int
add_large (struct backing_batch *t, const void *object, uint32_t length,
           bool aligned)
{
  struct open_block o = last_block (t, aligned ? UINT32_MAX / 2 : length);
  uint32_t n = (uint32_t) div_up (o.used + length, BACKING_BLOCK);
  uint32_t end = (o.used + length) % BACKING_BLOCK;

  if (o.block + n + window_blocks (t, 0, 0) > t->block_max)
    return fail_with (EAGAIN);
  extend_blocks (t, o.block, n);
  close_block (t, o.block);
  t->objects[t->count].at = o.block * BACKING_BLOCK + o.used;
  memcpy (t->data + t->objects[t->count].at, object, length);
  if (end == 0)
    return 0;
  o = (struct open_block) { o.block + n - 1, end };
  clear_tail (t, &o);
  o.used = (uint32_t) align_up (o.used, BACKING_UNIT);
  if (t->open_count == WINDOW_OBJECTS)
    close_blocks (t);
  if (o.used < BACKING_BLOCK)
    t->open[t->open_count++] = o;
  return 0;
}

int
backing_batch_add (struct backing_batch *t, const void *object,
                   uint32_t length, bool aligned)
{
  if (t->count == t->object_max || t->flushed)
    return fail_with (EAGAIN);
  if ((aligned || length > MEDIUM
       ? add_large (t, object, length, aligned)
       : add_small (t, object, length)) == -1)
    return -1;
  t->objects[t->count].length = length;
  return (int) t->count++;
}

/* ---- writing ---- */

/* Write the blocks.  Those that lie side by side in the file, too, become one
 * run.
 */
static int
write_runs (struct backing_batch *t, bool *unsure)
{
  struct backing *b = t->backing;
  unsigned count = 0;
  uint32_t end;

  for (uint32_t i = 0; i < t->blocks; i = end) {
    end = i + 1;
    if (t->places[i] == 0)
      continue;
    while (end < t->blocks && t->places[end] == t->places[end - 1] + 1)
      ++end;
    if (b->can_give_back)
      space_set_backed (b, t->places[i], t->places[i] + (end - i));
    t->runs[count++] = (struct io_run) {
      .data = t->data + (size_t) i * BACKING_BLOCK,
      .length = (size_t) (end - i) * BACKING_BLOCK,
      .offset = (uint64_t) t->places[i] * BACKING_BLOCK,
    };
  }
  return b->kind->write (b, t->runs, count, unsure);
}

/* Encrypt the blocks, if there is a key, and set their checksums.  After this,
 * the previous content of these blocks is no longer valid.
 */
static int
prepare_blocks (struct backing_batch *t)
{
  struct backing *b = t->backing;

  for (uint32_t i = 0; i < t->blocks; ++i) {
    char *content = t->data + (size_t) i * BACKING_BLOCK;

    if (t->places[i] == 0)
      continue;
    if (b->sealer && seal_block (b, t->places[i], content) == -1)
      return -1;
    sums_set (b, t->places[i], content);
  }
  return 0;
}

/* The write may still be executed, and must not overwrite what these blocks
 * get later: they stay unused until the next attach.
 */
static void
pin_blocks (struct backing_batch *t)
{
  for (uint32_t i = 0; i < t->blocks; ++i)
    if (t->places[i] != 0)
      block_claim (t->backing, t->places[i], LIVE_PINNED);
}

static void
count_written (const struct backing_batch *t, uint32_t placed)
{
  struct backing_counters *counters = &t->backing->counters;

  if (t->cleaning)
    atomic_fetch_add (&counters->clean_bytes,
                      (uint64_t) placed * BACKING_BLOCK);
  else
    for (uint32_t i = 0; i < t->count; ++i)
      if (backing_batch_offset (t, i) != 0)
        atomic_fetch_add (&counters->object_bytes, t->objects[i].length);
}

int
backing_flush (struct backing_batch *t)
{
  struct backing *b = t->backing;
  uint32_t placed;
  bool unsure = false;
  int err;

  if (t->count == 0)
    return 0;
  if (!backing_may_write (b))
    return fail_with (b->error != 0 ? b->error : ENOTCONN);
  pack_window (t);
  placed = space_choose (b, t->extents, t->blocks, t->places, t->cleaning);
  t->flushed = true;
  if (placed == 0) {
    io_set_result (b, ENOSPC, false);
    return fail_with (ENOSPC);
  }
  err = io_wait_for_readers (b) == -1 ? errno : 0;
  if (err == 0)
    err = prepare_blocks (t) == -1 || write_runs (t, &unsure) == -1
      ? errno : 0;
  if (unsure)                   /* perhaps only of one replica */
    pin_blocks (t);
  if (err != 0) {
    backing_batch_reset (t);
    io_set_result (b, err, true);
    return fail_with (err);
  }
  io_set_result (b, placed < t->blocks ? ENOSPC : 0, false);
  count_written (t, placed);
  return 0;
}

uint64_t
backing_batch_offset (const struct backing_batch *t, unsigned n)
{
  uint32_t at = t->objects[n].at;
  uint32_t place = t->flushed ? t->places[at / BACKING_BLOCK] : 0;

  return place == 0
    ? 0 : (uint64_t) place * BACKING_BLOCK + at % BACKING_BLOCK;
}
