/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of a pool's backing file: which file it is and, if it is
 * replicated, which replicas have all pages that slots name.
 *
 * The record lies in the pool file, in the machine's byte order.  It is
 * correct at every instruction, so that the process may be killed anywhere:
 * the bit of a replica that lacks a page is cleared before the slot of that
 * page is published, and set again when the replica has all pages.  So the
 * header of a remote backing device needs no more than its id.
 */

#ifndef NBDZRAM_POOL_FILE_BACKING_RECORD_H
#define NBDZRAM_POOL_FILE_BACKING_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BACKING_ID_SIZE 16
#define BACKING_REPLICAS 2

/* Where the checksums of blocks (backing.h) are stored: BACKING_SUMS_SIZE
 * bytes of a file, initially zero, which is enough for all blocks that slots
 * can name.  Only the used part takes memory.
 */
#define BACKING_SUMS_SIZE (UINT64_C (2) << 30)

/* A part of a file, for something that is kept about each block. */
struct backing_room {
  int fd;
  uint64_t offset;              /* in the file; a multiple of GRANULE */
  uint64_t granule;             /* bytes that the file allocates together */
  void (*begin) (void *opaque); /* called before it is first changed */
  void *opaque;
};

/* The same for seals (lib/backing/seal.h), which are there only if the backing
 * file is encrypted.
 */
#define BACKING_SEALS_SIZE (UINT64_C (10) << 30)

#define BACKING_KEY_SIZE 32

/* How a backing file is encrypted. */
struct backing_key {
  uint8_t *bytes;               /* BACKING_KEY_SIZE bytes of the pool file;
                                 * random */
  struct backing_room seals;
};

struct backing_record {
  _Atomic uint64_t has;         /* not 0: the rest is valid; stored last */
  uint8_t ids[BACKING_REPLICAS][BACKING_ID_SIZE]; /* zeroes: no replica */
  _Atomic uint64_t in_sync;     /* one bit a replica; 0 means the first one,
                                 * as in pools that were never replicated */
  _Atomic uint64_t blocks;      /* all blocks that slots name are below this
                                 * number; 0: unknown */
};

/* Return the replicas that have all pages, one bit each; never 0. */
static inline unsigned
record_in_sync (const struct backing_record *r)
{
  unsigned bits = atomic_load (&r->in_sync) & ((1u << BACKING_REPLICAS) - 1);

  return bits == 0 ? 1 : bits;
}

/* Return whether slots may name blocks of a backing file already.  R may be
 * NULL.
 */
static inline bool
record_is_set (const struct backing_record *r)
{
  return r && r->has;
}

/* Return the number of the replica with this ID, or -1. */
static inline int
record_find (const struct backing_record *r, const uint8_t *id)
{
  for (int i = 0; i < BACKING_REPLICAS; ++i)
    if (memcmp (r->ids[i], id, BACKING_ID_SIZE) == 0)
      return i;
  return -1;
}

/* Return the number of the replica that alone has all pages, or -1 if both
 * have them.
 */
static inline int
record_only_in_sync (const struct backing_record *r)
{
  unsigned in_sync = record_in_sync (r);

  return in_sync == 1 ? 0 : in_sync == 2 ? 1 : -1;
}

/* Record a new backing file, which no slot names yet. */
static inline void
record_set (struct backing_record *r,
            uint8_t ids[BACKING_REPLICAS][BACKING_ID_SIZE], unsigned in_sync)
{
  /* If the process is killed before the last store, there is no record. */
  atomic_store (&r->has, 0);
  memcpy (r->ids, ids, sizeof r->ids);
  atomic_store (&r->in_sync, in_sync);
  atomic_store (&r->blocks, 0);
  atomic_store (&r->has, 1);
}

#endif /* NBDZRAM_POOL_FILE_BACKING_RECORD_H */
