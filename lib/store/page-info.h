/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process knows about a page besides its slot: two bytes, kept
 * in an array beside the table and lost with the process.  After an attach
 * all pages are young and untried.
 *
 * One bit is the claim of maintenance (page-claim.h), which a read or a write
 * of the page clears.  An unchanged slot would not prove that the page is
 * unchanged, since a freed object's memory is soon used again.
 *
 * An info is changed under the slot's lock, except for its age, which the
 * sweep changes without it.
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
                                 * recompression have been tried */
#define INFO_TRIED ((page_info) (3 << INFO_TRIED_SHIFT))
#define INFO_INCOMPRESSIBLE ((page_info) 0x1000) /* all of them failed */
#define INFO_STALE ((page_info) 0x2000) /* the algorithm for new pages has
                                         * changed since it was written */
#define INFO_GROUP_TRIED ((page_info) 0x4000) /* grouping it with neighbours
                                               * gained nothing */

/* What an access clears. */
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
