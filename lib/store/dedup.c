/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "dedup-internal.h"

/* How many chains dedup_forget visits before it releases the lock to let
 * requests go first.
 */
#define FORGET_BATCH 16

int
dedup_open (struct dedup *x, struct budget *budget, uint64_t limit)
{
  int r = 0;

  *x = (struct dedup) { .budget = budget, .held.limit = limit };
  for (unsigned i = 0; i < DEDUP_SHARDS; ++i)
    if (shard_open (&x->shards[i], limit) == -1)
      r = -1;
  if (r == -1) {
    dedup_close (x);
    errno = ENOMEM;
  }
  return r;
}

void
dedup_close (struct dedup *x)
{
  if (!x->budget)
    return;
  for (unsigned i = 0; i < DEDUP_SHARDS; ++i)
    shard_close (x, &x->shards[i]);
  x->budget = NULL;
}

void
dedup_prefetch (struct dedup *x, uint32_t fp)
{
  struct dedup_shard *s = dedup_shard_of (x, fp);
  /* Read without the lock: a wrong value costs a useless prefetch. */
  uint32_t buckets = atomic_load_explicit (&s->buckets, memory_order_relaxed);

  if (buckets > 0)
    PREFETCH (first_line (s, bucket_of (buckets, dedup_hash (fp))),
              sizeof (struct dedup_line), 1);
}

/* The first line of the chain of FP, or NULL. */
static struct dedup_line *
chain_of (const struct dedup_shard *s, uint32_t fp)
{
  return s->buckets == 0
    ? NULL : first_line (s, bucket_of (s->buckets, dedup_hash (fp)));
}

/* The node of the object of SLOT, and its position in *POS; or NULL. */
static struct dedup_node *
find_node (const struct dedup_shard *s, uint32_t fp, slot_t slot,
           unsigned *pos)
{
  uint64_t place = place_of_slot (slot);

  *pos = 0;
  for (struct dedup_line *line = chain_of (s, fp); line;
       line = next_line (s, line), *pos += LINE_NODES) {
    unsigned found = 0;

    for (unsigned i = 0; i < LINE_NODES; ++i)
      found |= ((unsigned) (node_place (&line->nodes[i]) == place)
                & (unsigned) (node_refs (&line->nodes[i]) > 0)) << i;
    if (found) {
      unsigned i = (unsigned) __builtin_ctz (found);

      *pos += i;
      return &line->nodes[i];
    }
  }
  return NULL;
}

static bool
chain_is_full (const struct dedup_shard *s, uint32_t fp)
{
  const struct dedup_line *line;
  unsigned full = 0;

  for (line = chain_of (s, fp); line; line = next_line (s, line))
    full += node_refs (&line->nodes[LINE_NODES - 1]) > 0;
  return full >= DEDUP_CHAIN_MAX / LINE_NODES;
}

static void
add_ref (struct dedup_shard *s, struct dedup_node *n)
{
  node_set_refs (n, node_refs (n) + 1);
  s->shared++;
}

/* A bit for each node of LINE: has it this hash and scope?  Unused nodes may
 * have their bit set, too.
 */
static unsigned
match_nodes (const struct dedup_line *line, uint32_t hash, unsigned scope)
{
  unsigned found = 0;

  for (unsigned i = 0; i < LINE_NODES; ++i)
    found |= (unsigned) ((line->nodes[i].hash_high == hash >> HASH_LOW_BITS)
                         & (line->nodes[i].scope == scope)) << i;
  return found;
}

static bool
may_be_shared (const struct dedup_node *n,
               bool (*usable) (slot_t slot, void *opaque), void *opaque)
{
  return node_refs (n) > 0 && node_refs (n) < DEDUP_REFS_MAX
    && (!usable || usable (slot_of_place (node_place (n)), opaque));
}

/* As dedup_take; the lock is held. */
static slot_t
take_locked (struct dedup_shard *s, uint32_t fp, unsigned scope,
             bool (*usable) (slot_t slot, void *opaque), void *opaque)
{
  struct dedup_line *line;

  for (line = chain_of (s, fp); line; line = next_line (s, line))
    for (unsigned found = match_nodes (line, dedup_hash (fp), scope); found;
         found &= found - 1) {
      struct dedup_node *n = &line->nodes[__builtin_ctz (found)];

      if (may_be_shared (n, usable, opaque)) {
        add_ref (s, n);
        return slot_of_place (node_place (n));
      }
    }
  return SLOT_EMPTY;
}

slot_t
dedup_take (struct dedup *x, uint32_t fp, unsigned scope,
            bool (*usable) (slot_t slot, void *opaque), void *opaque)
{
  struct dedup_shard *s = dedup_shard_of (x, fp);

  LOCK_FOR_SCOPE (&s->lock);
  return take_locked (s, fp, scope, usable, opaque);
}

static int
add_node (struct dedup *x, struct dedup_shard *s, uint32_t fp, unsigned scope,
          slot_t slot, bool force)
{
  struct dedup_node node = {
    .hash_high = dedup_hash (fp) >> HASH_LOW_BITS
                 & ((UINT32_C (1) << HASH_HIGH_BITS) - 1),
    .scope = scope & DEDUP_SCOPE_POOL,
  };

  node_set_place (&node, place_of_slot (slot));
  node_set_refs (&node, 1);
  return shard_add (x, s, dedup_hash (fp), &node, force);
}

int
dedup_insert (struct dedup *x, uint32_t fp, unsigned scope, slot_t slot)
{
  struct dedup_shard *s = dedup_shard_of (x, fp);

  LOCK_FOR_SCOPE (&s->lock);
  if (chain_is_full (s, fp))
    return fail_with (ENOSPC);
  return add_node (x, s, fp, scope, slot, false);
}

slot_t
dedup_take_or_insert (struct dedup *x, uint32_t fp, unsigned scope,
                      slot_t slot)
{
  struct dedup_shard *s = dedup_shard_of (x, fp);
  slot_t other;

  LOCK_FOR_SCOPE (&s->lock);
  other = take_locked (s, fp, scope, NULL, NULL);
  if (other == SLOT_EMPTY && !chain_is_full (s, fp))
    add_node (x, s, fp, scope, slot, false);
  return other;
}

enum dedup_owners
dedup_drop (struct dedup *x, uint32_t fp, slot_t slot)
{
  struct dedup_shard *s = dedup_shard_of (x, fp);
  struct dedup_node *n;
  unsigned pos;

  LOCK_FOR_SCOPE (&s->lock);
  n = find_node (s, fp, slot, &pos);
  if (!n)
    return DEDUP_UNKNOWN;
  if (node_refs (n) > 1) {
    node_set_refs (n, node_refs (n) - 1);
    s->shared--;
    return DEDUP_SHARED;
  }
  shard_remove (x, s, bucket_of (s->buckets, dedup_hash (fp)), pos);
  return DEDUP_LAST;
}

bool
dedup_move (struct dedup *x, uint32_t fp, slot_t from, slot_t to)
{
  struct dedup_shard *s = dedup_shard_of (x, fp);
  struct dedup_node *n;
  unsigned pos;

  LOCK_FOR_SCOPE (&s->lock);
  n = find_node (s, fp, from, &pos);
  if (!n)
    return true;
  if (node_refs (n) > 1)
    return false;
  node_set_place (n, place_of_slot (to));
  return true;
}

int
dedup_claim (struct dedup *x, uint32_t fp, unsigned scope, slot_t slot)
{
  struct dedup_shard *s = dedup_shard_of (x, fp);
  struct dedup_node *n;
  unsigned pos;

  LOCK_FOR_SCOPE (&s->lock);
  n = find_node (s, fp, slot, &pos);
  if (!n) {
    if (add_node (x, s, fp, scope, slot, true) == 0)
      return 0;
    return fail_with (ENOMEM);
  }
  if (node_refs (n) == DEDUP_REFS_MAX)
    return fail_with (EUCLEAN);
  add_ref (s, n);
  return 1;
}

/* Remove the nodes of a chain that are not shared.  With the last node of a
 * shard, its chains are gone.
 */
static void
forget_chain (struct dedup *x, struct dedup_shard *s, uint32_t bucket)
{
  struct chain_at at;
  struct dedup_node *n = chain_start (s, bucket, &at);

  while (n)
    if (node_refs (n) > 1)
      n = chain_next (s, &at);
    else {
      shard_remove (x, s, bucket, at.pos);
      /* From the start, since lines may have moved. */
      n = bucket < s->buckets ? chain_start (s, bucket, &at) : NULL;
    }
}

/* Visit a batch of the chains below *BUCKET, from the highest down, until the
 * shard takes no more than BYTES.  Returns false when there is nothing more
 * to do.  Merging chains moves nodes to a lower one, so none is missed.
 */
static bool
forget_batch (struct dedup *x, struct dedup_shard *s, uint64_t bytes,
              uint32_t *bucket)
{
  LOCK_FOR_SCOPE (&s->lock);
  for (unsigned i = 0; i < FORGET_BATCH; ++i) {
    *bucket = MIN (*bucket, s->buckets);
    if (*bucket == 0 || s->firsts.committed + s->others.committed <= bytes)
      return false;
    forget_chain (x, s, --*bucket);
  }
  return true;
}

void
dedup_forget (struct dedup *x, uint64_t bytes)
{
  for (unsigned i = 0; i < DEDUP_SHARDS; ++i) {
    uint32_t bucket = UINT32_MAX;

    while (forget_batch (x, &x->shards[i], bytes / DEDUP_SHARDS, &bucket))
      ;
  }
}

void
dedup_get_stats (struct dedup *x, struct dedup_stats *st)
{
  *st = (struct dedup_stats) { .bytes = x->held.used };
  for (unsigned i = 0; i < DEDUP_SHARDS; ++i) {
    LOCK_FOR_SCOPE (&x->shards[i].lock);

    st->nodes += x->shards[i].nodes;
    st->shared += x->shards[i].shared;
  }
}
