/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "lib/base/mutex.h"

#include "device-objects.h"
#include "group.h"
#include "page-state.h"

static unsigned
flags_of (slot_t slot, page_info info)
{
  unsigned flags = 0;

  if (slot == SLOT_BAD)
    return PAGE_DAMAGED;
  if (slot_is_same (slot) || slot_is_same_stored (slot))
    flags |= PAGE_SAME;
  if (slot_is_written_back (slot))
    flags |= PAGE_WRITTEN_BACK;
  if (slot_is_huge (slot))
    flags |= PAGE_HUGE;
  if (slot_is_group (slot))
    flags |= PAGE_GROUPED;
  if ((info & INFO_IDLE) != 0)
    flags |= PAGE_IDLE;
  if ((info & INFO_INCOMPRESSIBLE) != 0)
    flags |= PAGE_INCOMPRESSIBLE;
  else if (info_tried (info) > 0 && !slot_is_huge (slot))
    flags |= PAGE_RECOMPRESSED;
  return flags;
}

/* The slot's lock is held. */
static void
describe_object (struct device *d, slot_t slot, struct page_state *state)
{
  const struct group_header *header;

  state->bytes = object_bytes (d, slot);
  if (slot_is_stored (slot))
    state->codec = codec_by_id (codec_without_dictionary (slot_codec (slot)));
  if (!slot_is_group (slot) || !slot_has_object (slot)
      || !object_fits (d, slot))
    return;
  header = (const struct group_header *) object_at (d, slot_offset (slot));
  state->codec = codec_by_id (header->codec);
  if (header->pages > 0)
    state->bytes /= header->pages;
}

/* Put the state of page INDEX in *STATE.  Returns false if it is empty. */
static bool
get_state (struct device *d, uint64_t index, struct page_state *state)
{
  slot_t slot;
  page_info info;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  slot = table_get (&d->table, index);
  if (slot == SLOT_EMPTY)
    return false;
  info = table_info (&d->table, index);
  *state = (struct page_state) {
    .index = index,
    .flags = flags_of (slot, info),
    .age = age_seconds (info_age (info)),
  };
  if (slot_names_object (slot))
    describe_object (d, slot, state);
  return true;
}

unsigned
device_page_states (struct device *d, uint64_t first, uint64_t end,
                    struct page_state *states, unsigned count,
                    uint64_t *next)
{
  uint64_t index = first, leaf;
  unsigned found = 0;

  while (index < end && found < count) {
    leaf = table_next_leaf (&d->table, index / LEAF_SLOTS);
    if (leaf > index / LEAF_SLOTS) {
      index = leaf == d->table.leaves ? end : leaf * LEAF_SLOTS;
      continue;
    }
    found += get_state (d, index, &states[found]);
    index++;
  }
  *next = MIN (index, end);
  return found;
}

uint64_t
device_count_stored (const struct device *d, uint64_t first, uint64_t end)
{
  const struct table *t = &d->table;
  uint64_t leaves = div_up (end, LEAF_SLOTS), stored = 0;
  slot_t slots[LEAF_SLOTS];

  for (uint64_t leaf = table_next_leaf (t, first / LEAF_SLOTS); leaf < leaves;
       leaf = table_next_leaf (t, leaf + 1)) {
    if (!table_copy_leaf (t, leaf, slots))
      continue;
    for (unsigned i = 0; i < LEAF_SLOTS; ++i) {
      uint64_t index = leaf * LEAF_SLOTS + i;

      stored += index >= first && index < end && slots[i] != SLOT_EMPTY;
    }
  }
  return stored;
}
