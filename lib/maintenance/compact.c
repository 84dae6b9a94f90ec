/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "lib/base/mutex.h"
#include "lib/store/device-objects.h"
#include "lib/store/device.h"
#include "lib/store/group.h"

#include "compact.h"

/* ---- one page ---- */

/* Allocate room for the object of SLOT elsewhere: with SINK, lower in its
 * zspage; otherwise in another one, if its zspage is being emptied.
 */
static bool
find_new_place (struct device *d, slot_t slot, bool sink, uint64_t *offset)
{
  struct objects *objects = &d->pool->objects;
  uint32_t bytes = object_bytes (d, slot);
  bool found = sink
    ? object_may_sink (objects, slot_offset (slot))
      && object_alloc_below (objects, slot_offset (slot), bytes, offset) == 0
    : object_is_isolated (objects, slot_offset (slot))
      && object_alloc (objects, object_class (d, slot), bytes, false,
                       offset) == 0;

  if (found)
    charge_object (d, slot);
  return found;
}

/* To find another object with the same content that is not to be moved. */
struct twin {
  struct device *d;
  slot_t old;
};

static bool
is_twin (slot_t slot, void *opaque)
{
  const struct twin *t = opaque;
  const struct objects *objects = &t->d->pool->objects;

  return slot != t->old && slot_moved (slot, slot_offset (t->old)) == t->old
    && !object_is_isolated (objects, slot_offset (slot));
}

/* Several slots name the object of OLD, and it is not known which.  Each is
 * moved when the walk comes to it: the first one to a copy, the others to the
 * same copy, which dedup finds for them.
 */
static slot_t
move_shared (struct device *d, slot_t old)
{
  struct pool *pool = d->pool;
  uint32_t fp = slot_fingerprint (d, old), bytes = object_bytes (d, old);
  struct twin twin = { d, old };
  slot_t new = dedup_take (&pool->dedup, fp, dedup_scope (d), is_twin, &twin);
  uint64_t offset;

  if (new != SLOT_EMPTY) {
    object_share (&pool->objects, object_class (d, new), slot_offset (new));
    if (memcmp (object_at (d, slot_offset (new)),
                object_at (d, slot_offset (old)), bytes) == 0)
      return new;
    release_slot (d, new);
  }
  if (!find_new_place (d, old, false, &offset))
    return SLOT_EMPTY;
  memcpy (object_at (d, offset), object_at (d, slot_offset (old)), bytes);
  new = slot_moved (old, offset);
  dedup_insert (&pool->dedup, fp, dedup_scope (d), new);
  return new;
}

/* Copy the object of OLD elsewhere.  Returns the slot that names the copy, or
 * SLOT_EMPTY.
 */
static slot_t
move_object (struct device *d, slot_t old, bool sink)
{
  struct pool *pool = d->pool;
  uint64_t offset;
  slot_t new;

  if (pool->has_dedup && is_dedupable (old)
      && object_is_shared (&pool->objects, object_class (d, old),
                           slot_offset (old)))
    return sink ? SLOT_EMPTY : move_shared (d, old);
  if (!find_new_place (d, old, sink, &offset))
    return SLOT_EMPTY;
  memcpy (object_at (d, offset), object_at (d, slot_offset (old)),
          object_bytes (d, old));
  new = slot_moved (old, offset);
  if (pool->has_dedup && is_dedupable (old)
      && !dedup_move (&pool->dedup, slot_fingerprint (d, old), old, new)) {
    /* Another page has just begun to share it. */
    free_object (d, new);
    return SLOT_EMPTY;
  }
  return new;
}

static void
compact_page (struct device *d, uint64_t index, bool sink)
{
  slot_t old, new;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    old = table_get (&d->table, index);
    if (!slot_has_object (old) || slot_is_group (old) || !object_fits (d, old))
      return;
    new = move_object (d, old, sink);
    if (new == SLOT_EMPTY)
      return;
    table_set (&d->table, index, new, table_info (&d->table, index));
  }
  release_slot (d, old);
}

/* ---- one group ---- */

/* Find the pages of the group of SLOT among the GROUP_PAGES_MAX pages from
 * FIRST on, and put their slots in SLOTS; the others become SLOT_EMPTY.  The
 * leaf is locked.  Returns a bit for each place in the group.
 */
static uint32_t
find_members (struct device *d, uint64_t first, slot_t slot,
              slot_t slots[GROUP_PAGES_MAX])
{
  uint32_t places = 0;

  for (unsigned i = 0; i < GROUP_PAGES_MAX; ++i) {
    slot_t s = first + i < d->pages ? table_get (&d->table, first + i)
                                    : SLOT_EMPTY;

    slots[i] = SLOT_EMPTY;
    if (slot_is_group (s) && group_slot (s, 0) == group_slot (slot, 0)) {
      slots[i] = s;
      places |= UINT32_C (1) << slot_place (s);
    }
  }
  return places;
}

/* Move the group of SLOT, with all its pages, to OFFSET.  Returns their
 * places.
 */
static uint32_t
move_group (struct device *d, uint64_t first, slot_t slot, uint64_t offset)
{
  slot_t slots[GROUP_PAGES_MAX];
  uint32_t places = find_members (d, first, slot, slots);

  group_copy (object_at (d, slot_offset (slot)), object_bytes (d, slot),
              places, object_at (d, offset));
  for (unsigned i = 0; i < GROUP_PAGES_MAX; ++i)
    if (slots[i] != SLOT_EMPTY)
      table_set (&d->table, first + i, slot_moved (slots[i], offset),
                 table_info (&d->table, first + i));
  return places;
}

static void
compact_group (struct device *d, uint64_t index, slot_t slot, bool sink)
{
  uint64_t first = index / GROUP_PAGES_MAX * GROUP_PAGES_MAX;
  uint64_t leaf = index / LEAF_SLOTS, offset;
  uint32_t places = 0;

  table_lock_leaf (&d->table, leaf);
  if (table_get (&d->table, index) == slot
      && find_new_place (d, slot, sink, &offset))
    places = move_group (d, first, slot, offset);
  table_unlock_leaf (&d->table, leaf);

  /* A page that was detached before this may not have cleared its bit yet, so
   * only the places that were moved are released.
   */
  for (unsigned place = 0; place < GROUP_PAGES_MAX; ++place)
    if ((places >> place & 1) != 0)
      release_slot (d, group_slot (slot, place));
}

/* ---- a pass over all pages ---- */

/* Does this pass move the object of SLOT?  Checked without the lock, to take
 * the lock only for candidates.
 */
static bool
is_candidate (struct pool *pool, slot_t slot, bool sink)
{
  if (!slot_has_object (slot))
    return false;
  return sink
    ? object_may_sink (&pool->objects, slot_offset (slot))
    : object_is_isolated (&pool->objects, slot_offset (slot));
}

static bool
compact_leaf (struct device *d, uint64_t leaf, void *opaque)
{
  const bool *sink = opaque;
  slot_t slots[LEAF_SLOTS];
  uint64_t first = leaf * LEAF_SLOTS;

  if (!table_copy_leaf (&d->table, leaf, slots))
    return true;
  for (unsigned i = 0; i < LEAF_SLOTS && first + i < d->pages; ++i)
    if (!is_candidate (d->pool, slots[i], *sink))
      continue;
    else if (slot_is_group (slots[i]))
      compact_group (d, first + i, slots[i], *sink);
    else
      compact_page (d, first + i, *sink);
  return true;
}

static void
compact_devices (struct pool *pool, const struct job *job, bool sink)
{
  walk_all_leaves (pool, job, compact_leaf, &sink);
}

static uint64_t
committed_bytes (struct pool *pool)
{
  struct objects_stats st;

  objects_get_stats (&pool->objects, &st);
  return st.committed + arena_spare_bytes (&pool->arena);
}

uint64_t
pool_compact (struct pool *pool, const struct job *job)
{
  uint64_t before, after;

  MAINTENANCE_FOR_SCOPE (pool);
  before = committed_bytes (pool);
  if (objects_isolate (&pool->objects) > 0)
    compact_devices (pool, job, false);
  compact_devices (pool, job, true);
  objects_compaction_done (&pool->objects);
  dictionaries_drop_unused (&pool->dictionaries);
  after = committed_bytes (pool);

  if (after >= before)
    return 0;
  atomic_fetch_add (&pool->counters.pages_compacted,
                    (before - after) / OS_PAGE_SIZE);
  return before - after;
}
