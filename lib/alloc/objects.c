/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "objects-internal.h"

/* A class that has this many zspages takes spare frames with all their
 * memory.  In a smaller class, the unused memory would cost more than the
 * system calls it saves.
 */
#define ZSPAGES_FOR_SPARE 16

static size_t
zspages_bytes (const struct objects *o)
{
  return align_up (o->arena->frames * sizeof (struct zspage), OS_PAGE_SIZE);
}

int
objects_open (struct objects *o, const struct size_classes *sizes,
              struct arena *arena)
{
  o->sizes = sizes;
  o->arena = arena;
  o->high_water = 0;
  o->zspages = os_map_anon (zspages_bytes (o));
  if (!o->zspages)
    return -1;
  for (uint32_t c = 0; c < SIZE_CLASSES_MAX; ++c) {
    struct object_class *oc = &o->classes[c];

    *oc = (struct object_class) { .zspages = 0 };
    mutex_init (&oc->lock);
    for (int g = 0; g < ZSPAGE_GROUPS; ++g)
      oc->heads[g] = NIL;
  }
  return 0;
}

void
objects_close (struct objects *o)
{
  if (!o->zspages)
    return;
  os_unmap (o->zspages, zspages_bytes (o));
  o->zspages = NULL;
  for (uint32_t c = 0; c < SIZE_CLASSES_MAX; ++c)
    pthread_mutex_destroy (&o->classes[c].lock);
}

/* ---- zspages and their lists ---- */

static void
zspage_init (struct zspage *z, uint32_t cls, uint32_t objects,
             uint32_t committed)
{
  z->class_plus_1 = (uint8_t) (cls + 1);
  z->used = 0;
  z->committed = committed;
  z->free[0] = objects >= 64 ? ~UINT64_C (0) : (UINT64_C (1) << objects) - 1;
  z->free[1] = objects >= 128 ? ~UINT64_C (0)
    : objects > 64 ? (UINT64_C (1) << (objects - 64)) - 1 : 0;
  z->shared[0] = z->shared[1] = 0;
  z->growing = false;
}

void
zspage_link (struct objects *o, struct object_class *oc, uint32_t frame,
             uint8_t group)
{
  struct zspage *z = &o->zspages[frame];

  atomic_store_explicit (&z->group, group, memory_order_relaxed);
  z->prev = NIL;
  z->next = oc->heads[group];
  if (z->next != NIL)
    o->zspages[z->next].prev = frame;
  oc->heads[group] = frame;
}

void
zspage_unlink (struct objects *o, struct object_class *oc, uint32_t frame)
{
  struct zspage *z = &o->zspages[frame];

  if (z->prev != NIL)
    o->zspages[z->prev].next = z->next;
  else
    oc->heads[z->group] = z->next;
  if (z->next != NIL)
    o->zspages[z->next].prev = z->prev;
}

/* Call it after a change of used.  An isolated zspage stays isolated. */
static void
zspage_regroup (struct objects *o, struct object_class *oc, uint32_t frame,
                uint32_t objects)
{
  struct zspage *z = &o->zspages[frame];
  uint8_t group = group_of (z, objects);

  if (group == z->group || z->group == GROUP_ISOLATED)
    return;
  zspage_unlink (o, oc, frame);
  zspage_link (o, oc, frame, group);
}

/* ---- taking objects ---- */

static int
zspage_commit (struct objects *o, struct object_class *oc, uint32_t frame,
               uint32_t to)
{
  struct zspage *z = &o->zspages[frame];

  if (arena_commit (o->arena, frame, z->committed, to) == -1)
    return -1;
  oc->committed += to - z->committed;
  z->committed = to;
  return 0;
}

/* Commit at least the first END bytes of a zspage. */
static int
ensure_committed (struct objects *o, struct object_class *oc, uint32_t frame,
                  const struct size_class *sc, uint32_t end)
{
  uint32_t need = (uint32_t) align_up (end, OS_PAGE_SIZE);
  uint32_t ahead = bytes_ahead (oc);
  uint32_t extent = zspage_extent (sc);

  if (end <= o->zspages[frame].committed)
    return 0;
  if (!arena_commits_in_parts (o->arena))
    return zspage_commit (o, oc, frame, extent);
  if (ahead > 0 && need < extent
      && zspage_commit (o, oc, frame, MIN (need + ahead, extent)) == 0)
    return 0;
  return zspage_commit (o, oc, frame, need);
}

/* With a reserve: wake its thread if little memory is left in the zspage. */
static void
prefetch_growth (struct objects *o, struct object_class *oc,
                 const struct zspage *z, const struct size_class *sc)
{
  if (z->committed >= zspage_extent (sc) || oc->low
      || bytes_usable (z, sc) > bytes_ahead (oc) / 2 + OS_PAGE_SIZE)
    return;
  oc->low = true;
  o->arena->reserve_wake (o->arena->reserve_opaque);
}

uint64_t
object_take (struct objects *o, struct object_class *oc, uint32_t frame,
             const struct size_class *sc, uint32_t n, uint32_t bytes)
{
  struct zspage *z = &o->zspages[frame];

  z->free[n / 64] &= ~(UINT64_C (1) << n % 64);
  z->used++;
  oc->used++;
  oc->bytes += bytes;
  zspage_regroup (o, oc, frame, sc->objects);
  if (arena_has_reserve (o->arena))
    prefetch_growth (o, oc, z, sc);
  return (uint64_t) frame * o->sizes->zspage_size + (uint64_t) n * sc->size;
}

/* Return a zspage whose lowest free object has memory, or NIL. */
static uint32_t
find_committed (const struct objects *o, const struct object_class *oc,
                const struct size_class *sc)
{
  for (int g = GROUPS_TAKEN_FROM - 1; g >= 0; --g)
    for (uint32_t f = oc->heads[g]; f != NIL; f = o->zspages[f].next)
      if ((lowest_free (&o->zspages[f]) + 1) * sc->size
          <= o->zspages[f].committed)
        return f;
  return NIL;
}

/* Take the struct zspage of a frame from the budget if the frame is used for
 * the first time.
 */
static int
account_frame (struct objects *o, uint32_t frame)
{
  uint32_t high = atomic_load (&o->high_water);

  while (frame >= high) {
    uint64_t bytes = (frame + 1 - high) * sizeof (struct zspage);

    if (budget_take (o->arena->budget, bytes) == -1)
      return -1;
    if (atomic_compare_exchange_strong (&o->high_water, &high, frame + 1))
      return 0;
    budget_give (o->arena->budget, bytes);
  }
  return 0;
}

int
objects_prepare_frame (struct objects *o, uint32_t frame)
{
  if (account_frame (o, frame) == -1)
    return -1;
  /* The store makes it resident.  The group of a frame without a zspage is
   * not used.
   */
  atomic_store_explicit (&o->zspages[frame].group, 0, memory_order_relaxed);
  return 0;
}

/* Return how many bytes a class keeps of a frame that has all its memory.
 * WHOLE is set if the class grows faster than the reserve's thread can
 * follow: then it keeps all.
 */
static uint32_t
bytes_to_keep (const struct object_class *oc, const struct size_class *sc,
               bool whole)
{
  uint32_t extent = zspage_extent (sc);
  uint32_t some = (uint32_t) align_up (sc->size, OS_PAGE_SIZE)
    + GROW_BYTES_MIN;

  return whole || oc->zspages >= ZSPAGES_FOR_SPARE ? extent
    : MIN (some, extent);
}

/* Add a zspage with memory for at least one object.  Returns its frame or
 * NIL.
 */
static uint32_t
zspage_new (struct objects *o, struct object_class *oc, uint32_t cls,
            bool whole)
{
  const struct size_class *sc = size_class_at (o, cls);
  uint32_t keep = bytes_to_keep (oc, sc, whole);
  struct zspage *z;
  uint32_t frame, committed;

  if (arena_take (o->arena, oc->zspages >= ZSPAGES_FOR_SPARE, &frame,
                  &committed) == -1)
    return NIL;
  if (account_frame (o, frame) == -1) {
    arena_give (o->arena, frame, committed);
    return NIL;
  }
  if (committed > keep) {
    arena_decommit (o->arena, frame, keep, committed);
    committed = keep;
  }
  z = &o->zspages[frame];
  zspage_init (z, cls, sc->objects, committed);
  oc->committed += committed;
  if (ensure_committed (o, oc, frame, sc, sc->size) == -1) {
    oc->committed -= committed;
    z->class_plus_1 = 0;
    arena_give (o->arena, frame, committed);
    return NIL;
  }
  oc->zspages++;
  zspage_link (o, oc, frame, 0);
  return frame;
}

/* The lowest free object of FRAME, the fullest zspage, has no memory.  Commit
 * it, or return another zspage whose lowest free object has memory, or NIL.
 */
static uint32_t
find_or_commit (struct objects *o, struct object_class *oc, uint32_t cls,
                uint32_t frame, bool may_grow)
{
  const struct size_class *sc = size_class_at (o, cls);
  const struct zspage *z = &o->zspages[frame];
  uint32_t other = NIL;

  if (arena_has_reserve (o->arena)) {
    other = find_committed (o, oc, sc);
    if (other == NIL && may_grow
        && (z->growing || o->arena->reserve_count > 0))
      other = zspage_new (o, oc, cls, true);
    if (other != NIL)
      return other;
  }
  if (may_grow && !z->growing
      && ensure_committed (o, oc, frame, sc,
                           (lowest_free (z) + 1) * sc->size) == 0)
    return frame;
  return find_committed (o, oc, sc);
}

int
object_alloc (struct objects *o, uint32_t cls, uint32_t bytes, bool may_grow,
              uint64_t *offset)
{
  struct object_class *oc = &o->classes[cls];
  const struct size_class *sc = size_class_at (o, cls);
  uint32_t frame, n;

  LOCK_FOR_SCOPE (&oc->lock);

  frame = fullest_zspage (oc);
  if (frame == NIL)
    frame = may_grow ? zspage_new (o, oc, cls, false) : NIL;
  else if ((lowest_free (&o->zspages[frame]) + 1) * sc->size
           > o->zspages[frame].committed)
    frame = find_or_commit (o, oc, cls, frame, may_grow);

  if (frame == NIL)
    return fail_with (ENOSPC);
  n = lowest_free (&o->zspages[frame]);
  *offset = object_take (o, oc, frame, sc, n, bytes);
  return 0;
}

/* ---- giving them back ---- */

uint32_t
object_number (const struct objects *o, uint32_t cls, uint64_t offset)
{
  const struct size_class *sc = size_class_at (o, cls);
  uint32_t within = (uint32_t) (offset % o->sizes->zspage_size);
  uint32_t n = within / sc->size;

  return offset < o->arena->size
    && offset / o->sizes->zspage_size < o->arena->frames
    && n * sc->size == within && n < sc->objects ? n : NO_OBJECT;
}

uint32_t
zspage_remove (struct objects *o, struct object_class *oc, uint32_t frame)
{
  struct zspage *z = &o->zspages[frame];

  zspage_unlink (o, oc, frame);
  z->class_plus_1 = 0;
  oc->zspages--;
  oc->committed -= z->committed;
  return z->committed;
}

int
object_free (struct objects *o, uint32_t cls, uint64_t offset, uint32_t bytes)
{
  struct object_class *oc = &o->classes[cls];
  uint32_t objects = size_class_at (o, cls)->objects;
  uint32_t n = object_number (o, cls, offset);
  uint32_t frame = (uint32_t) (offset / o->sizes->zspage_size);
  uint32_t committed;
  struct zspage *z;

  if (n == NO_OBJECT)
    goto damaged;

  z = &o->zspages[frame];
  pthread_mutex_lock (&oc->lock);
  if (z->class_plus_1 != cls + 1 || object_is_free (z, n)) {
    pthread_mutex_unlock (&oc->lock);
    goto damaged;
  }
  z->free[n / 64] |= UINT64_C (1) << n % 64;
  z->shared[n / 64] &= ~z->free[n / 64];
  z->used--;
  oc->used--;
  oc->bytes -= bytes;
  if (z->used > 0 || z->growing) {
    zspage_regroup (o, oc, frame, objects);
    pthread_mutex_unlock (&oc->lock);
    return 0;
  }

  committed = zspage_remove (o, oc, frame);
  pthread_mutex_unlock (&oc->lock);

  /* No other thread can find the frame any more, so the system call needs no
   * lock.
   */
  arena_give (o->arena, frame, committed);
  return 0;

 damaged:
  return fail_with (EUCLEAN);
}

bool
object_is_taken (struct objects *o, uint32_t cls, uint64_t offset)
{
  uint32_t n = object_number (o, cls, offset);
  const struct zspage *z;

  if (n == NO_OBJECT)
    return false;
  z = &o->zspages[offset / o->sizes->zspage_size];

  LOCK_FOR_SCOPE (&o->classes[cls].lock);
  return z->class_plus_1 == cls + 1 && !object_is_free (z, n);
}

void
object_share (struct objects *o, uint32_t cls, uint64_t offset)
{
  uint32_t n = object_number (o, cls, offset);
  struct zspage *z = &o->zspages[offset / o->sizes->zspage_size];

  LOCK_FOR_SCOPE (&o->classes[cls].lock);
  z->shared[n / 64] |= UINT64_C (1) << n % 64;
}

bool
object_is_shared (struct objects *o, uint32_t cls, uint64_t offset)
{
  uint32_t n = object_number (o, cls, offset);
  const struct zspage *z = &o->zspages[offset / o->sizes->zspage_size];

  if (n == NO_OBJECT)
    return false;

  LOCK_FOR_SCOPE (&o->classes[cls].lock);
  return z->class_plus_1 == cls + 1 && (z->shared[n / 64] >> n % 64 & 1) != 0;
}

/* ---- attach ---- */

int
object_claim (struct objects *o, uint32_t cls, uint64_t offset, uint32_t bytes)
{
  const struct size_class *sc = size_class_at (o, cls);
  struct object_class *oc = &o->classes[cls];
  uint32_t n = object_number (o, cls, offset);
  uint32_t frame = (uint32_t) (offset / o->sizes->zspage_size);
  struct zspage *z;

  if (n == NO_OBJECT)
    goto damaged;
  z = &o->zspages[frame];
  if (z->class_plus_1 == 0) {
    zspage_init (z, cls, sc->objects, 0);
    oc->zspages++;
    arena_claim (o->arena, frame);
    o->high_water = MAX (o->high_water, frame + 1);
  }
  if (z->class_plus_1 != cls + 1 || !object_is_free (z, n))
    goto damaged;

  z->free[n / 64] &= ~(UINT64_C (1) << n % 64);
  z->used++;
  oc->used++;
  oc->bytes += bytes;
  return 0;

 damaged:
  return fail_with (EUCLEAN);
}

/* Set what is committed of a claimed zspage.  How much memory is behind its
 * last object is unknown, so all of that is freed.
 */
static void
attach_zspage (struct objects *o, uint32_t frame)
{
  struct zspage *z = &o->zspages[frame];
  uint32_t cls = zspage_class (z);
  const struct size_class *sc = size_class_at (o, cls);
  struct object_class *oc = &o->classes[cls];
  uint32_t end = objects_reach (z, sc->objects) * sc->size;

  if (arena_commits_in_parts (o->arena)) {
    z->committed = (uint32_t) align_up (end, OS_PAGE_SIZE);
    budget_force (o->arena->budget, o->sizes->zspage_size);
    arena_decommit (o->arena, frame, z->committed, o->sizes->zspage_size);
  }
  else
    z->committed = zspage_extent (sc);
  oc->committed += z->committed;
  zspage_link (o, oc, frame, group_of (z, sc->objects));
}

void
objects_attach_done (struct objects *o)
{
  budget_force (o->arena->budget, o->high_water * sizeof (struct zspage));
  for (uint32_t f = 0; f < o->high_water; ++f)
    if (o->zspages[f].class_plus_1 != 0)
      attach_zspage (o, f);
  arena_attach_done (o->arena);
}

/* ---- statistics ---- */

void
objects_get_stats (struct objects *o, struct objects_stats *st)
{
  *st = (struct objects_stats) { .zspages = 0 };
  for (uint32_t c = 0; c < o->sizes->count; ++c) {
    struct object_class *oc = &o->classes[c];

    LOCK_FOR_SCOPE (&oc->lock);
    st->zspages += oc->zspages;
    st->used += oc->used;
    st->bytes += oc->bytes;
    st->committed += oc->committed;
    if (c == size_class_huge (o->sizes))
      st->huge += oc->used;
    else if (size_class_at (o, c)->size <= o->sizes->page_size / 2)
      st->up_to_half += oc->used;
  }
}

void
objects_get_counts (struct objects *o, uint64_t counts[SIZE_CLASSES_MAX])
{
  for (uint32_t c = 0; c < o->sizes->count; ++c) {
    LOCK_FOR_SCOPE (&o->classes[c].lock);
    counts[c] = o->classes[c].used;
  }
}
