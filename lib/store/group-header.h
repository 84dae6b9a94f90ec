/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The layout of a group's object, and the bits that say which pages refer
 * to it.  group.h says what groups are.
 *
 * All pages of a group lie in one run of GROUP_PAGES_MAX slots that begins
 * at a multiple of it, and thereby in one leaf.  The place of a page is its
 * number among the pages that the group was built of, from 0 on.
 *
 * The header has a bit for each place.  The bit is cleared when the page's
 * slot is released, and the caller that clears the last bit frees the
 * object.  Attaching sets the bits anew from the slots.
 */

#ifndef NBDZRAM_STORE_GROUP_HEADER_H
#define NBDZRAM_STORE_GROUP_HEADER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/alloc/size-class.h"
#include "slot.h"

#define GROUP_PAGES_MAX 16
#define GROUP_BYTES_MAX (64 * 1024)     /* before compression */

struct group_header {
  uint32_t sum;                 /* of all its pages */
  _Atomic uint32_t live;        /* a bit for each place; GROUP_BUILDING; at
                                 * attach, a sign of the process */
  uint8_t codec;
  uint8_t pages;                /* that it was built of */
  uint8_t reserved[2];
};

#define GROUP_HEADER_SIZE ((uint32_t) sizeof (struct group_header))

/* The place of the builder, which publishes the group's slots one by one,
 * and its bit.
 */
#define GROUP_BUILDER GROUP_PAGES_MAX
#define GROUP_BUILDING (UINT32_C (1) << GROUP_BUILDER)

/* The bits of places and of the builder.  The bits above them hold, during
 * attach, the attach_sign of the process that set them.
 */
#define GROUP_LIVE_BITS (2 * GROUP_BUILDING - 1)
#define GROUP_SIGN_SHIFT (GROUP_BUILDER + 1)

/* How many pages a group of this pool can have; fewer than two: the pool
 * has no groups.
 */
static inline unsigned
group_pages_max (const struct size_classes *sizes)
{
  unsigned n = GROUP_BYTES_MAX / sizes->page_size;

  return n < GROUP_PAGES_MAX ? n : GROUP_PAGES_MAX;
}

static inline struct group_header *
group_header_of (uint8_t *object)
{
  return (struct group_header *) object;
}

/* The slot for PLACE of the group of SLOT. */
static inline slot_t
group_slot (slot_t slot, unsigned place)
{
  return slot_group (slot_offset (slot), slot_length (slot), place);
}

/* Clear the bit of PLACE in OBJECT's header.  Returns true when it was the
 * last: the caller frees the object.
 */
static inline bool
group_release (uint8_t *object, unsigned place)
{
  uint32_t bit = UINT32_C (1) << place;
  uint32_t live = atomic_fetch_and (&group_header_of (object)->live, ~bit);

  return (live & GROUP_LIVE_BITS) == bit;
}

#endif /* NBDZRAM_STORE_GROUP_HEADER_H */
