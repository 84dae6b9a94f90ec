/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the backing file share, and nobody else needs. */

#ifndef NBDZRAM_BACKING_INTERNAL_H
#define NBDZRAM_BACKING_INTERNAL_H

#include "backing.h"

#define BLOCK_UNITS (BACKING_BLOCK / BACKING_UNIT)

/* Blocks of a group: its part of live[] is an OS page. */
#define GROUP_BLOCKS 2048

/* So many units name the block that they were not counted, or it was
 * released more often than claimed: nobody knows when it is free, so it
 * is not until the slots are added up again.
 */
#define LIVE_PINNED UINT16_MAX

static inline uint16_t
block_live (const struct backing *b, uint32_t block)
{
  /* Who finds a block free must see what was done before it was freed. */
  return atomic_load_explicit (&b->live[block], memory_order_acquire);
}

/* ---- backing-space.c ---- */

/* Let UNITS more, or fewer, name BLOCK, which is below high_water. */
void block_claim (struct backing *b, uint32_t block, uint32_t units);
void block_release (struct backing *b, uint32_t block, uint32_t units);

/* Set high_water, which is a multiple of GROUP_BLOCKS or b->blocks.
 * Taking memory by FORCE can't fail; otherwise -1 with errno ENOSPC.
 */
int space_raise (struct backing *b, uint32_t high_water, bool force);

/* Map the arrays, with block 0 taken; 0, or -1 with errno. */
int space_open (struct backing *b);
void space_close (struct backing *b);

/* Choose free blocks for COUNT blocks of a batch.  EXTENTS[i] is how
 * many, from number i on, must lie side by side; 0 where number i
 * follows another.  Puts in PLACES[i] where number i goes, and claims
 * one unit there; 0 where there is no room for the extent.  CLEANING may
 * use what others must leave for it.  Returns how many were placed.
 */
uint32_t space_choose (struct backing *b, const uint16_t *extents,
                       uint32_t count, uint32_t *places, bool cleaning);

/* Blocks FROM to TO were written, or may have been. */
void space_set_backed (struct backing *b, uint32_t from, uint32_t to);

/* ---- backing-io.c ---- */

extern const struct backing_io backing_system_io;

/* Wait until each reader that is at work now has left. */
void io_wait_for_readers (struct backing *b);

/* Write all of LEN bytes, both multiples of a block. */
int io_write (struct backing *b, const void *buf, size_t len,
              uint64_t offset);

/* Remember how a flush ended, with errno ERR or 0.  TRIED says that the
 * error came from the system, which is then left alone for a while.
 */
void io_set_result (struct backing *b, int err, bool tried);

#endif /* NBDZRAM_BACKING_INTERNAL_H */
