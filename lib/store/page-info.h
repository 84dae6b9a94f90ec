/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process knows of a page besides its slot: two bytes, kept
 * in an array beside the table and lost with the process.  A page that
 * was attached is young and untried.
 *
 * Maintenance, which must not compress or wait under a slot's lock,
 * claims a page, works, and finds the claim gone if anybody has read or
 * written the page meanwhile: the same slot would not tell, since the
 * place of an object is soon used again.
 *
 * Changed under the slot's lock, but for the age, which the sweep
 * changes under none.
 */

#ifndef NBDZRAM_STORE_PAGE_INFO_H
#define NBDZRAM_STORE_PAGE_INFO_H

#include <stdint.h>

#include "age.h"

typedef uint16_t page_info;

#define INFO_AGE ((page_info) 0xff)
#define INFO_CLAIMED ((page_info) 0x100)
#define INFO_IDLE ((page_info) 0x200)   /* marked by a user */
#define INFO_TRIED_SHIFT 10     /* how many of the algorithms for
                                 * recompression it has been through */
#define INFO_TRIED ((page_info) (3 << INFO_TRIED_SHIFT))
#define INFO_INCOMPRESSIBLE ((page_info) 0x1000) /* by any of them */
#define INFO_STALE ((page_info) 0x2000) /* the algorithm for new pages has
                                         * changed since it was written */
#define INFO_GROUP_TRIED ((page_info) 0x4000) /* together with neighbours,
                                               * to no avail */

/* What an access ends. */
#define INFO_UNTIL_ACCESS (INFO_AGE | INFO_CLAIMED | INFO_IDLE)

static inline uint8_t
info_age (page_info info)
{
  return (uint8_t) (info & INFO_AGE);
}

static inline unsigned
info_tried (page_info info)
{
  return (info & INFO_TRIED) >> INFO_TRIED_SHIFT;
}

#endif /* NBDZRAM_STORE_PAGE_INFO_H */
