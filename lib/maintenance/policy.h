/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy: what maintenance does by itself, and when.
 *
 * A pure function of settings, what the pool looks like, and the time,
 * so that a week of it can be checked in no time.  Doing it is
 * maintainer.h's.
 *
 *   recompress  pages idle for recompress_age
 *   group       pages idle for GROUP_AGES times that, where wanted
 *   write back  without a mem_limit, pages idle for writeback_age.  With
 *               one, none below the watermark; from there to the limit,
 *               the age at which pages go falls evenly from
 *               writeback_age to WRITEBACK_AGE_MIN
 *   clean       the backing file, when it says that it is due
 *   refresh     pages of an algorithm that was replaced
 *   train       a dictionary, when there are twice as many pages as the
 *               last time
 *   compact     when so much lies beside objects that it is worth it
 *
 * Walking over all pages to find a few is work, too, so nothing is
 * looked for more often than it takes those it is for to grow an eighth
 * older.
 */

#ifndef NBDZRAM_MAINTENANCE_POLICY_H
#define NBDZRAM_MAINTENANCE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define GROUP_AGES 4
#define WRITEBACK_AGE_MIN 5     /* seconds */
#define RECOMPRESS_AGE_DEFAULT 300
#define WRITEBACK_AGE_DEFAULT 3600
#define WATERMARK_DEFAULT 80    /* percent of mem_limit */
#define MAINTENANCE_CPU_DEFAULT 10 /* percent of one processor */

/* What of zspages' memory may lie beside objects before they are
 * compacted: this part, and so many bytes.
 */
#define WASTE_PART 8
#define WASTE_BYTES (1024 * 1024)
#define COMPACT_INTERVAL 30     /* seconds */
#define TRAIN_INTERVAL 60       /* seconds, if it did not work out */

struct policy_settings {
  bool on;
  bool group;
  uint64_t recompress_age;      /* seconds */
  uint64_t writeback_age;       /* seconds */
  unsigned watermark;           /* percent, 0 to 99 */
};

/* What the pool looks like. */
struct policy_view {
  uint64_t mem_used, mem_limit; /* bytes; limit 0: none */
  uint64_t in_zspages, in_objects; /* bytes */
  bool can_recompress;
  bool can_write_back;
  bool needs_cleaning;
  bool has_stale;
  bool needs_training;
};

enum policy_action {
  POLICY_REST,
  POLICY_RECOMPRESS,
  POLICY_GROUP,
  POLICY_WRITE_BACK,
  POLICY_CLEAN,
  POLICY_REFRESH,
  POLICY_TRAIN,
  POLICY_COMPACT,
  POLICY_ACTIONS,
};

struct policy {
  uint64_t next[POLICY_ACTIONS]; /* seconds: not before */
};

struct policy_decision {
  enum policy_action action;
  uint64_t age;                 /* seconds, of the pages it is for */
};

/* What to do at NOW, seconds of a clock that never goes back: call it
 * again when that is done, until it says to rest.
 */
struct policy_decision policy_decide (struct policy *p,
                                      const struct policy_settings *s,
                                      const struct policy_view *v,
                                      uint64_t now);

/* The age at which pages are written back now; UINT64_MAX: none are. */
uint64_t policy_writeback_age (const struct policy_settings *s,
                               const struct policy_view *v);

#endif /* NBDZRAM_MAINTENANCE_POLICY_H */
