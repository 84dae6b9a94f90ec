/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy: what maintenance does by itself, and when.
 *
 * It is a pure function of the settings, the state of the pool, and the time,
 * so that a test can check a week of it in a moment.  maintainer.h does what
 * it decides.
 *
 *   recompress  pages idle for recompress_age
 *   group       pages idle for GROUP_AGES times that, if the settings say so
 *   write back  without a mem_limit, pages idle for writeback_age.  With a
 *               limit, no pages below the watermark; from there to the limit,
 *               the age of the pages that are written back falls evenly from
 *               writeback_age to WRITEBACK_AGE_MIN
 *   clean       the backing file, when it says that it is due
 *   refresh     pages of an algorithm that was replaced
 *   train       a dictionary, when there are twice as many pages as the
 *               last time
 *   compact     when zspages have much memory that no object uses
 *
 * Walking over all pages to find a few costs time, too.  So each action waits
 * until the pages it is for have become older by an eighth.
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

/* Memory of zspages that no object uses, above which they are compacted: more
 * than this part, and than so many bytes.
 */
#define WASTE_PART 8
#define WASTE_BYTES (1024 * 1024)
#define COMPACT_INTERVAL 30     /* seconds */
#define TRAIN_INTERVAL 60       /* seconds, after a training that failed */

struct policy_settings {
  bool on;
  bool group;
  uint64_t recompress_age;      /* seconds */
  uint64_t writeback_age;       /* seconds */
  unsigned watermark;           /* percent, 0 to 99 */
};

/* The state of the pool. */
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
  uint64_t next[POLICY_ACTIONS]; /* seconds: earliest time of each */
};

struct policy_decision {
  enum policy_action action;
  uint64_t age;                 /* seconds: minimum age of the pages */
};

/* Decide what to do at NOW, in seconds of a clock that never goes back.  Call
 * it again when that is done, until it returns POLICY_REST.
 */
struct policy_decision policy_decide (struct policy *p,
                                      const struct policy_settings *s,
                                      const struct policy_view *v,
                                      uint64_t now);

/* The age in seconds from which pages are written back now; UINT64_MAX: no
 * pages are.
 */
uint64_t policy_writeback_age (const struct policy_settings *s,
                               const struct policy_view *v);

#endif /* NBDZRAM_MAINTENANCE_POLICY_H */
