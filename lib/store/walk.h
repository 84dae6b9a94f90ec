/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pages a job of maintenance takes, and going through them.
 *
 * Jobs run one at a time, each with pool->maintenance held.  They go
 * page by page, ask between two pages whether to go on, and hold no lock
 * of a request for longer than it takes to look at one page.  A walk of one
 * device that only looks needs no maintenance, but a look at the device
 * (devices.h).
 */

#ifndef NBDZRAM_STORE_WALK_H
#define NBDZRAM_STORE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "device-types.h"

/* As zram's type=. */
enum page_type {
  PAGES_ALL,
  PAGES_IDLE,
  PAGES_HUGE,
  PAGES_HUGE_IDLE,
  PAGES_INCOMPRESSIBLE,
  PAGES_STALE,                  /* of an algorithm that was replaced */
  PAGE_TYPES,
};

/* Whether to go on, for who limits or cancels a job; it may sleep.  No
 * job, or no function, stands for always.
 */
struct job {
  bool (*go_on) (void *opaque);
  void *opaque;
};

static inline bool
job_goes_on (const struct job *job)
{
  return !job || !job->go_on || job->go_on (job->opaque);
}

struct selection {
  struct device *device;        /* NULL: all of the pool */
  uint64_t first, end;          /* pages, with a device */
  enum page_type type;
  uint8_t idle_age;             /* from which on a page counts as idle, as
                                 * one does that a user has marked; 0: only
                                 * such a one */
};

/* All pages of a type. */
static inline struct selection
select_type (enum page_type type)
{
  return (struct selection) { .type = type };
}

/* Is a page of this slot, about which INFO is known, one of them? */
bool is_selected (const struct selection *s, slot_t slot, page_info info);

/* Call FN for each leaf that is there, of all devices; no lock is held.
 * Ends when FN returns false, or the job is not to go on.
 */
void walk_all_leaves (struct pool *pool, const struct job *job,
                      bool (*fn) (struct device *d, uint64_t leaf,
                                  void *opaque),
                      void *opaque);

/* Call FN for each page selected that has an object in the arena, with
 * its slot as it was a moment ago; no lock is held.  Ends when FN returns
 * false, or the job is not to go on.
 */
void walk_selected (struct pool *pool, const struct selection *s,
                    const struct job *job,
                    bool (*fn) (struct device *d, uint64_t index, slot_t slot,
                                page_info info, void *opaque),
                    void *opaque);

/* The same, a leaf at a time, for those who want neighbours: SLOTS that
 * are not selected are EMPTY, INFOS go with them, and FIRST is the index
 * of the first.
 */
void walk_leaves (struct pool *pool, const struct selection *s,
                  const struct job *job,
                  bool (*fn) (struct device *d, uint64_t first,
                              const slot_t slots[LEAF_SLOTS],
                              const page_info infos[LEAF_SLOTS],
                              void *opaque),
                  void *opaque);

#endif /* NBDZRAM_STORE_WALK_H */
