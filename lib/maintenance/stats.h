/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of a pool, with zram's names for what zram has, too. */

#ifndef NBDZRAM_MAINTENANCE_STATS_H
#define NBDZRAM_MAINTENANCE_STATS_H

#include <stdint.h>

#include "lib/store/device.h"

struct stats {
  /* As in zram's mm_stat. */
  uint64_t orig_data_size;
  uint64_t compr_data_size;
  uint64_t mem_used_total;
  uint64_t mem_limit;
  uint64_t mem_used_max;
  uint64_t same_pages;
  uint64_t pages_compacted;
  uint64_t huge_pages;
  uint64_t huge_pages_since;
  uint64_t idle_pages;
  uint64_t group_pages;
  uint64_t dup_pages;
  /* As in zram's io_stat. */
  uint64_t failed_reads;
  uint64_t failed_writes;
  uint64_t notify_free;
  /* As in zram's bd_stat, but for the units. */
  uint64_t bd_count;
  uint64_t bd_reads;
  uint64_t bd_writes;
  uint64_t bd_promoted;
  uint64_t bd_stale;
  uint64_t bd_read_errors;
  uint64_t bd_write_errors;
  uint64_t bd_size;
  uint64_t bd_used;
  uint64_t bd_live;
  uint64_t bd_written;
  uint64_t bd_connections;
  uint64_t bd_reconnects;
  uint64_t writeback_limit;
  uint64_t writeback_left;
  /* Compressed sizes. */
  uint64_t objects_up_to_half;
  uint64_t objects_above_half;
  /* The rest of the memory: compr_data_size, mem_waste and mem_bookkeeping add
   * up to mem_used_total.  mem_dedup is a part of mem_bookkeeping.
   */
  uint64_t zspages;
  uint64_t mem_waste;
  uint64_t mem_dedup;
  uint64_t mem_bookkeeping;
  /* Damage. */
  uint64_t checksum_errors;
  uint64_t bad_slots;
};

/* The description of one statistic. */
struct stats_field {
  const char *name;
  const char *unit;             /* "bytes", "pages", "events" ... */
  const char *meaning;          /* one sentence */
  size_t offset;                /* of the value in struct stats */
};

/* All fields of struct stats; the last element has a NULL name. */
extern const struct stats_field stats_fields[];

static inline uint64_t
stats_value (const struct stats *st, const struct stats_field *f)
{
  return *(const uint64_t *) ((const char *) st + f->offset);
}

/* Each value is consistent in itself, but not with the others while requests
 * are served.
 */
void pool_get_stats (struct pool *pool, struct stats *st);

/* Bytes of the pages stored on a device, before compression. */
uint64_t device_orig_data_size (const struct device *d);

#endif /* NBDZRAM_MAINTENANCE_STATS_H */
