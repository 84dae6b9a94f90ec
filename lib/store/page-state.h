/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be seen of each page, as in zram's block_state. */

#ifndef NBDZRAM_STORE_PAGE_STATE_H
#define NBDZRAM_STORE_PAGE_STATE_H

#include <stdint.h>

#include "device-types.h"

enum page_flag {
  PAGE_SAME = 1 << 0,
  PAGE_WRITTEN_BACK = 1 << 1,
  PAGE_HUGE = 1 << 2,
  PAGE_IDLE = 1 << 3,           /* marked so */
  PAGE_RECOMPRESSED = 1 << 4,
  PAGE_INCOMPRESSIBLE = 1 << 5,
  PAGE_GROUPED = 1 << 6,
  PAGE_DAMAGED = 1 << 7,
};

struct page_state {
  uint64_t index;
  unsigned flags;
  uint64_t age;                 /* seconds since it was accessed, at least */
  uint32_t bytes;               /* of its object, or its share of one */
  const struct codec *codec;    /* NULL where there is none */
};

/* Look at the pages from FIRST on until COUNT of them, which are not
 * empty, are in STATES, or END is reached.  *NEXT is where to go on.
 * Returns how many there are.
 */
unsigned device_page_states (struct device *d, uint64_t first, uint64_t end,
                             struct page_state *states, unsigned count,
                             uint64_t *next);

#endif /* NBDZRAM_STORE_PAGE_STATE_H */
