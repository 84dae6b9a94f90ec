/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "walk.h"

bool
is_selected (const struct selection *s, slot_t slot, page_info info)
{
  bool idle = (info & INFO_IDLE) != 0
    || (s->idle_age != 0 && info_age (info) >= s->idle_age);

  switch (s->type) {
  case PAGES_IDLE:
    return idle;
  case PAGES_HUGE:
    return slot_is_huge (slot);
  case PAGES_HUGE_IDLE:
    return slot_is_huge (slot) && idle;
  case PAGES_INCOMPRESSIBLE:
    return (info & INFO_INCOMPRESSIBLE) != 0;
  case PAGES_STALE:
    return (info & INFO_STALE) != 0;
  default:
    return true;
  }
}

/* Call FN for each device, until it returns false.  Then the next walk begins
 * after that device, so that each device has its turn, even if jobs end early,
 * as those of the maintainer do.
 */
static void
walk_devices (struct pool *pool, bool (*fn) (struct device *d, void *opaque),
              void *opaque)
{
  unsigned first = pool->walk_from;

  for (unsigned i = 0; i < POOL_DEVICES_MAX; ++i) {
    unsigned n = (first + i) % POOL_DEVICES_MAX;

    if (pool->devices[n] && !fn (pool->devices[n], opaque)) {
      pool->walk_from = (n + 1) % POOL_DEVICES_MAX;
      return;
    }
  }
}

struct all_leaves_walk {
  const struct job *job;
  bool (*fn) (struct device *d, uint64_t leaf, void *opaque);
  void *opaque;
};

static bool
walk_leaves_of (struct device *d, void *opaque)
{
  const struct all_leaves_walk *w = opaque;

  for (uint64_t leaf = table_next_leaf (&d->table, 0);
       leaf < d->table.leaves; leaf = table_next_leaf (&d->table, leaf + 1))
    if (!job_goes_on (w->job) || !w->fn (d, leaf, w->opaque))
      return false;
  return true;
}

void
walk_all_leaves (struct pool *pool, const struct job *job,
                 bool (*fn) (struct device *d, uint64_t leaf, void *opaque),
                 void *opaque)
{
  struct all_leaves_walk w = { job, fn, opaque };

  walk_devices (pool, walk_leaves_of, &w);
}

/* Copy the slots of a leaf that are selected, and their infos; the other slots
 * become EMPTY.  Returns whether any is selected.
 */
static bool
copy_selected (const struct device *d, uint64_t leaf,
               const struct selection *s, slot_t slots[LEAF_SLOTS],
               page_info infos[LEAF_SLOTS])
{
  uint64_t first = leaf * LEAF_SLOTS;
  bool any = false;

  if (!table_copy_leaf (&d->table, leaf, slots))
    return false;
  for (unsigned i = 0; i < LEAF_SLOTS; ++i) {
    bool in_range = first + i < d->pages
      && (!s->device || (first + i >= s->first && first + i < s->end));

    if (!in_range || !slot_has_object (slots[i])) {
      slots[i] = SLOT_EMPTY;
      continue;
    }
    infos[i] = table_info (&d->table, first + i);
    if (is_selected (s, slots[i], infos[i]))
      any = true;
    else
      slots[i] = SLOT_EMPTY;
  }
  return any;
}

struct leaf_walk {
  const struct selection *selection;
  const struct job *job;
  bool (*fn) (struct device *d, uint64_t first,
              const slot_t slots[LEAF_SLOTS],
              const page_info infos[LEAF_SLOTS], void *opaque);
  void *opaque;
};

static bool
walk_device (struct device *d, void *opaque)
{
  const struct leaf_walk *w = opaque;
  const struct selection *s = w->selection;
  uint64_t from = s->device ? s->first / LEAF_SLOTS : 0;
  uint64_t end = s->device ? div_up (s->end, LEAF_SLOTS) : d->table.leaves;
  slot_t slots[LEAF_SLOTS];
  page_info infos[LEAF_SLOTS];

  for (uint64_t leaf = table_next_leaf (&d->table, from); leaf < end;
       leaf = table_next_leaf (&d->table, leaf + 1)) {
    if (!job_goes_on (w->job))
      return false;
    if (copy_selected (d, leaf, s, slots, infos)
        && !w->fn (d, leaf * LEAF_SLOTS, slots, infos, w->opaque))
      return false;
  }
  return true;
}

void
walk_leaves (struct pool *pool, const struct selection *s,
             const struct job *job,
             bool (*fn) (struct device *d, uint64_t first,
                         const slot_t slots[LEAF_SLOTS],
                         const page_info infos[LEAF_SLOTS], void *opaque),
             void *opaque)
{
  struct leaf_walk w = { s, job, fn, opaque };

  if (s->device)
    walk_device (s->device, &w);
  else
    walk_devices (pool, walk_device, &w);
}

/* ---- page by page ---- */

struct page_walk {
  const struct job *job;
  bool (*fn) (struct device *d, uint64_t index, slot_t slot, page_info info,
              void *opaque);
  void *opaque;
};

static bool
visit_pages (struct device *d, uint64_t first, const slot_t slots[LEAF_SLOTS],
             const page_info infos[LEAF_SLOTS], void *opaque)
{
  const struct page_walk *w = opaque;

  for (unsigned i = 0; i < LEAF_SLOTS; ++i)
    if (slots[i] != SLOT_EMPTY
        && (!w->fn (d, first + i, slots[i], infos[i], w->opaque)
            || !job_goes_on (w->job)))
      return false;
  return true;
}

void
walk_selected (struct pool *pool, const struct selection *s,
               const struct job *job,
               bool (*fn) (struct device *d, uint64_t index, slot_t slot,
                           page_info info, void *opaque),
               void *opaque)
{
  struct page_walk w = { job, fn, opaque };

  walk_leaves (pool, s, job, visit_pages, &w);
}
