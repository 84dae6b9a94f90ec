/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stddef.h>

#include "lib/store/devices.h"

#include "idle.h"
#include "stats.h"
#include "writeback.h"

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
  FIELD (idle_pages, "pages",
         "Pages in memory that are marked idle, or as old as recompress-age."),
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
  FIELD (bd_count, "pages",
         "Pages that are in the backing file."),
  FIELD (bd_reads, "pages",
         "Pages read from it."),
  FIELD (bd_writes, "pages",
         "Pages written back to it."),
  FIELD (bd_promoted, "pages",
         "Pages that were read from it and stayed in memory."),
  FIELD (bd_stale, "events",
         "Times that it had something else than what was written back."),
  FIELD (bd_read_errors, "events",
         "Times that it could not be read."),
  FIELD (bd_write_errors, "events",
         "Times that it could not be written."),
  FIELD (bd_size, "bytes",
         "Room in it."),
  FIELD (bd_used, "bytes",
         "Room taken."),
  FIELD (bd_live, "bytes",
         "... by pages that are still there."),
  FIELD (bd_written, "bytes",
         "Written to it, cleaning included."),
  FIELD (bd_connections, "connections",
         "Connections to it, if it is an export of an NBD server."),
  FIELD (bd_reconnects, "events",
         "Connections to it that were made again."),
  FIELD (writeback_limit, "bytes",
         "The most that may be written back in a day; 0 is no limit."),
  FIELD (writeback_left, "bytes",
         "... and is left of this day's."),
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

/* A - B, but not below 0: counters change while they are read. */
static uint64_t
subtract_capped (uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

/* Pages of devices, by the kind of their slots. */
struct page_counts {
  uint64_t kinds[SLOT_KIND_MASK + 1];
  uint64_t same_stored;
};

static void
add_counts (struct page_counts *sum, const struct device *d)
{
  for (unsigned k = 0; k <= SLOT_KIND_MASK; ++k)
    sum->kinds[k] += d->counts[k];
  sum->same_stored += d->same_stored;
}

static uint64_t
count_stored (const struct page_counts *pages)
{
  uint64_t stored = 0;

  for (unsigned k = 0; k <= SLOT_KIND_MASK; ++k)
    if (k != SLOT_KIND_BAD)
      stored += pages->kinds[k];
  return stored;
}

uint64_t
device_orig_data_size (const struct device *d)
{
  struct page_counts pages = { .same_stored = 0 };

  add_counts (&pages, d);
  return count_stored (&pages) * d->pool->sizes.page_size;
}

static void
get_backing_stats (struct pool *pool, struct stats *st)
{
  const struct backing *b = pool->backing;
  struct backing_stats bs;

  if (!b)
    return;
  backing_get_stats (b, &bs);
  st->bd_read_errors = b->counters.read_errors;
  st->bd_write_errors = b->counters.write_errors;
  st->bd_size = bs.size;
  st->bd_used = bs.used;
  st->bd_live = bs.live;
  st->bd_written = b->counters.write_bytes;
  st->bd_connections = bs.connections;
  st->bd_reconnects = bs.reconnects;
  pool_get_writeback_limit (pool, &st->writeback_limit, &st->writeback_left);
}

void
pool_get_stats (struct pool *pool, struct stats *st)
{
  const struct pool_counters *c = &pool->counters;
  struct objects_stats os;
  struct dedup_stats dedup = { .nodes = 0 };
  struct page_counts pages = { .same_stored = 0 };
  uint64_t in_zspages;

  objects_get_stats (&pool->objects, &os);
  in_zspages = os.committed + arena_spare_bytes (&pool->arena);
  for (struct device *d = NULL; (d = device_pin_next (pool, d)) != NULL; )
    add_counts (&pages, d);
  if (pool->has_dedup)
    dedup_get_stats (&pool->dedup, &dedup);

  *st = (struct stats) {
    .orig_data_size = count_stored (&pages) * pool->sizes.page_size,
    .compr_data_size = os.bytes,
    .mem_used_total = pool->budget.used,
    .mem_limit = pool->budget.limit,
    .mem_used_max = pool->budget.used_max,
    .same_pages = pages.kinds[SLOT_KIND_SAME] + pages.same_stored,
    .pages_compacted = c->pages_compacted,
    .huge_pages = pages.kinds[SLOT_KIND_HUGE],
    .huge_pages_since = c->huge_pages_since,
    .idle_pages = pool_count_idle (pool),
    .group_pages = pages.kinds[SLOT_KIND_GROUP],
    .bd_count = pages.kinds[SLOT_KIND_STORED | SLOT_WRITTEN_BACK]
                + pages.kinds[SLOT_KIND_HUGE | SLOT_WRITTEN_BACK]
                + pages.kinds[SLOT_KIND_GROUP | SLOT_WRITTEN_BACK],
    .bd_reads = c->bd_reads,
    .bd_writes = c->bd_writes,
    .bd_promoted = c->promoted,
    .bd_stale = c->bd_stale,
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
  get_backing_stats (pool, st);
  st->mem_bookkeeping = subtract_capped (st->mem_used_total, in_zspages);
}
