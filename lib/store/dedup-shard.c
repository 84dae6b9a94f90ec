/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shard of the index: its memory, lines and chains (dedup-internal.h). */

#include <config.h>

#include <errno.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "dedup-internal.h"

/* How many nodes a chain has on average, in tenths.  With more there are
 * fewer gaps in lines; with fewer, more lookups end in the first line.
 */
#define LOAD 45

/* More chains than this could not be told apart by a hash. */
#define BUCKETS_MAX (UINT32_C (1) << HASH_BITS)

/* How many chains are split or merged for each node that is added or
 * removed.  Two are enough to keep up with steps of OS pages, and take
 * little time.
 */
#define RESIZE_STEPS 2

/* ---- memory ---- */

static int
area_open (struct dedup_area *a, uint64_t reserved)
{
  a->reserved = reserved;
  a->base = os_map_anon (reserved);
  return a->base ? 0 : -1;
}

/* Give back all but the first KEEP bytes. */
static void
area_shrink (struct dedup *x, struct dedup_area *a, uint64_t keep)
{
  uint64_t len;

  keep = align_up (keep, OS_PAGE_SIZE);
  if (keep >= a->committed)
    return;
  /* If the kernel refuses, the memory is still in use, and counts. */
  len = a->committed - keep;
  if (os_give_back (a->base + keep, len) == -1)
    return;
  a->committed = keep;
  budget_give (&x->held, len);
  budget_give (x->budget, len);
}

/* Have memory for the first LEN bytes, at most an OS page more than now.
 * With FORCE, limits are ignored.  0, or -1 with errno ENOSPC.
 */
static int
area_grow (struct dedup *x, struct dedup_area *a, uint64_t len, bool force)
{
  if (len <= a->committed)
    return 0;
  if (len > a->reserved)
    return fail_with (ENOSPC);
  if (force) {
    budget_force (&x->held, OS_PAGE_SIZE);
    budget_force (x->budget, OS_PAGE_SIZE);
  }
  else {
    if (budget_take (&x->held, OS_PAGE_SIZE) == -1)
      return -1;
    if (budget_take (x->budget, OS_PAGE_SIZE) == -1) {
      budget_give (&x->held, OS_PAGE_SIZE);
      return -1;
    }
  }
  a->committed += OS_PAGE_SIZE;
  return 0;
}

static void
area_close (struct dedup *x, struct dedup_area *a)
{
  os_unmap (a->base, a->reserved);
  if (a->committed > 0)
    budget_give (x->budget, a->committed);
}

/* Address space to reserve for the lines of a shard.  It is cheap, but not
 * everywhere.  So the shards together get half the machine's memory.
 */
static uint64_t
lines_reserve (uint64_t limit)
{
  uint64_t bytes = os_total_memory () / 2 / DEDUP_SHARDS;

  if (limit != 0)
    bytes = MIN (bytes, limit);
  bytes = MIN (bytes, ID_MAX * sizeof (struct dedup_line));
  return align_up (MAX (bytes, MIB), OS_PAGE_SIZE);
}

int
shard_open (struct dedup_shard *s, uint64_t limit)
{
  uint64_t bytes = lines_reserve (limit);

  mutex_init (&s->lock);
  return area_open (&s->firsts,
                    MIN (bytes, BUCKETS_MAX * sizeof (struct dedup_line))) == 0
      && area_open (&s->others, bytes) == 0
    ? 0 : -1;
}

void
shard_close (struct dedup *x, struct dedup_shard *s)
{
  area_close (x, &s->firsts);
  area_close (x, &s->others);
  pthread_mutex_destroy (&s->lock);
}

/* Give back memory that is no longer needed: all of it with the last node. */
static void
give_back_memory (struct dedup *x, struct dedup_shard *s)
{
  if (s->nodes == 0) {
    s->end = s->holes = 0;
    s->buckets = 0;
  }
  area_shrink (x, &s->others, s->end * sizeof (struct dedup_line));
  area_shrink (x, &s->firsts, s->buckets * sizeof (struct dedup_line));
}

/* ---- lines that are not the first of a chain ---- */

/* Have memory for one more.  0, or -1 with errno ENOSPC. */
static int
reserve_line (struct dedup *x, struct dedup_shard *s, bool force)
{
  if (s->holes > 0)
    return 0;
  if (s->end == ID_MAX)
    return fail_with (ENOSPC);
  return area_grow (x, &s->others, (s->end + 1) * sizeof (struct dedup_line),
                    force);
}

/* Returns the id of an empty line.  To be called after reserve_line. */
static uint32_t
take_line (struct dedup_shard *s, uint32_t hash)
{
  uint32_t id = s->holes > 0 ? s->hole[--s->holes] : ++s->end;

  *line_at (s, id) = (struct dedup_line) {
    .hash_low = hash & ((1U << HASH_LOW_BITS) - 1),
  };
  return id;
}

static uint32_t
hash_of (const struct dedup_line *line)
{
  return (uint32_t) line->nodes[0].hash_high << HASH_LOW_BITS
    | line->hash_low;
}

/* The line before line ID in a chain, or NULL. */
static struct dedup_line *
line_before (const struct dedup_shard *s, uint32_t bucket, uint32_t id)
{
  struct dedup_line *line = first_line (s, bucket);

  while (line && line->next != id)
    line = next_line (s, line);
  return line;
}

/* Move the last line to ID, and link it there to the line before it in its
 * chain.  While a chain is split or merged, that may be the old or the new
 * one.
 */
static void
move_last_line (struct dedup_shard *s, uint32_t id)
{
  uint32_t last = s->end, hash = hash_of (line_at (s, last));
  struct dedup_line *prev = line_before (s, bucket_of (s->buckets, hash),
                                         last);

  if (!prev)
    prev = line_before (s, bucket_of (s->buckets - 1, hash), last);
  prev->next = id & ID_MAX;
  *line_at (s, id) = *line_at (s, last);
}

static void
forget_hole (struct dedup_shard *s, uint32_t id)
{
  uint32_t i = 0;

  while (s->hole[i] != id)
    ++i;
  s->hole[i] = s->hole[--s->holes];
}

/* Line ID is empty, and in no chain: free it.  When there are enough holes,
 * the last line moves to it.  Memory is not given back, since split_chain may
 * need a line again.
 */
static void
free_line (struct dedup_shard *s, uint32_t id)
{
  if (s->holes < DEDUP_HOLES) {
    s->hole[s->holes++] = id;
    return;
  }
  if (id != s->end) {
    if (line_is_empty (line_at (s, s->end))) {
      forget_hole (s, s->end);
      s->hole[s->holes++] = id;
    }
    else
      move_last_line (s, id);
  }
  s->end--;
}

/* ---- chains ---- */

/* Add NODE at the end of a chain.  0, or -1 with errno ENOSPC when that takes
 * another line, and there is no memory for it.
 */
static int
chain_append (struct dedup *x, struct dedup_shard *s, uint32_t bucket,
              const struct dedup_node *node, bool force)
{
  struct dedup_line *line = first_line (s, bucket);
  unsigned i;

  while (line->next != 0)
    line = next_line (s, line);
  i = line_count (line);
  if (i == LINE_NODES) {
    if (reserve_line (x, s, force) == -1)
      return -1;
    line->next = take_line (s, bucket) & ID_MAX;
    line = next_line (s, line);
    i = 0;
  }
  line->nodes[i] = *node;
  return 0;
}

/* Remove the node at POS of a chain, and return it.  The last node of the
 * chain takes its position.
 */
static struct dedup_node
chain_remove (struct dedup_shard *s, uint32_t bucket, unsigned pos)
{
  struct dedup_line *line = first_line (s, bucket), *prev = NULL;
  struct dedup_node *gap = NULL, node;
  unsigned i;
  uint32_t id;

  for (;; prev = line, line = next_line (s, line), pos -= LINE_NODES) {
    if (!gap && pos < LINE_NODES)
      gap = &line->nodes[pos];
    if (line->next == 0)
      break;
  }
  i = line_count (line);
  node = *gap;
  *gap = line->nodes[i - 1];
  line->nodes[i - 1] = (struct dedup_node) { .place_low = 0 };
  if (i == 1 && prev) {
    id = prev->next;
    prev->next = 0;
    free_line (s, id);
  }
  return node;
}

static uint32_t
node_hash (const struct dedup_node *n, uint32_t bucket)
{
  return (uint32_t) n->hash_high << HASH_LOW_BITS
    | (bucket & ((1U << HASH_LOW_BITS) - 1));
}

static struct dedup_node *
chain_get (const struct dedup_shard *s, uint32_t bucket, unsigned pos)
{
  struct chain_at at;
  struct dedup_node *n = chain_start (s, bucket, &at);

  while (n && at.pos < pos)
    n = chain_next (s, &at);
  return n;
}

/* How many chains NODES should be in: whole OS pages of first lines, rounded
 * to the nearest.
 */
static uint32_t
buckets_for (uint64_t nodes)
{
  uint64_t pages = (nodes * 10 / LOAD + LINES_PER_PAGE / 2) / LINES_PER_PAGE;

  return (uint32_t) MIN (MAX (pages, 1) * LINES_PER_PAGE, BUCKETS_MAX);
}

/* Distribute the nodes of a chain among it and a new last chain, for which
 * there is memory.  Each line that this takes was freed before, so it can't
 * fail.
 */
static void
split_chain (struct dedup *x, struct dedup_shard *s)
{
  uint32_t new = s->buckets, old = new & bucket_mask (new + 1) >> 1;
  struct dedup_node *n, node;
  unsigned pos = 0;

  s->buckets = new + 1;
  while ((n = chain_get (s, old, pos)))
    if (bucket_of (new + 1, node_hash (n, old)) == new) {
      node = chain_remove (s, old, pos);
      chain_append (x, s, new, &node, true);
    }
    else
      ++pos;
}

/* Append the last chain to the one it was split from.  This may take one
 * line more than it frees.  0, or -1 with errno ENOSPC.
 */
static int
merge_chain (struct dedup *x, struct dedup_shard *s)
{
  uint32_t last = s->buckets - 1;
  uint32_t into = last & bucket_mask (s->buckets) >> 1;
  struct dedup_node node;

  if (reserve_line (x, s, false) == -1)
    return -1;
  while (!line_is_empty (first_line (s, last))) {
    node = chain_remove (s, last, 0);
    chain_append (x, s, into, &node, true);
  }
  s->buckets = last;
  return 0;
}

/* Without memory, chains stay long, which does no harm. */
static void
add_buckets (struct dedup *x, struct dedup_shard *s, bool force)
{
  uint32_t target = buckets_for (s->nodes);

  for (int i = 0; i < RESIZE_STEPS && s->buckets < target; ++i) {
    if (area_grow (x, &s->firsts,
                   (s->buckets + 1) * sizeof (struct dedup_line), force) == -1)
      return;
    split_chain (x, s);
  }
}

static void
remove_buckets (struct dedup *x, struct dedup_shard *s)
{
  /* Fewer nodes than those at which chains were added, so that they are not
   * added and removed in turns.
   */
  uint64_t nodes = s->nodes;
  uint32_t target = buckets_for (nodes + nodes / 16 + LINES_PER_PAGE);

  for (int i = 0; i < RESIZE_STEPS && s->buckets > target; ++i)
    if (merge_chain (x, s) == -1)
      return;
}

/* ---- nodes ---- */

/* Have the first chains, before the first node is added: an OS page of them,
 * which is zeroed, since it is new or all its nodes were removed.
 */
static int
add_first_buckets (struct dedup *x, struct dedup_shard *s, bool force)
{
  if (s->buckets > 0)
    return 0;
  if (area_grow (x, &s->firsts, OS_PAGE_SIZE, force) == -1)
    return -1;
  s->buckets = LINES_PER_PAGE;
  return 0;
}

int
shard_add (struct dedup *x, struct dedup_shard *s, uint32_t hash,
           const struct dedup_node *node, bool force)
{
  if (add_first_buckets (x, s, force) == -1
      || chain_append (x, s, bucket_of (s->buckets, hash), node, force) == -1)
    return -1;
  s->nodes++;
  add_buckets (x, s, force);
  give_back_memory (x, s);
  return 0;
}

void
shard_remove (struct dedup *x, struct dedup_shard *s, uint32_t bucket,
              unsigned pos)
{
  chain_remove (s, bucket, pos);
  s->nodes--;
  remove_buckets (x, s);
  give_back_memory (x, s);
}
