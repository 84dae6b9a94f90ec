/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "lib/backing/backing.h"
#include "lib/store/device.h"
#include "lib/store/page.h"

#include "trim.h"

static bool
trim_empty_in_leaf (struct device *d, uint64_t leaf, void *opaque)
{
  slot_t slots[LEAF_SLOTS];
  uint64_t first = leaf * LEAF_SLOTS, *trimmed = opaque;

  if (!table_copy_leaf (&d->table, leaf, slots))
    return true;
  for (unsigned i = 0; i < LEAF_SLOTS; ++i)
    if (slots[i] == slot_same (0))
      *trimmed += page_trim_if (d, first + i, slots[i]);
  table_release_leaf (&d->table, leaf);
  return true;
}

uint64_t
pool_trim_empty (struct pool *pool, const struct job *job)
{
  uint64_t trimmed = 0;

  MAINTENANCE_FOR_SCOPE (pool);
  walk_all_leaves (pool, job, trim_empty_in_leaf, &trimmed);
  return trimmed;
}

void
pool_reset (struct pool *pool)
{
  MAINTENANCE_FOR_SCOPE (pool);
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (pool->devices[n])
      device_zero (pool->devices[n], pool->devices[n]->size, 0);
  if (pool->backing)
    backing_renew_key (pool->backing);
  dictionaries_drop_unused (&pool->dictionaries);
  objects_compaction_done (&pool->objects);
}
