/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims: how maintenance replaces the object of a page.
 *
 * A job of maintenance must not compress or wait under a slot's lock.  It
 * claims the page, works on a copy of its object, and publishes a new slot
 * if the claim still holds.  A request that reads or writes the page ends
 * the claim (page-info.h).
 *
 * INDEX is the page.  All functions take the slot's lock, so the caller
 * holds no lock that comes after it (pool-types.h).
 */

#ifndef NBDZRAM_STORE_PAGE_CLAIM_H
#define NBDZRAM_STORE_PAGE_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "device-types.h"

/* Claim the page whose slot is SLOT, which names an object in the arena,
 * and copy that object, at most a page, to COPY.  Returns false when the
 * slot has changed.
 */
bool page_claim (struct device *d, uint64_t index, slot_t slot,
                 uint8_t *copy);

/* Does the claim of the page whose slot is SLOT still hold? */
bool page_is_claimed (struct device *d, uint64_t index, slot_t slot);

/* If the claim still holds, publish SLOT with INFO as the page's info, and
 * free the old object.  Otherwise returns false, and the caller releases
 * SLOT's object.
 */
bool page_replace (struct device *d, uint64_t index, slot_t slot,
                   page_info info);

/* If the page's slot is OLD, publish NEW instead and free OLD's object; of
 * the page's info, only the bits in KEEP stay.  Otherwise returns false,
 * and the caller releases NEW's object.
 */
bool page_replace_if (struct device *d, uint64_t index, slot_t old,
                      slot_t new, page_info keep);

/* If the claim still holds, give it up, and add the bits ADD to the page's
 * info and remove the bits REMOVE.
 */
void page_unclaim (struct device *d, uint64_t index, page_info add,
                   page_info remove);

#endif /* NBDZRAM_STORE_PAGE_CLAIM_H */
