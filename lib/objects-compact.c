/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which objects compaction moves, and where to. */

#include <config.h>

#include <errno.h>

#include "objects-internal.h"

/* Objects of a zspage behind which memory stands, free ones included. */
static uint32_t
objects_committed (const struct zspage *z, const struct size_class *sc)
{
  return MIN (z->committed / sc->size, sc->objects);
}

/* How many more objects a class can hold in the memory that it has. */
static uint64_t
free_committed (const struct objects *o, const struct object_class *oc,
                const struct size_class *sc)
{
  uint64_t free = 0;

  for (int g = 0; g < GROUPS_TAKEN_FROM; ++g)
    for (uint32_t f = oc->heads[g]; f != NIL; f = o->zspages[f].next)
      free += objects_committed (&o->zspages[f], sc) - o->zspages[f].used;
  return free;
}

/* Emptiest first, as long as the zspages that stay have room for what
 * the isolated ones hold: that is, as long as all that a zspage has is
 * free.  Only room with memory behind it counts, since compaction must
 * not need any.
 */
static uint32_t
isolate_class (struct objects *o, uint32_t cls)
{
  struct object_class *oc = &o->classes[cls];
  const struct size_class *sc = size_class_at (o, cls);
  uint32_t isolated = 0, next;
  uint64_t free;

  LOCK_FOR_SCOPE (&oc->lock);
  free = free_committed (o, oc, sc);
  for (int g = 0; g < GROUPS_TAKEN_FROM; ++g)
    for (uint32_t f = oc->heads[g]; f != NIL; f = next) {
      uint32_t committed = objects_committed (&o->zspages[f], sc);

      next = o->zspages[f].next;
      if (free < committed)
        continue;
      zspage_unlink (o, oc, f);
      zspage_link (o, oc, f, GROUP_ISOLATED);
      isolated++;
      free -= committed;
    }
  return isolated;
}

uint32_t
objects_isolate (struct objects *o)
{
  uint32_t isolated = 0;

  for (uint32_t c = 0; c < o->sizes->count; ++c)
    isolated += isolate_class (o, c);
  return isolated;
}

bool
object_may_sink (struct objects *o, uint64_t offset)
{
  uint64_t frame = offset / o->sizes->zspage_size;

  return frame < o->arena->frames
    && atomic_load_explicit (&o->zspages[frame].group, memory_order_relaxed)
       < GROUPS_TAKEN_FROM;
}

int
object_alloc_below (struct objects *o, uint64_t below, uint32_t bytes,
                    uint64_t *offset)
{
  uint32_t cls = size_class_of (o->sizes, bytes);
  struct object_class *oc = &o->classes[cls];
  uint32_t frame = (uint32_t) (below / o->sizes->zspage_size);
  uint32_t n = object_number (o, cls, below);
  struct zspage *z;

  LOCK_FOR_SCOPE (&oc->lock);
  z = &o->zspages[frame];
  if (n == NO_OBJECT || z->class_plus_1 != cls + 1 || z->group >= GROUPS_TAKEN_FROM
      || lowest_free (z) >= n) {
    errno = ENOSPC;
    return -1;
  }
  *offset = object_take (o, oc, frame, size_class_at (o, cls),
                         lowest_free (z), bytes);
  return 0;
}

static void
trim_tail (struct objects *o, struct object_class *oc, uint32_t frame,
           const struct size_class *sc)
{
  struct zspage *z = &o->zspages[frame];
  uint32_t end = objects_reach (z, sc->objects) * sc->size;
  uint32_t keep = (uint32_t) align_up (end, OS_PAGE_SIZE);

  if (keep >= z->committed)
    return;
  arena_decommit (o->arena, frame, keep, z->committed);
  oc->committed -= z->committed - keep;
  z->committed = keep;
}

static void
class_compaction_done (struct objects *o, uint32_t cls)
{
  struct object_class *oc = &o->classes[cls];
  const struct size_class *sc = size_class_at (o, cls);
  uint32_t f;

  LOCK_FOR_SCOPE (&oc->lock);
  while ((f = oc->heads[GROUP_ISOLATED]) != NIL) {
    zspage_unlink (o, oc, f);
    zspage_link (o, oc, f, group_of (&o->zspages[f], sc->objects));
  }
  for (int g = 0; g < GROUPS_TAKEN_FROM; ++g)
    for (f = oc->heads[g]; f != NIL; f = o->zspages[f].next)
      trim_tail (o, oc, f, sc);
}

void
objects_compaction_done (struct objects *o)
{
  for (uint32_t c = 0; c < o->sizes->count; ++c)
    class_compaction_done (o, c);
  arena_drain (o->arena);
}
