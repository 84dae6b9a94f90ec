/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The allocator's part of compaction: which objects move, and where to. */

#include <config.h>

#include <errno.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "objects-internal.h"

/* Requests need the lock of a class, too, and a class may have hundreds of
 * thousands of zspages.  So the lock is released after this many, and after
 * each zspage when memory is freed.
 */
#define LOCKED_STEPS 64

/* Return how many objects of a zspage have memory, including free ones. */
static uint32_t
objects_committed (const struct zspage *z, const struct size_class *sc)
{
  return MIN (z->committed / sc->size, sc->objects);
}

/* Lock and return the class of the zspage in FRAME, if objects are allocated
 * from it.  Otherwise return NULL.
 */
static struct object_class *
lock_frame (struct objects *o, uint32_t frame)
{
  struct zspage *z = &o->zspages[frame];
  uint8_t class_plus_1 = z->class_plus_1;
  struct object_class *oc;

  if (class_plus_1 == 0
      || atomic_load_explicit (&z->group, memory_order_relaxed)
         >= GROUPS_TAKEN_FROM)
    return NULL;
  oc = &o->classes[class_plus_1 - 1];
  pthread_mutex_lock (&oc->lock);
  if (z->class_plus_1 == class_plus_1 && z->group < GROUPS_TAKEN_FROM)
    return oc;
  pthread_mutex_unlock (&oc->lock);
  return NULL;
}

/* Put in FREE how many more objects fit in each class's committed memory. */
static void
count_free_objects (struct objects *o, uint64_t free[SIZE_CLASSES_MAX])
{
  uint32_t high_water = o->high_water;

  for (uint32_t c = 0; c < SIZE_CLASSES_MAX; ++c)
    free[c] = 0;
  for (uint32_t f = 0; f < high_water; ++f) {
    struct object_class *oc = lock_frame (o, f);

    if (oc) {
      uint32_t cls = (uint32_t) (oc - o->classes);

      free[cls] += objects_committed (&o->zspages[f], size_class_at (o, cls))
                   - o->zspages[f].used;
      pthread_mutex_unlock (&oc->lock);
    }
  }
}

/* Isolate zspages of the first LOCKED_STEPS of a list, as far as the class
 * has room for their objects: *FREE objects, which is reduced.
 */
static uint32_t
isolate_some_zspages (struct objects *o, uint32_t cls, int group,
                      uint64_t *free)
{
  struct object_class *oc = &o->classes[cls];
  uint32_t isolated = 0, next;

  LOCK_FOR_SCOPE (&oc->lock);
  next = oc->heads[group];
  for (unsigned i = 0; i < LOCKED_STEPS && next != NIL; ++i) {
    uint32_t f = next;
    uint32_t committed = objects_committed (&o->zspages[f],
                                            size_class_at (o, cls));

    next = o->zspages[f].next;
    if (*free < committed)
      continue;
    zspage_unlink (o, oc, f);
    zspage_link (o, oc, f, GROUP_ISOLATED);
    isolated++;
    *free -= committed;
  }
  return isolated;
}

/* Isolates the emptiest zspages first, as long as the remaining ones have
 * room for the objects of the isolated ones.  That holds as long as the
 * class has as many free objects as the next zspage has objects with memory,
 * free ones included.  Only free objects with memory count, since compaction
 * must not need new memory.  If requests take that room meanwhile, some
 * objects stay where they are.
 */
uint32_t
objects_isolate (struct objects *o)
{
  uint64_t free[SIZE_CLASSES_MAX];
  uint32_t isolated = 0, some;

  count_free_objects (o, free);
  for (uint32_t c = 0; c < o->sizes->count; ++c)
    for (int g = 0; g < GROUPS_TAKEN_FROM; ++g)
      do {
        some = isolate_some_zspages (o, c, g, &free[c]);
        isolated += some;
      } while (some > 0);
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
  if (n == NO_OBJECT || z->class_plus_1 != cls + 1
      || z->group >= GROUPS_TAKEN_FROM || lowest_free (z) >= n)
    return fail_with (ENOSPC);
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

  if (keep >= z->committed || z->growing)
    return;
  arena_decommit (o->arena, frame, keep, z->committed);
  oc->committed -= z->committed - keep;
  z->committed = keep;
}

/* Put up to LOCKED_STEPS isolated zspages back in their groups.  Returns
 * false if none is left.
 */
static bool
unisolate_some_zspages (struct objects *o, uint32_t cls)
{
  struct object_class *oc = &o->classes[cls];
  const struct size_class *sc = size_class_at (o, cls);
  uint32_t f = NIL;

  LOCK_FOR_SCOPE (&oc->lock);
  for (unsigned i = 0;
       i < LOCKED_STEPS && (f = oc->heads[GROUP_ISOLATED]) != NIL; ++i) {
    zspage_unlink (o, oc, f);
    zspage_link (o, oc, f, group_of (&o->zspages[f], sc->objects));
  }
  return f != NIL;
}

void
objects_compaction_done (struct objects *o)
{
  uint32_t high_water = o->high_water;

  for (uint32_t c = 0; c < o->sizes->count; ++c)
    while (unisolate_some_zspages (o, c))
      ;
  for (uint32_t f = 0; f < high_water; ++f) {
    struct object_class *oc = lock_frame (o, f);

    if (oc) {
      trim_tail (o, oc, f, size_class_at (o, (uint32_t) (oc - o->classes)));
      pthread_mutex_unlock (&oc->lock);
    }
  }
  if (!arena_has_reserve (o->arena))
    arena_drain (o->arena);
}
