/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users can see of each page, as in zram's block_state. */

#ifndef NBDZRAM_STORE_PAGE_STATE_H
#define NBDZRAM_STORE_PAGE_STATE_H

#include <stdint.h>

#include "device-types.h"

enum page_flag {
  PAGE_SAME = 1 << 0,
  PAGE_WRITTEN_BACK = 1 << 1,
  PAGE_HUGE = 1 << 2,
  PAGE_IDLE = 1 << 3,           /* marked by a user */
  PAGE_RECOMPRESSED = 1 << 4,
  PAGE_INCOMPRESSIBLE = 1 << 5,
  PAGE_GROUPED = 1 << 6,
  PAGE_DAMAGED = 1 << 7,
};

struct page_state {
  uint64_t index;
  unsigned flags;
  uint64_t age;                 /* at least so many seconds since the last
                                 * access */
  uint32_t bytes;               /* of its object, or its part of a group's */
  const struct codec *codec;    /* NULL: no codec, or not known */
};

/* Put the states of pages that are not empty, from page FIRST up to END, in
 * STATES, which has room for COUNT.  Returns how many were put there, and in
 * *NEXT the page to continue with: END when all are done.  Takes each slot's
 * lock in turn.
 */
unsigned device_page_states (struct device *d, uint64_t first, uint64_t end,
                             struct page_state *states, unsigned count,
                             uint64_t *next);

/* How many pages from FIRST up to END are not empty, each as it was at a
 * moment during the call.  Takes no lock.
 */
uint64_t device_count_stored (const struct device *d, uint64_t first,
                              uint64_t end);

#endif /* NBDZRAM_STORE_PAGE_STATE_H */
