/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maintainer: the thread that keeps pages' ages, and does what the
 * policy says, within a share of one processor.
 *
 * When a write waits for memory (reclaim.h), all else waits, and pages are
 * written back, the oldest first, until there is some.
 *
 * Between two pages it looks how much it has worked, and rests as long
 * as its share demands; while as many requests are at work as there are
 * processors, it lets them pass for a while.
 */

#ifndef NBDZRAM_MAINTENANCE_MAINTAINER_H
#define NBDZRAM_MAINTENANCE_MAINTAINER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/store/walk.h"
#include "policy.h"

struct maintainer_settings {
  struct policy_settings policy;
  unsigned cpu;                 /* percent of one processor, 1 to 100 */
};

/* What the maintainer has done since it began. */
struct maintainer_counters {
  _Atomic uint64_t runs[POLICY_ACTIONS];
  _Atomic uint64_t cpu_ns;
};

struct maintainer {
  struct pool *pool;
  struct maintainer_counters counters;
  pthread_t thread;
  bool running;

  pthread_mutex_t lock;         /* of what follows */
  pthread_cond_t wake;
  bool stop;
  struct maintainer_settings settings;

  unsigned processors;          /* constant */
  struct policy policy;         /* the thread's own, as is the next */
  uint64_t worked_until;        /* ns of its processor time, paid for */
  uint64_t goal;                /* bytes used, while writes wait */
};

void maintainer_settings_init (struct maintainer_settings *s);

/* Start it; POOL has been started.  0, or -1 with errno. */
int maintainer_start (struct maintainer *m, struct pool *pool,
                      const struct maintainer_settings *s);

/* Stop it, in the middle of a job if need be.  Safe on a zeroed one. */
void maintainer_stop (struct maintainer *m);

/* Any thread may call these. */
void maintainer_get_settings (struct maintainer *m,
                              struct maintainer_settings *s);
void maintainer_set_settings (struct maintainer *m,
                              const struct maintainer_settings *s);

/* One look at the pool at NOW, and what the policy says to that; by
 * itself for tests, whose clocks run faster.  Returns what was done.
 */
enum policy_action maintainer_step (struct pool *pool, struct policy *policy,
                                    const struct policy_settings *s,
                                    const struct job *job, uint64_t now);

/* What the policy looks at. */
void maintainer_view (struct pool *pool, struct policy_view *v);

#endif /* NBDZRAM_MAINTENANCE_MAINTAINER_H */
