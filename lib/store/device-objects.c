/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/backing/backing.h"
#include "lib/base/util.h"

#include "device-objects.h"
#include "group-header.h"

int
report_damage (struct device *d)
{
  atomic_fetch_add (&d->pool->counters.checksum_errors, 1);
  return fail_with (EIO);
}

bool
object_fits (const struct device *d, slot_t slot)
{
  return object_bytes (d, slot) <= device_page_size (d)
    && slot_offset (slot) + object_bytes (d, slot) <= d->pool->arena.size;
}

uint32_t
slot_fingerprint (const struct device *d, slot_t slot)
{
  object_sum sum;

  if (slot_is_huge (slot))
    return slot_huge_sum (slot);
  memcpy (&sum, object_at (d, slot_offset (slot)), sizeof sum);
  return sum & FINGERPRINT_MASK;
}

/* ---- taking objects ---- */

/* The last part, a LAST_PART-th, of a pool's memory limit is for devices that
 * hold less than their equal share of the limit.
 */
#define LAST_PART 16

/* What an object of class CLS counts for its device.  Where devices may share
 * objects, it counts for none of them.
 */
static uint64_t
owned_bytes (const struct device *d, uint32_t cls)
{
  return d->pool->objects_are_owned ? d->pool->sizes.classes[cls].size : 0;
}

static bool
may_grow (const struct device *d)
{
  const struct pool *pool = d->pool;
  uint64_t limit = pool->budget.limit;
  unsigned devices = pool->device_count;

  return limit == 0 || devices < 2
    || pool->budget.used < limit - limit / LAST_PART
    || d->held.used < limit / devices;
}

static int
take_quota (struct device *d, uint64_t bytes, bool maintenance)
{
  if (maintenance) {
    budget_force (&d->held, bytes);
    return 0;
  }
  if (!may_grow (d))
    return fail_with (ENOSPC);
  if (budget_take (&d->held, bytes) == 0)
    return 0;
  return fail_with (EDQUOT);
}

int
take_object (struct device *d, uint32_t bytes, bool maintenance,
             uint64_t *offset)
{
  struct pool *pool = d->pool;
  uint32_t cls = bytes == pool->sizes.page_size
    ? size_class_huge (&pool->sizes) : size_class_of (&pool->sizes, bytes);
  uint64_t owned = owned_bytes (d, cls);

  if (take_quota (d, owned, maintenance) == -1)
    return -1;
  if (object_alloc (&pool->objects, cls, bytes, true, offset) == 0)
    return 0;
  budget_give (&d->held, owned);
  return -1;
}

void
charge_object (struct device *d, slot_t slot)
{
  budget_force (&d->held, owned_bytes (d, object_class (d, slot)));
}

void
free_object (struct device *d, slot_t slot)
{
  uint32_t cls = object_class (d, slot);

  if (object_free (&d->pool->objects, cls, slot_offset (slot),
                   object_bytes (d, slot)) == 0)
    budget_give (&d->held, owned_bytes (d, cls));
}

/* ---- releasing slots ---- */

/* The slot may be damaged, and must not clear a bit of another object. */
static bool
is_last_of_group (struct device *d, slot_t slot)
{
  return object_is_taken (&d->pool->objects, object_class (d, slot),
                          slot_offset (slot))
    && group_release (object_at (d, slot_offset (slot)), slot_place (slot));
}

static bool
is_last_owner (struct device *d, slot_t slot)
{
  struct pool *pool = d->pool;

  if (!is_dedupable (slot))
    return true;
  switch (dedup_drop (&pool->dedup, slot_fingerprint (d, slot), slot)) {
  case DEDUP_SHARED:
    return false;
  case DEDUP_LAST:
    return true;
  default:
    return !object_is_shared (&pool->objects, object_class (d, slot),
                              slot_offset (slot));
  }
}

/* A page of a group counts as a part of its object: as which part. */
static unsigned
backing_share (slot_t slot)
{
  return slot_is_group (slot) ? BACKING_GROUP : 1;
}

static bool
backing_has (const struct device *d, slot_t slot)
{
  return object_bytes (d, slot) <= device_page_size (d)
    && backing_contains (d->pool->backing, slot_offset (slot),
                         object_bytes (d, slot));
}

void
claim_written_back (struct device *d, slot_t slot)
{
  backing_claim (d->pool->backing, slot_offset (slot), object_bytes (d, slot),
                 backing_share (slot));
}

static void
release_written_back (struct device *d, slot_t slot)
{
  if (backing_has (d, slot))
    backing_release (d->pool->backing, slot_offset (slot),
                     object_bytes (d, slot), backing_share (slot));
}

void
release_slot (struct device *d, slot_t slot)
{
  if (slot_is_written_back (slot) && d->pool->backing)
    release_written_back (d, slot);
  if (!slot_has_object (slot) || !object_fits (d, slot))
    return;
  if (slot_is_group (slot) ? is_last_of_group (d, slot)
                           : !d->pool->has_dedup || is_last_owner (d, slot))
    free_object (d, slot);
}

/* ---- claiming slots at attach ---- */

/* Errors as of object_claim. */
static int
claim_object (struct device *d, slot_t slot)
{
  if (object_claim (&d->pool->objects, object_class (d, slot),
                    slot_offset (slot), object_bytes (d, slot)) == -1)
    return -1;
  charge_object (d, slot);
  return 0;
}

/* Claim an object that other slots may name as well. */
static int
claim_shared (struct device *d, slot_t slot)
{
  struct pool *pool = d->pool;
  uint32_t fp = slot_fingerprint (d, slot);
  int known = dedup_claim (&pool->dedup, fp, dedup_scope (d), slot);

  if (known == -1)
    return -1;
  if (known == 1) {
    object_share (&pool->objects, object_class (d, slot), slot_offset (slot));
    return 0;
  }
  if (claim_object (d, slot) == 0)
    return 0;
  dedup_drop (&pool->dedup, fp, slot);
  return fail_with (EUCLEAN);
}

/* Claim the place of SLOT in its group.  The bits in the header are kept in
 * the pool file, so they may be those of an earlier process.  The first slot
 * that names the group replaces them and adds this process's sign, by which
 * later slots know that the header has been claimed.
 */
static int
claim_group (struct device *d, slot_t slot)
{
  struct objects *objects = &d->pool->objects;
  struct group_header *header
    = group_header_of (object_at (d, slot_offset (slot)));
  uint32_t sign = d->pool->attach_sign << GROUP_SIGN_SHIFT;
  uint32_t bit = UINT32_C (1) << slot_place (slot), live;

  errno = EUCLEAN;
  if (slot_length (slot) <= GROUP_HEADER_SIZE)
    return -1;
  if (claim_object (d, slot) == 0) {
    atomic_store (&header->live, sign | bit);
    return 0;
  }
  /* Another page of the group has claimed it, or another object has. */
  live = atomic_load (&header->live);
  if (!object_is_taken (objects, object_class (d, slot), slot_offset (slot))
      || (live & ~GROUP_LIVE_BITS) != sign || (live & bit) != 0)
    return -1;
  atomic_store (&header->live, live | bit);
  return 0;
}

static enum attach_result
claim_backing_place (struct device *d, slot_t slot)
{
  if (!d->pool->backing)
    return pool_file_backing (&d->pool->file)->has ? ATTACH_NO_BACKING
                                                   : ATTACH_SLOT_DAMAGED;
  if (!backing_has (d, slot))
    return d->pool->backing->may_be_larger ? ATTACH_BACKING_UNKNOWN
                                           : ATTACH_SLOT_DAMAGED;
  claim_written_back (d, slot);
  return ATTACH_OK;
}

/* 0, or -1 with errno EUCLEAN (there can't be such an object) or ENOMEM. */
static int
claim_in_arena (struct device *d, slot_t slot)
{
  if (!object_fits (d, slot))
    return fail_with (EUCLEAN);
  if (slot_is_group (slot))
    return claim_group (d, slot);
  return d->pool->has_dedup && is_dedupable (slot)
    ? claim_shared (d, slot) : claim_object (d, slot);
}

enum attach_result
claim_slot (struct device *d, slot_t slot)
{
  if (slot_is_written_back (slot))
    return claim_backing_place (d, slot);
  if (claim_in_arena (d, slot) == 0)
    return ATTACH_OK;
  return errno == EUCLEAN ? ATTACH_SLOT_DAMAGED : ATTACH_FAILED;
}

void
count_slot (struct device *d, slot_t slot, int by)
{
  if (slot == SLOT_EMPTY)
    return;
  atomic_fetch_add_explicit (&d->counts[slot & SLOT_KIND_MASK], (uint64_t) by,
                             memory_order_relaxed);
  if (slot_is_same_stored (slot))
    atomic_fetch_add_explicit (&d->same_stored, (uint64_t) by,
                               memory_order_relaxed);
  if (slot_is_stored (slot))
    dictionaries_count (&d->pool->dictionaries, slot_codec (slot), by);
}
