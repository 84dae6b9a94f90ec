/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An array with an entry for each block of a backing file, which is kept in
 * the pool file: a plain store to an entry outlives the process.  Only the
 * part that is populated takes memory.
 */

#ifndef NBDZRAM_BACKING_BLOCK_ARRAY_H
#define NBDZRAM_BACKING_BLOCK_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/pool-file/backing-record.h"

/* Zeroed: an array that is not used, which takes no memory. */
struct block_array {
  void *base;
  uint32_t entry;               /* bytes */
  uint32_t blocks;              /* that have an entry */
  struct backing_room room;     /* where it is kept; fd -1: not kept */
  bool begun;                   /* room.begin was called */
};

/* Map an array for BLOCKS blocks, with ENTRY bytes each, where ROOM says;
 * NULL: in memory of this process.  0, or -1 with errno.
 */
int block_array_open (struct block_array *a, uint32_t blocks, uint32_t entry,
                      const struct backing_room *room);
void block_array_close (struct block_array *a);

/* Bytes of memory that the entries of the first BLOCKS blocks take. */
uint64_t block_array_bytes (const struct block_array *a, uint32_t blocks);

/* Allocate memory for the entries of blocks FROM to TO.  0, or -1 with errno
 * ENOSPC.
 */
int block_array_populate (struct block_array *a, uint32_t from, uint32_t to);

/* Give back the memory of the entries of blocks FROM to TO, except what
 * others lie in, too.  No reader may use these blocks.  0, or -1 with errno.
 */
int block_array_forget (struct block_array *a, uint32_t from, uint32_t to);

/* Call it before an entry is changed. */
void block_array_begin (struct block_array *a);

#endif /* NBDZRAM_BACKING_BLOCK_ARRAY_H */
