/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stddef.h>

#include "device.h"
#include "stats.h"

#define FIELD(name, unit, meaning) \
  { #name, unit, meaning, offsetof (struct stats, name) }

const struct stats_field stats_fields[] = {
  FIELD (orig_data_size, "bytes",
         "Pages stored, before compression, same-filled ones included."),
  FIELD (compr_data_size, "bytes",
         "Memory taken by their objects, checksums included."),
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
  FIELD (group_pages, "pages",
         "Pages compressed together with their neighbours."),
  FIELD (dup_pages, "pages",
         "Pages that share the object of an identical one."),
  FIELD (failed_reads, "requests",
         "Reads answered with an error."),
  FIELD (failed_writes, "requests",
         "Writes answered with an error."),
  FIELD (notify_free, "pages",
         "Pages trimmed."),
  FIELD (objects_up_to_half, "objects",
         "Objects of up to half a page."),
  FIELD (objects_above_half, "objects",
         "Larger ones, but for raw pages."),
  FIELD (zspages, "zspages",
         "Groups of OS pages that hold objects."),
  FIELD (mem_waste, "bytes",
         "Memory beside objects in zspages, spare ones included."),
  FIELD (mem_dedup, "bytes",
         "The index by which identical pages are found."),
  FIELD (mem_bookkeeping, "bytes",
         "Tables, streams, indexes, and all else."),
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

/* What all devices count. */
struct page_counts {
  uint64_t kinds[SLOT_KIND_MASK + 1];
  uint64_t same_stored;
};

static void
sum_counts (struct pool *pool, struct page_counts *sum)
{
  *sum = (struct page_counts) { .same_stored = 0 };
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (pool->devices[n]) {
      for (unsigned k = 0; k <= SLOT_KIND_MASK; ++k)
        sum->kinds[k] += pool->devices[n]->counts[k];
      sum->same_stored += pool->devices[n]->same_stored;
    }
}

void
pool_get_stats (struct pool *pool, struct stats *st)
{
  const struct pool_counters *c = &pool->counters;
  struct objects_stats os;
  struct dedup_stats dedup = { .nodes = 0 };
  struct page_counts pages;
  uint64_t in_zspages, stored = 0;

  objects_get_stats (&pool->objects, &os);
  in_zspages = os.committed + arena_spare_bytes (&pool->arena);
  sum_counts (pool, &pages);
  if (pool->has_dedup)
    dedup_get_stats (&pool->dedup, &dedup);
  for (unsigned k = 0; k <= SLOT_KIND_MASK; ++k)
    if (k != SLOT_KIND_BAD)
      stored += pages.kinds[k];

  *st = (struct stats) {
    .orig_data_size = stored * pool->sizes.page_size,
    .compr_data_size = os.bytes,
    .mem_used_total = pool->budget.used,
    .mem_limit = pool->budget.limit,
    .mem_used_max = pool->budget.used_max,
    .same_pages = pages.kinds[SLOT_KIND_SAME] + pages.same_stored,
    .pages_compacted = c->pages_compacted,
    .huge_pages = pages.kinds[SLOT_KIND_HUGE],
    .huge_pages_since = c->huge_pages_since,
    .group_pages = pages.kinds[SLOT_KIND_GROUP],
    .dup_pages = dedup.shared,
    .mem_dedup = dedup.bytes,
    .failed_reads = c->failed_reads,
    .failed_writes = c->failed_writes,
    .notify_free = c->notify_free,
    .objects_up_to_half = os.up_to_half,
    .objects_above_half = os.used - os.up_to_half - os.huge,
    .zspages = os.zspages,
    .mem_waste = in_zspages - os.bytes,
    .checksum_errors = c->checksum_errors,
    .bad_slots = c->bad_slots,
  };
  st->mem_bookkeeping = monus (st->mem_used_total, in_zspages);
}
