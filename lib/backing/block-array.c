/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "block-array.h"

uint64_t
block_array_bytes (const struct block_array *a, uint32_t blocks)
{
  return a->entry == 0
    ? 0 : align_up ((uint64_t) blocks * a->entry, a->room.granule);
}

int
block_array_open (struct block_array *a, uint32_t blocks, uint32_t entry,
                  const struct backing_room *room)
{
  uint64_t bytes;

  *a = (struct block_array) {
    .entry = entry, .blocks = blocks,
    .room = { .fd = -1, .granule = OS_PAGE_SIZE },
  };
  if (room)
    a->room = *room;
  bytes = block_array_bytes (a, blocks);
  a->base = room ? os_map_file (room->fd, room->offset, bytes)
                 : os_map_anon (bytes);
  return a->base ? 0 : -1;
}

void
block_array_close (struct block_array *a)
{
  os_unmap (a->base, block_array_bytes (a, a->blocks));
  *a = (struct block_array) { .base = NULL };
}

int
block_array_populate (struct block_array *a, uint32_t from, uint32_t to)
{
  uint64_t start = block_array_bytes (a, from);
  uint64_t end = block_array_bytes (a, to);

  if (start >= end || a->room.fd == -1)
    return 0;
  return os_populate (a->room.fd, (char *) a->base + start,
                      a->room.offset + start, end - start);
}

int
block_array_forget (struct block_array *a, uint32_t from, uint32_t to)
{
  uint64_t start = block_array_bytes (a, from);
  uint64_t end = block_array_bytes (a, to);

  if (a->room.fd == -1 && end > block_array_bytes (a, a->blocks))
    end = block_array_bytes (a, a->blocks);
  if (start >= end)
    return 0;
  return a->room.fd == -1
    ? os_give_back ((char *) a->base + start, end - start)
    : os_punch (a->room.fd, a->room.offset + start, end - start);
}

void
block_array_begin (struct block_array *a)
{
  if (!a->begun && a->room.begin)
    a->room.begin (a->room.opaque);
  a->begun = true;
}
