/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a shard of the index keeps its nodes: in chains of lines.  A line is
 * one line of the processor's cache, so most lookups wait for memory once.
 * All functions that take a shard need its lock, except shard_open and
 * shard_close.
 *
 * The first line of each chain lies in one array, the lines that follow in
 * another.  The latter have an id, their position counted from 1; 0 ends a
 * chain.  The nodes of a chain have no gaps, and zeroed memory is an array of
 * empty chains.  Pointers and positions are valid until the next node is
 * added or removed, which may move others.
 */

#ifndef NBDZRAM_STORE_DEDUP_INTERNAL_H
#define NBDZRAM_STORE_DEDUP_INTERNAL_H

#include "lib/base/os.h"
#include "dedup.h"

#define SHARD_BITS 3
_Static_assert (DEDUP_SHARDS == 1 << SHARD_BITS, "shards");

/* The hash is the part of a fingerprint that differs within a shard.  Its
 * low bits are the same in all nodes of a chain, since there are never fewer
 * than 2^HASH_LOW_BITS chains: an OS page full of first lines.
 */
#define HASH_BITS (SLOT_SUM_BITS - SHARD_BITS)
#define HASH_LOW_BITS 6
#define HASH_HIGH_BITS (HASH_BITS - HASH_LOW_BITS)

#define PLACE_LOW_BITS 32
#define REFS_LOW_BITS 7
#define REFS_HIGH_BITS 5
_Static_assert (DEDUP_REFS_MAX < 1 << (REFS_LOW_BITS + REFS_HIGH_BITS),
                "references");

/* An unused node has 0 references. */
struct dedup_node {
  uint32_t place_low;           /* of the object: its slot, packed */
  uint32_t place_high : 25;
  uint32_t refs_low : REFS_LOW_BITS;
  uint32_t hash_high : HASH_HIGH_BITS;
  uint32_t scope : 9;
  uint32_t refs_high : REFS_HIGH_BITS;
};

#define LINE_NODES 5
#define ID_BITS 26
#define ID_MAX ((UINT32_C (1) << ID_BITS) - 1)

struct dedup_line {
  struct dedup_node nodes[LINE_NODES];
  uint32_t next : ID_BITS;
  uint32_t hash_low : HASH_LOW_BITS; /* not in the first of a chain */
};
_Static_assert (sizeof (struct dedup_line) == CACHE_LINE, "line");

#define LINES_PER_PAGE (OS_PAGE_SIZE / (uint32_t) sizeof (struct dedup_line))
_Static_assert (LINES_PER_PAGE >= 1 << HASH_LOW_BITS, "low bits");

static inline struct dedup_shard *
dedup_shard_of (struct dedup *x, uint32_t fp)
{
  return &x->shards[fp % DEDUP_SHARDS];
}

static inline uint32_t
dedup_hash (uint32_t fp)
{
  return fp >> SHARD_BITS & ((UINT32_C (1) << HASH_BITS) - 1);
}

static inline unsigned
node_refs (const struct dedup_node *n)
{
  return (unsigned) n->refs_high << REFS_LOW_BITS | n->refs_low;
}

static inline void
node_set_refs (struct dedup_node *n, unsigned refs)
{
  n->refs_low = refs & ((1U << REFS_LOW_BITS) - 1);
  n->refs_high = refs >> REFS_LOW_BITS & ((1U << REFS_HIGH_BITS) - 1);
}

/* A place is a slot without its check, with its kind in one bit. */
static inline uint64_t
place_of_slot (slot_t slot)
{
  return slot >> SLOT_PAYLOAD_SHIFT << 1 | slot_is_huge (slot);
}

static inline slot_t
slot_of_place (uint64_t place)
{
  return slot_seal (place >> 1 << SLOT_PAYLOAD_SHIFT
                    | (place & 1 ? SLOT_KIND_HUGE : SLOT_KIND_STORED));
}

static inline uint64_t
node_place (const struct dedup_node *n)
{
  return (uint64_t) n->place_high << PLACE_LOW_BITS | n->place_low;
}

static inline void
node_set_place (struct dedup_node *n, uint64_t place)
{
  n->place_low = (uint32_t) place;
  n->place_high = (uint32_t) (place >> PLACE_LOW_BITS) & ((1U << 25) - 1);
}

/* The bits of a hash that choose among N chains, N > 1: as many as the number
 * of the last chain has.
 */
static inline uint32_t
bucket_mask (uint32_t n)
{
  return UINT32_MAX >> __builtin_clz (n - 1);
}

/* The chain of HASH among N chains. */
static inline uint32_t
bucket_of (uint32_t n, uint32_t hash)
{
  uint32_t mask = bucket_mask (n);
  uint32_t bucket = hash & mask;

  return bucket < n ? bucket : bucket & mask >> 1;
}

static inline struct dedup_line *
first_line (const struct dedup_shard *s, uint32_t bucket)
{
  return (struct dedup_line *) s->firsts.base + bucket;
}

static inline struct dedup_line *
line_at (const struct dedup_shard *s, uint32_t id)
{
  return (struct dedup_line *) s->others.base + (id - 1);
}

static inline struct dedup_line *
next_line (const struct dedup_shard *s, const struct dedup_line *line)
{
  return line->next == 0 ? NULL : line_at (s, line->next);
}

/* How many nodes are in a line.  The loop always looks at all of them: the
 * processor would mispredict where a loop that stops early ends, and that
 * costs more.
 */
static inline unsigned
line_count (const struct dedup_line *line)
{
  unsigned count = 0;

  for (unsigned i = 0; i < LINE_NODES; ++i)
    count += node_refs (&line->nodes[i]) > 0;
  return count;
}

static inline bool
line_is_empty (const struct dedup_line *line)
{
  return node_refs (&line->nodes[0]) == 0;
}

/* A position in a chain, for loops:
 * for (n = chain_start (...); n; n = chain_next (...))
 */
struct chain_at {
  struct dedup_line *line;
  unsigned i;                   /* in the line */
  unsigned pos;                 /* in the chain */
};

static inline struct dedup_node *
chain_node_at (const struct chain_at *at)
{
  struct dedup_node *n = &at->line->nodes[at->i];

  return node_refs (n) == 0 ? NULL : n;
}

static inline struct dedup_node *
chain_start (const struct dedup_shard *s, uint32_t bucket,
             struct chain_at *at)
{
  *at = (struct chain_at) { .line = first_line (s, bucket) };
  return chain_node_at (at);
}

static inline struct dedup_node *
chain_next (const struct dedup_shard *s, struct chain_at *at)
{
  at->pos++;
  if (++at->i == LINE_NODES) {
    at->line = next_line (s, at->line);
    at->i = 0;
    if (!at->line)
      return NULL;
  }
  return chain_node_at (at);
}

/* 0, or -1 with errno ENOMEM.  LIMIT as in dedup_open. */
int shard_open (struct dedup_shard *s, uint64_t limit);
void shard_close (struct dedup *x, struct dedup_shard *s);

/* Add NODE, which has HASH, to its chain.  With FORCE, limits are ignored.
 * 0, or -1 with errno ENOSPC.
 */
int shard_add (struct dedup *x, struct dedup_shard *s, uint32_t hash,
               const struct dedup_node *node, bool force);

/* Remove the node at position POS of chain BUCKET. */
void shard_remove (struct dedup *x, struct dedup_shard *s, uint32_t bucket,
                   unsigned pos);

#endif /* NBDZRAM_STORE_DEDUP_INTERNAL_H */
