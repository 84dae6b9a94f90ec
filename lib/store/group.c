/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/mutex.h"

#include "group.h"

_Static_assert (GROUP_PAGES_MAX <= 1U << SLOT_CODEC_BITS, "room for a place");
_Static_assert (GROUP_PAGES_MAX <= LEAF_LOCKS
                && LEAF_SLOTS % GROUP_PAGES_MAX == 0, "within one leaf");

static uint64_t
pages_sum (const struct device *d, const void *pages, unsigned count)
{
  return content_checksum (d, pages, (size_t) count * device_page_size (d));
}

int
group_decode (struct device *d, struct stream *stream, slot_t slot,
              const uint8_t *object, void *dst)
{
  uint32_t page_size = device_page_size (d);
  uint32_t length = slot_length (slot);
  unsigned pages, place = slot_place (slot);
  uint32_t sum;

  if (length <= GROUP_HEADER_SIZE)
    return report_damage (d);
  PREFETCH (object, length, 0);
  /* OBJECT may be an array of bytes (page-fetch.c), which C does not allow to
   * access as a struct.
   */
  memcpy (&sum, object + offsetof (struct group_header, sum), sizeof sum);
  pages = object[offsetof (struct group_header, pages)];
  if (place >= pages || pages > group_pages_max (&d->pool->sizes)
      || stream_decompress (&d->pool->streams, stream,
                            object[offsetof (struct group_header, codec)],
                            object + GROUP_HEADER_SIZE,
                            length - GROUP_HEADER_SIZE, stream->group,
                            (size_t) pages * page_size) == -1
      || (uint32_t) pages_sum (d, stream->group, pages) != sum)
    return report_damage (d);
  memcpy (dst, stream->group + (size_t) place * page_size, page_size);
  return 0;
}

int
group_build (struct device *d, unsigned codec, const void *pages,
             unsigned count, const void *data, uint32_t length, slot_t *slot)
{
  uint32_t bytes = length + GROUP_HEADER_SIZE;
  uint64_t offset;
  struct group_header *header;

  if (take_object (d, bytes, true, &offset) == -1)
    return -1;
  header = group_header_of (object_at (d, offset));
  header->sum = (uint32_t) pages_sum (d, pages, count);
  header->codec = (uint8_t) codec;
  header->pages = (uint8_t) count;
  memset (header->reserved, 0, sizeof header->reserved);
  atomic_store (&header->live,
                GROUP_BUILDING | ((UINT32_C (1) << count) - 1));
  memcpy (header + 1, data, length);
  *slot = slot_group (offset, bytes, 0);
  return 0;
}

void
group_finish (struct device *d, slot_t slot)
{
  if (group_release (object_at (d, slot_offset (slot)), GROUP_BUILDER))
    free_object (d, slot);
}

unsigned
group_count_live (struct device *d, uint64_t index, slot_t slot,
                  unsigned *pages)
{
  const struct group_header *header;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  *pages = 0;
  if (table_get (&d->table, index) != slot || !object_fits (d, slot))
    return 0;
  header = group_header_of (object_at (d, slot_offset (slot)));
  *pages = header->pages;
  return (unsigned) __builtin_popcount (atomic_load (&header->live)
                                        & (GROUP_BUILDING - 1));
}

void
group_copy (const uint8_t *object, uint32_t bytes, uint32_t live,
            uint8_t *dst)
{
  const struct group_header *from = (const struct group_header *) object;
  struct group_header *to = group_header_of (dst);

  to->sum = from->sum;
  to->codec = from->codec;
  to->pages = from->pages;
  memset (to->reserved, 0, sizeof to->reserved);
  atomic_store_explicit (&to->live, live, memory_order_relaxed);
  memcpy (to + 1, from + 1, bytes - sizeof *to);
}

/* ---- attach ---- */

int
group_attach_codec (struct device *d, slot_t slot)
{
  struct streams *streams = &d->pool->streams;
  const struct group_header *header
    = group_header_of (object_at (d, slot_offset (slot)));

  if (header->codec < CODEC_IDS
      && streams_add_codec (streams, header->codec) == -1)
    return -1;
  return streams_add_groups (streams, GROUP_BYTES_MAX);
}

int
group_attach_any_codec (struct device *d)
{
  struct streams *streams = &d->pool->streams;

  for (const struct codec *const *c = codecs; *c; ++c)
    if (streams_add_codec (streams, (*c)->id) == -1)
      return -1;
  return streams_add_groups (streams, GROUP_BYTES_MAX);
}
