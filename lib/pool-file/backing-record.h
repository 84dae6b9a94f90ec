/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept beside the slots that name a backing file: which file it
 * is, and, of a mirror, which of its halves have all that slots name.
 *
 * It lies in the pool file, in the machine's byte order, and is true at
 * any instruction: a half that lacks a page loses its bit before that
 * page's slot is published, and gets it back when it has all of them.  So
 * a header at the far end need say no more than its id.
 */

#ifndef NBDZRAM_POOL_FILE_BACKING_RECORD_H
#define NBDZRAM_POOL_FILE_BACKING_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BACKING_ID_SIZE 16
#define BACKING_HALVES 2

/* Where the checksums of blocks are kept (backing.h): BACKING_SUMS_SIZE bytes
 * of a file, zeroes at first, room for as many blocks as slots can name.  Only
 * what is used of them takes memory.
 */
#define BACKING_SUMS_SIZE (UINT64_C (2) << 30)

struct backing_sums {
  int fd;
  uint64_t offset;              /* in the file; a multiple of GRANULE */
  uint64_t granule;             /* bytes that the file allocates together */
  void (*begin) (void *opaque); /* is called before the first is changed */
  void *opaque;
};

struct backing_record {
  _Atomic uint64_t has;         /* is there one?  stored last */
  uint8_t ids[BACKING_HALVES][BACKING_ID_SIZE]; /* zeroes: of none */
  _Atomic uint64_t in_sync;     /* a bit each; none stands for the first,
                                 * as where there never were two */
  _Atomic uint64_t blocks;      /* none that a slot names lies behind these;
                                 * 0: it is not known */
};

static inline unsigned
record_in_sync (const struct backing_record *r)
{
  unsigned bits = atomic_load (&r->in_sync) & ((1u << BACKING_HALVES) - 1);

  return bits == 0 ? 1 : bits;
}

/* May slots name what is in a backing file already?  R may be NULL. */
static inline bool
record_has (const struct backing_record *r)
{
  return r && r->has;
}

/* Which of them ID is, or -1. */
static inline int
record_find (const struct backing_record *r, const uint8_t *id)
{
  for (int i = 0; i < BACKING_HALVES; ++i)
    if (memcmp (r->ids[i], id, BACKING_ID_SIZE) == 0)
      return i;
  return -1;
}

/* The only one that has all pages, or -1: there are two. */
static inline int
record_only (const struct backing_record *r)
{
  unsigned in_sync = record_in_sync (r);

  return in_sync == 1 ? 0 : in_sync == 2 ? 1 : -1;
}

/* No slot names it yet: it is this from now on. */
static inline void
record_set (struct backing_record *r,
            uint8_t ids[BACKING_HALVES][BACKING_ID_SIZE], unsigned in_sync)
{
  /* Killed in between, there is none. */
  atomic_store (&r->has, 0);
  memcpy (r->ids, ids, sizeof r->ids);
  atomic_store (&r->in_sync, in_sync);
  atomic_store (&r->blocks, 0);
  atomic_store (&r->has, 1);
}

#endif /* NBDZRAM_POOL_FILE_BACKING_RECORD_H */
