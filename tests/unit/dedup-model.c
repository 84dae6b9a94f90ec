/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random operations on an index of fingerprints, compared with a list. */

#include <config.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "tests/lib/dedup-index.h"

static struct rng rng;

#define MODEL_OBJECTS 8000

struct object {
  uint32_t fp;
  unsigned scope, refs;
  bool indexed;                 /* false after dedup_forget */
  slot_t slot;
};

struct model {
  struct fixture f;
  struct object objects[MODEL_OBJECTS];
  unsigned count, max;
  unsigned shards;              /* how many shards are used */
  bool crowded;                 /* all nodes are in few chains */
  uint64_t made;                /* objects, ever */
};

static uint32_t
model_fp (const struct model *m)
{
  uint32_t fp = fp_of (rng_below (&rng, m->max / 2));

  fp &= m->crowded ? ~0x1ffU : ~(DEDUP_SHARDS - 1U);
  return fp | (uint32_t) rng_below (&rng, m->shards);
}

static bool
by_salt (slot_t slot, void *opaque)
{
  return (slot * *(uint64_t *) opaque >> 63) == 0;
}

static void
model_insert (struct model *m)
{
  struct object *o = &m->objects[m->count];

  if (m->count == m->max)
    return;
  *o = (struct object) {
    .fp = model_fp (m),
    .scope = rng_below (&rng, 4) == 0 ? DEDUP_SCOPE_POOL : 510,
    .refs = 1,
    .indexed = true,
  };
  o->slot = slot_of (m->made++, o->fp);
  if (!m->crowded && rng_below (&rng, 2))
    assert_int_equal (dedup_insert (&m->f.x, o->fp, o->scope, o->slot), 0);
  else
    assert_int_equal (dedup_claim (&m->f.x, o->fp, o->scope, o->slot), 0);
  m->count++;
}

static void
model_take (struct model *m)
{
  uint32_t fp = model_fp (m);
  unsigned scope = rng_below (&rng, 2) ? DEDUP_SCOPE_POOL : 510;
  uint64_t salt = rng_next (&rng) | 1;
  slot_t got = dedup_take (&m->f.x, fp, scope, by_salt, &salt);
  unsigned could = 0, found = 0;

  for (struct object *o = m->objects; o < m->objects + m->count; ++o)
    if (o->indexed && o->fp == fp && o->scope == scope
        && o->refs < DEDUP_REFS_MAX && by_salt (o->slot, &salt)) {
      could++;
      if (o->slot == got) {
        o->refs++;
        found++;
      }
    }
  assert_int_equal (found, could > 0);
  assert_int_equal (got != SLOT_EMPTY, could > 0);
}

static void
model_drop (struct model *m, struct object *o)
{
  assert_int_equal (drop (&m->f.x, o->fp, o->slot), o->refs == 1);
  if (--o->refs == 0)
    *o = m->objects[--m->count];
}

static void
model_move (struct model *m, struct object *o)
{
  slot_t to = slot_of (m->made++, o->fp);

  assert_int_equal (dedup_move (&m->f.x, o->fp, o->slot, to), o->refs == 1);
  if (o->refs == 1)
    o->slot = to;
}

static void
model_claim (struct model *m, struct object *o)
{
  if (o->refs == DEDUP_REFS_MAX)
    return;
  assert_int_equal (dedup_claim (&m->f.x, o->fp, o->scope, o->slot),
                    o->indexed);
  o->refs += o->indexed;
  o->indexed = true;
}

static void
model_forget (struct model *m)
{
  dedup_forget (&m->f.x, 0);
  for (unsigned i = 0; i < m->count; ++i)
    m->objects[i].indexed &= m->objects[i].refs > 1;
}

static void
model_check (struct model *m)
{
  uint64_t nodes = 0, shared = 0;

  for (unsigned i = 0; i < m->count; ++i) {
    nodes += m->objects[i].indexed;
    shared += m->objects[i].refs - 1;
  }
  assert_index_ok (&m->f.x);
  assert_stats (&m->f, nodes, shared);
}

/* GROW of ten times insert an object, otherwise drop one. */
static void
model_step (struct model *m, unsigned grow)
{
  struct object *o = &m->objects[rng_below (&rng, MAX (m->count, 1))];

  if (rng_below (&rng, 10) < grow)
    model_insert (m);
  else if (m->count > 0)
    model_drop (m, o);
  if (m->count == 0)
    return;

  o = &m->objects[rng_below (&rng, m->count)];
  switch (rng_below (&rng, 20)) {
  case 0: model_take (m); break;
  case 1: model_move (m, o); break;
  case 2: model_claim (m, o); break;
  }
}

static void
compare_with_a_list (unsigned max, unsigned shards, bool crowded)
{
  static struct model m;
  unsigned grow = 8, steps = unit_scaled (200000);

  m = (struct model) { .max = max, .shards = shards, .crowded = crowded };
  open_index (&m.f, 0);
  for (unsigned i = 0; i < steps; ++i) {
    if (m.count == m.max)
      grow = 2;
    else if (m.count == 0)
      grow = 8;
    model_step (&m, grow);
    if (i % 1000 == 0)
      model_check (&m);
    if (i % 50000 == 49999)
      model_forget (&m);
  }
  model_check (&m);
  while (m.count > 0)
    model_drop (&m, &m.objects[m.count - 1]);
  model_check (&m);
  close_index (&m.f);
}

TEST (as_a_list)
{
  compare_with_a_list (MODEL_OBJECTS, 2, false);
}

/* With few long chains, the line that moves often belongs to the chain that is
 * split or merged.
 */
TEST (as_a_list_in_long_chains)
{
  compare_with_a_list (1000, 1, true);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (as_a_list),
    cmocka_unit_test (as_a_list_in_long_chains),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dedup-model", tests, NULL, NULL);
}
