/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksums of blocks (backing.h).
 *
 * A checksum is never set while a reader compares it: a block is written only
 * after all readers that may have seen it have ended.  Checksums lie in a
 * mapping of the pool file, so that a plain store makes them outlive the
 * process.
 */

#include <config.h>

#include <errno.h>

#include "lib/base/checksum.h"

#include "backing.h"
#include "internal.h"

_Static_assert (BACKING_SIZE_MAX / BACKING_BLOCK * SUMS_ENTRY
                <= BACKING_SUMS_SIZE, "room for all blocks");

/* 0 stands for an unknown checksum. */
static uint32_t
sum_of (const void *content)
{
  uint32_t sum = (uint32_t) page_checksum (content, BACKING_BLOCK);

  return sum != 0 ? sum : 1;
}

static _Atomic uint32_t *
sum_at (const struct backing *b, uint64_t block)
{
  _Atomic uint32_t *sums = b->sums.base;

  return &sums[block];
}

void
sums_set (struct backing *b, uint32_t block, const void *content)
{
  block_array_begin (&b->sums);
  atomic_store_explicit (sum_at (b, block), sum_of (content),
                         memory_order_relaxed);
}

enum sums_match
sums_compare (const struct backing *b, const void *buf, size_t len,
              uint64_t offset)
{
  uint64_t block = offset / BACKING_BLOCK;
  enum sums_match match = SUMS_MATCH;

  for (size_t at = 0; at < len; at += BACKING_BLOCK, ++block) {
    uint32_t sum = atomic_load_explicit (sum_at (b, block),
                                         memory_order_relaxed);

    if (sum == 0)
      match = SUMS_UNKNOWN;
    else if (sum != sum_of ((const char *) buf + at))
      return SUMS_DIFFER;
  }
  return match;
}
