/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maintainer: the thread that updates the ages of pages, and does what
 * the policy says, within a share of one processor.
 *
 * When a write waits for memory (reclaim.h), pages are written back before
 * anything else, the oldest first, until there is some.
 *
 * Between two pages it checks how much processor time it has used, and sleeps
 * as long as its share demands.  While as many requests are executed as there
 * are processors, it pauses for a while.
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

/* Since the maintainer began. */
struct maintainer_counters {
  _Atomic uint64_t runs[POLICY_ACTIONS];
  _Atomic uint64_t cpu_ns;
};

struct maintainer {
  struct pool *pool;
  struct maintainer_counters counters;
  pthread_t thread;
  bool running;

  pthread_mutex_t lock;         /* of wake, stop and settings */
  pthread_cond_t wake;
  bool stop;
  struct maintainer_settings settings;

  unsigned processors;          /* constant */
  struct policy policy;         /* only the thread uses this and the next */
  uint64_t worked_until;        /* ns of its processor time that it has slept
                                 * for */
  uint64_t goal;                /* bytes in use to reach, while writes wait */
};

void maintainer_settings_init (struct maintainer_settings *s);

/* Start the thread, after pool_start.  0, or -1 with errno. */
int maintainer_start (struct maintainer *m, struct pool *pool,
                      const struct maintainer_settings *s);

/* Stop the thread, even within a job.  Safe on a zeroed struct. */
void maintainer_stop (struct maintainer *m);

/* By any thread. */
void maintainer_get_settings (struct maintainer *m,
                              struct maintainer_settings *s);
void maintainer_set_settings (struct maintainer *m,
                              const struct maintainer_settings *s);

/* Look at the pool at NOW, in seconds, and do what the policy says.  Public
 * for tests, whose clocks run faster.  Returns what was done.
 */
enum policy_action maintainer_step (struct pool *pool, struct policy *policy,
                                    const struct policy_settings *s,
                                    const struct job *job, uint64_t now);

/* Fill in what the policy decides by. */
void maintainer_view (struct pool *pool, struct policy_view *v);

#endif /* NBDZRAM_MAINTENANCE_MAINTAINER_H */
