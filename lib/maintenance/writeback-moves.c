/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/util.h"
#include "lib/store/device-objects.h"
#include "lib/store/group.h"

#include "writeback-internal.h"

/* A key that is the same for all slots that name one object. */
static slot_t
object_key (slot_t slot)
{
  return slot_is_group (slot) ? group_slot (slot, 0) : slot;
}

/* Where the object of KEY is, or would be, in the hash table. */
static unsigned
find_entry (const struct moves *m, slot_t key)
{
  unsigned n = (unsigned) (key * UINT64_C (0x9e3779b97f4a7c15) >> 40);

  for (n %= MOVES_HASH; m->by_slot[n] != 0; n = (n + 1) % MOVES_HASH)
    if (object_key (m->moves[m->by_slot[n] - 1].slot) == key)
      break;
  return n;
}

const struct move *
moves_find (const struct moves *m, slot_t slot)
{
  unsigned at = find_entry (m, object_key (slot));

  return m->by_slot[at] != 0 ? &m->moves[m->by_slot[at] - 1] : NULL;
}

int
moves_add (struct moves *m, const struct move *move, const uint8_t *object,
           const struct move *twin)
{
  int number = -1;

  if (m->count == MOVES_MAX)
    return fail_with (EAGAIN);
  if (twin)
    number = (int) twin->number;
  else {
    number = backing_batch_add (m->batch, object,
                                object_bytes (move->device, move->slot),
                                slot_is_huge (move->slot));
    if (number == -1)
      return -1;
    m->by_slot[find_entry (m, object_key (move->slot))]
      = (uint16_t) (m->count + 1);
  }
  m->moves[m->count] = *move;
  m->moves[m->count++].number = (unsigned) number;
  return 0;
}

int
moves_flush (struct moves *m,
             void (*fn) (const struct move *move, slot_t slot, void *opaque),
             void *opaque)
{
  int err = backing_flush (m->batch) == -1 ? errno : 0;

  for (unsigned i = 0; i < m->count; ++i) {
    const struct move *move = &m->moves[i];
    uint64_t offset = err == 0 ? backing_batch_offset (m->batch, move->number)
                               : 0;

    fn (move, offset != 0 ? slot_moved_out (move->slot, offset) : SLOT_EMPTY,
        opaque);
  }
  backing_batch_reset (m->batch);
  m->count = 0;
  memset (m->by_slot, 0, sizeof m->by_slot);
  errno = err;
  return err == 0 ? 0 : -1;
}
