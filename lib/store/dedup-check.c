/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the invariants of the index. */

#include <config.h>

#include "dedup-internal.h"

#define CHECK(cond) do { if (!(cond)) return #cond; } while (0)

/* Counted along all chains of a shard. */
struct chain_totals {
  uint64_t nodes, shared, lines;
};

static const char *
check_node (const struct dedup_shard *s, struct chain_at at, uint32_t bucket)
{
  const struct dedup_node *n = chain_node_at (&at), *other;
  uint64_t place = node_place (n);
  uint32_t low = bucket & ((1U << HASH_LOW_BITS) - 1);
  slot_t slot = slot_of_place (place);

  CHECK (bucket_of (s->buckets, (uint32_t) n->hash_high << HASH_LOW_BITS | low)
         == bucket);
  CHECK (slot_verify (slot) == slot && slot_has_object (slot));
  CHECK (place_of_slot (slot) == place);
  while ((other = chain_next (s, &at)))
    CHECK (node_place (other) != place);
  return NULL;
}

static bool
line_has_gap (const struct dedup_line *line)
{
  for (unsigned i = 1; i < LINE_NODES; ++i)
    if (node_refs (&line->nodes[i - 1]) == 0
        && node_refs (&line->nodes[i]) > 0)
      return true;
  return false;
}

static const char *
check_lines (const struct dedup_shard *s, uint32_t bucket,
             struct chain_totals *f)
{
  const struct dedup_line *line = first_line (s, bucket);
  uint32_t low = bucket & ((1U << HASH_LOW_BITS) - 1);

  CHECK (!line_has_gap (line));
  for (uint32_t id; (id = line->next) != 0; ) {
    /* All lines but the last are full. */
    CHECK (node_refs (&line->nodes[LINE_NODES - 1]) > 0);
    CHECK (id <= s->end);
    line = line_at (s, id);
    CHECK (line->hash_low == low);
    CHECK (!line_is_empty (line) && !line_has_gap (line));
    /* Too many lines: the chain has a loop. */
    CHECK (++f->lines <= s->end);
  }
  return NULL;
}

static const char *
check_chain (const struct dedup_shard *s, uint32_t bucket,
             struct chain_totals *f)
{
  struct chain_at at;
  const char *wrong = check_lines (s, bucket, f);

  if (wrong)
    return wrong;
  for (const struct dedup_node *n = chain_start (s, bucket, &at); n;
       n = chain_next (s, &at)) {
    wrong = check_node (s, at, bucket);
    if (wrong)
      return wrong;
    f->nodes++;
    f->shared += node_refs (n) - 1;
  }
  return NULL;
}

static const char *
check_holes (const struct dedup_shard *s)
{
  CHECK (s->holes <= DEDUP_HOLES);
  for (uint32_t i = 0; i < s->holes; ++i) {
    CHECK (s->hole[i] > 0 && s->hole[i] <= s->end);
    CHECK (line_is_empty (line_at (s, s->hole[i])));
    for (uint32_t j = 0; j < i; ++j)
      CHECK (s->hole[j] != s->hole[i]);
  }
  return NULL;
}

static const char *
check_area (const struct dedup_area *a, uint64_t lines)
{
  CHECK (a->committed
         == align_up (lines * sizeof (struct dedup_line), OS_PAGE_SIZE));
  CHECK (a->committed <= a->reserved);
  return NULL;
}

static const char *
check_shard (const struct dedup_shard *s)
{
  struct chain_totals f = { .nodes = 0 };
  const char *wrong = check_holes (s);

  if (!wrong)
    wrong = check_area (&s->firsts, s->buckets);
  if (!wrong)
    wrong = check_area (&s->others, s->end);
  for (uint32_t b = 0; !wrong && b < s->buckets; ++b)
    wrong = check_chain (s, b, &f);
  if (wrong)
    return wrong;

  CHECK (f.nodes == s->nodes);
  CHECK (f.shared == s->shared);
  CHECK (f.lines + s->holes == s->end);
  CHECK ((s->buckets == 0) == (f.nodes == 0));
  return NULL;
}

/* All shards are locked. */
static const char *
check_all (const struct dedup *x)
{
  uint64_t committed = 0;

  for (unsigned i = 0; i < DEDUP_SHARDS; ++i) {
    const struct dedup_shard *s = &x->shards[i];
    const char *wrong = check_shard (s);

    if (wrong)
      return wrong;
    committed += s->firsts.committed + s->others.committed;
  }
  CHECK (x->held.used == committed);
  CHECK (x->budget->used >= committed);
  return NULL;
}

const char *
dedup_check (struct dedup *x)
{
  const char *wrong;

  for (unsigned i = 0; i < DEDUP_SHARDS; ++i)
    pthread_mutex_lock (&x->shards[i].lock);
  wrong = check_all (x);
  for (unsigned i = 0; i < DEDUP_SHARDS; ++i)
    pthread_mutex_unlock (&x->shards[i].lock);
  return wrong;
}
