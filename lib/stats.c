/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stddef.h>

#include "device.h"
#include "page.h"
#include "stats.h"

#define FIELD(name, unit, meaning) \
  { #name, unit, meaning, offsetof (struct stats, name) }

const struct stats_field stats_fields[] = {
  FIELD (orig_data_size, "bytes",
         "Pages stored, before compression, same-filled ones included."),
  FIELD (compr_data_size, "bytes",
         "The same pages compressed."),
  FIELD (mem_used_total, "bytes",
         "Memory the pool holds, bookkeeping included."),
  FIELD (mem_limit, "bytes",
         "The most it may hold; 0 is no limit."),
  FIELD (mem_used_max, "bytes",
         "The most it has held since the server started."),
  FIELD (same_pages, "pages",
         "Pages that repeat one word."),
  FIELD (pages_compacted, "OS pages",
         "Memory that compaction has given back."),
  FIELD (huge_pages, "pages",
         "Pages stored raw."),
  FIELD (huge_pages_since, "pages",
         "Pages stored raw since the server started."),
  FIELD (failed_reads, "requests",
         "Reads answered with an error."),
  FIELD (failed_writes, "requests",
         "Writes answered with an error."),
  FIELD (notify_free, "pages",
         "Pages trimmed."),
  FIELD (pages_up_to_half, "pages",
         "Pages that take up to half a page."),
  FIELD (pages_above_half, "pages",
         "Pages that take more, but are not raw."),
  FIELD (zspages, "zspages",
         "Groups of OS pages that hold objects."),
  FIELD (mem_objects, "bytes",
         "Memory taken by objects, their checksums included."),
  FIELD (mem_waste, "bytes",
         "Memory beside them in their zspages, spare ones included."),
  FIELD (mem_bookkeeping, "bytes",
         "Tables, streams, and all else."),
  FIELD (checksum_errors, "events",
         "Times a page was found damaged."),
  FIELD (bad_slots, "pages",
         "Pages found damaged when the pool was attached."),
  { NULL, NULL, NULL, 0 },
};

static uint64_t
monus (uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

/* Same-filled pages of all devices, by where their word is. */
static void
sum_same (struct pool *pool, uint64_t *in_slots, uint64_t *in_objects)
{
  *in_slots = *in_objects = 0;
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (pool->devices[n]) {
      *in_slots += pool->devices[n]->same_inline;
      *in_objects += pool->devices[n]->same_stored;
    }
}

void
pool_get_stats (struct pool *pool, struct stats *st)
{
  const struct pool_counters *c = &pool->counters;
  struct objects_stats os;
  uint64_t in_slots, in_objects, in_zspages;

  objects_get_stats (&pool->objects, &os);
  in_zspages = os.committed + arena_spare_bytes (&pool->arena);
  sum_same (pool, &in_slots, &in_objects);

  *st = (struct stats) {
    .orig_data_size = (os.used + in_slots) * pool->sizes.page_size,
    .compr_data_size = os.bytes
                       - (os.used - os.huge) * OBJECT_HEADER_SIZE,
    .mem_used_total = pool->budget.used,
    .mem_limit = pool->budget.limit,
    .mem_used_max = pool->budget.used_max,
    .same_pages = in_slots + in_objects,
    .pages_compacted = c->pages_compacted,
    .huge_pages = os.huge,
    .huge_pages_since = c->huge_pages_since,
    .failed_reads = c->failed_reads,
    .failed_writes = c->failed_writes,
    .notify_free = c->notify_free,
    .pages_up_to_half = os.up_to_half,
    .pages_above_half = os.used - os.up_to_half - os.huge,
    .zspages = os.zspages,
    .mem_objects = os.bytes,
    .mem_waste = in_zspages - os.bytes,
    .checksum_errors = c->checksum_errors,
    .bad_slots = c->bad_slots,
  };
  st->mem_bookkeeping = monus (st->mem_used_total, in_zspages);
}
