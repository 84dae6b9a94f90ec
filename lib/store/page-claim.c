/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "lib/base/mutex.h"

#include "device-objects.h"
#include "group.h"
#include "page-claim.h"

static void
copy_object (struct device *d, slot_t slot, uint8_t *copy)
{
  const uint8_t *object = object_at (d, slot_offset (slot));

  if (slot_is_group (slot))
    group_copy (object, object_bytes (d, slot), 0, copy);
  else
    memcpy (copy, object, object_bytes (d, slot));
}

bool
page_claim (struct device *d, uint64_t index, slot_t slot, uint8_t *copy)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  if (table_get (&d->table, index) != slot || !object_fits (d, slot))
    return false;
  copy_object (d, slot, copy);
  table_mark (&d->table, index, INFO_CLAIMED, 0);
  return true;
}

static bool
is_claimed (struct device *d, uint64_t index)
{
  return table_has_leaf (&d->table, index / LEAF_SLOTS)
    && (table_info (&d->table, index) & INFO_CLAIMED) != 0;
}

bool
page_is_claimed (struct device *d, uint64_t index, slot_t slot)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  return is_claimed (d, index) && table_get (&d->table, index) == slot;
}

bool
page_replace (struct device *d, uint64_t index, slot_t slot, page_info info)
{
  slot_t old;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (!is_claimed (d, index))
      return false;
    old = table_set (&d->table, index, slot, info);
    recount_slot (d, old, slot);
  }
  release_slot (d, old);
  return true;
}

bool
page_replace_if (struct device *d, uint64_t index, slot_t old, slot_t new,
                 page_info keep)
{
  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (table_get (&d->table, index) != old)
      return false;
    table_set (&d->table, index, new, table_info (&d->table, index) & keep);
    recount_slot (d, old, new);
  }
  release_slot (d, old);
  return true;
}

void
page_unclaim (struct device *d, uint64_t index, page_info add,
              page_info remove)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  if (is_claimed (d, index))
    table_mark (&d->table, index, add, INFO_CLAIMED | remove);
}
