/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selecting pages for a job of maintenance, and visiting them.
 *
 * Jobs run one at a time, each with pool->maintenance held.  A job goes page
 * by page, asks between two pages whether to go on, and holds no lock that a
 * request needs for longer than it takes to look at one page.  A walk of one
 * device that changes nothing needs no maintenance, if the device is pinned
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

/* GO_ON tells a job whether to go on, to limit or cancel it.  It may sleep.  A
 * job that is NULL, or has no function, always goes on.
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
  struct device *device;        /* NULL: all devices of the pool */
  uint64_t first, end;          /* pages, with a device */
  enum page_type type;
  uint8_t idle_age;             /* from this age on, a page counts as idle; 0:
                                 * only pages that a user has marked do */
};

/* All pages of a type. */
static inline struct selection
select_type (enum page_type type)
{
  return (struct selection) { .type = type };
}

/* Is a page with SLOT and INFO of the selected type? */
bool is_selected (const struct selection *s, slot_t slot, page_info info);

/* Call FN for each existing leaf of all devices, without a lock.  Ends when FN
 * returns false, or the job is not to go on.
 */
void walk_all_leaves (struct pool *pool, const struct job *job,
                      bool (*fn) (struct device *d, uint64_t leaf,
                                  void *opaque),
                      void *opaque);

/* Call FN for each selected page that has an object in the arena, with its
 * slot as it was a moment ago, without a lock.  Ends when FN returns false, or
 * the job is not to go on.
 */
void walk_selected (struct pool *pool, const struct selection *s,
                    const struct job *job,
                    bool (*fn) (struct device *d, uint64_t index, slot_t slot,
                                page_info info, void *opaque),
                    void *opaque);

/* The same, a leaf at a time, for jobs that need neighbouring pages.  SLOTS
 * that are not selected are EMPTY, INFOS are those of the same pages, and
 * FIRST is the index of the first.
 */
void walk_leaves (struct pool *pool, const struct selection *s,
                  const struct job *job,
                  bool (*fn) (struct device *d, uint64_t first,
                              const slot_t slots[LEAF_SLOTS],
                              const page_info infos[LEAF_SLOTS],
                              void *opaque),
                  void *opaque);

#endif /* NBDZRAM_STORE_WALK_H */
