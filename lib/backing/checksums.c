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
#include "lib/base/os.h"

#include "backing.h"
#include "internal.h"

_Static_assert (BACKING_SIZE_MAX / BACKING_BLOCK * sizeof (uint32_t)
                <= BACKING_SUMS_SIZE, "room for all blocks");

/* 0 stands for an unknown checksum. */
static uint32_t
sum_of (const void *content)
{
  uint32_t sum = (uint32_t) page_checksum (content, BACKING_BLOCK);

  return sum != 0 ? sum : 1;
}

uint64_t
sums_bytes (const struct backing *b, uint32_t blocks)
{
  return align_up ((uint64_t) blocks * sizeof *b->sums, b->sums_kept.granule);
}

int
sums_open (struct backing *b, const struct backing_sums *kept)
{
  b->sums_kept = kept ? *kept : (struct backing_sums) {
    .fd = -1, .granule = OS_PAGE_SIZE,
  };
  b->sums = kept
    ? os_map_file (kept->fd, kept->offset, sums_bytes (b, b->blocks))
    : os_map_anon (sums_bytes (b, b->blocks));
  return b->sums ? 0 : -1;
}

/* The memory BYTES behind the first checksum. */
static void *
sums_at (const struct backing *b, uint64_t bytes)
{
  void *base = b->sums;

  return (char *) base + bytes;
}

void
sums_close (struct backing *b)
{
  os_unmap (b->sums, sums_bytes (b, b->blocks));
  b->sums = NULL;
}

int
sums_populate (struct backing *b, uint32_t from, uint32_t to)
{
  uint64_t start = sums_bytes (b, from), end = sums_bytes (b, to);

  if (start >= end || b->sums_kept.fd == -1)
    return 0;
  return os_populate (b->sums_kept.fd, sums_at (b, start),
                      b->sums_kept.offset + start, end - start);
}

int
sums_forget (struct backing *b, uint32_t from, uint32_t to)
{
  uint64_t start = sums_bytes (b, from), end = sums_bytes (b, to);

  if (b->sums_kept.fd == -1)
    end = MIN (end, sums_bytes (b, b->blocks));
  if (start >= end)
    return 0;
  return b->sums_kept.fd == -1
    ? os_give_back (sums_at (b, start), end - start)
    : os_punch (b->sums_kept.fd, b->sums_kept.offset + start, end - start);
}

void
sums_set (struct backing *b, uint32_t block, const void *content)
{
  if (!b->sums_begun && b->sums_kept.begin)
    b->sums_kept.begin (b->sums_kept.opaque);
  b->sums_begun = true;
  atomic_store_explicit (&b->sums[block], sum_of (content),
                         memory_order_relaxed);
}

enum sums_match
sums_compare (const struct backing *b, const void *buf, size_t len,
              uint64_t offset)
{
  uint64_t block = offset / BACKING_BLOCK;
  enum sums_match match = SUMS_MATCH;

  for (size_t at = 0; at < len; at += BACKING_BLOCK, ++block) {
    uint32_t sum = atomic_load_explicit (&b->sums[block],
                                         memory_order_relaxed);

    if (sum == 0)
      match = SUMS_UNKNOWN;
    else if (sum != sum_of ((const char *) buf + at))
      return SUMS_DIFFER;
  }
  return match;
}
