/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "compact.h"
#include "device.h"
#include "page.h"

/* Is this slot's object one that this pass moves?  A guess that spares
 * the others their lock.
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

static void
compact_device (struct device *d, bool sink)
{
  slot_t slots[LEAF_SLOTS];

  for (uint64_t leaf = table_next_leaf (&d->table, 0); leaf < d->table.leaves;
       leaf = table_next_leaf (&d->table, leaf + 1)) {
    uint64_t first = leaf * LEAF_SLOTS;

    if (!table_copy_leaf (&d->table, leaf, slots))
      continue;
    for (unsigned i = 0; i < LEAF_SLOTS && first + i < d->pages; ++i)
      if (is_candidate (d->pool, slots[i], sink))
        page_compact (d, first + i, sink);
  }
}

static void
compact_devices (struct pool *pool, bool sink)
{
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (pool->devices[n])
      compact_device (pool->devices[n], sink);
}

static uint64_t
committed (struct pool *pool)
{
  struct objects_stats st;

  objects_get_stats (&pool->objects, &st);
  return st.committed + arena_spare_bytes (&pool->arena);
}

uint64_t
pool_compact (struct pool *pool)
{
  uint64_t before, after;

  LOCK_FOR_SCOPE (&pool->maintenance);
  before = committed (pool);
  if (objects_isolate (&pool->objects) > 0)
    compact_devices (pool, false);
  compact_devices (pool, true);
  objects_compaction_done (&pool->objects);
  after = committed (pool);

  if (after >= before)
    return 0;
  atomic_fetch_add (&pool->counters.pages_compacted,
                    (before - after) / OS_PAGE_SIZE);
  return before - after;
}
