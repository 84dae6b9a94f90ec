/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arena: the part of the pool file where objects lie, divided into
 * frames of one zspage each.
 *
 * A frame that nobody has is address space only.  One that was taken is
 * backed by memory as far as its owner commits it, always from its
 * start.  Frames are handed out lowest first, so that a pool that
 * shrinks stays dense.
 *
 * A few frames that were given back keep their memory for who takes one
 * next: classes grow and shrink by turns, and each turn would cost two
 * system calls and sixteen page faults.
 *
 * With a reserve (reserve.h), whole frames are kept ready instead, so that
 * who takes one needs nothing of the system.
 *
 * On hugetlbfs memory comes and goes in huge pages of several frames:
 * there the first frame taken of a huge page commits all of it, and the
 * last one given back returns it.  That memory was set aside when the
 * administrator made the huge pages; to take some allocates nothing, and
 * there is no reserve.
 */

#ifndef NBDZRAM_ALLOC_ARENA_H
#define NBDZRAM_ALLOC_ARENA_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/bits.h"
#include "lib/base/budget.h"
#include "lib/base/os.h"
#include "lib/base/util.h"
#include "lib/pool-file/pool-file.h"

#define ARENA_SPARE_BYTES (512 * 1024) /* at most, and one frame at least */
#define ARENA_SPARES_MAX 8

struct arena {
  const struct pool_file *file;
  struct budget *budget;
  uint8_t *base;                /* of frame 0; constant */
  uint64_t size;                /* bytes of address space */
  uint32_t frame_size;
  uint32_t frames;              /* that fit the arena */
  uint32_t frames_per_granule;  /* 1 but on hugetlbfs */

  pthread_mutex_t lock;         /* of what follows; taken last of all */
  bits_word *taken;             /* by frame */
  uint16_t *granule_taken;      /* frames taken of each granule */
  uint32_t first_clear;         /* no frame below it is free */
  struct {
    uint32_t frame, committed;
  } spares[ARENA_SPARES_MAX];   /* counted as taken, the newest last */
  uint32_t spare_count, spare_max;

  /* The reserve: frames that have all their memory, taken like spares,
   * the newest last.  NULL: there is none.
   */
  uint32_t *reserved;
  uint32_t reserve_room;        /* in that list */
  uint32_t reserve_frames;      /* wanted; constant */
  _Atomic uint32_t reserve_count; /* there are; changed under the lock */
  _Atomic uint32_t reserve_low; /* the fewest that were left */
  _Atomic uint64_t reserve_misses; /* commits that had to do without */
  void (*reserve_wake) (void *opaque);
  void *reserve_opaque;
};

/* Map the arena of FILE, with frames of FRAME_SIZE bytes, none taken.
 * FILE and BUDGET must stay.  0, or -1 with errno ENOMEM.
 */
int arena_open (struct arena *a, const struct pool_file *file,
                struct budget *budget, uint32_t frame_size);

/* Safe on a zeroed arena, and on one whose opening failed. */
void arena_close (struct arena *a);

/* Take a free frame and put its number in *FRAME, and in *COMMITTED how
 * many bytes of it are backed by memory already: none, unless SPARE
 * allows it.  0, or -1 with errno ENOSPC when the arena, the budget or
 * the file system is full.
 */
int arena_take (struct arena *a, bool spare, uint32_t *frame,
                uint32_t *committed);

/* Back bytes FROM to TO of a frame with memory; both are multiples of
 * the OS page, and the bytes before FROM are committed already.
 * 0, or -1 with errno ENOSPC.  The owner of the frame serializes.
 */
int arena_commit (struct arena *a, uint32_t frame, uint32_t from, uint32_t to);

/* Give back the memory of bytes FROM to TO, the end of what the owner
 * had committed.
 */
void arena_decommit (struct arena *a, uint32_t frame,
                     uint32_t from, uint32_t to);

/* Give back a frame of which COMMITTED bytes are backed. */
void arena_give (struct arena *a, uint32_t frame, uint32_t committed);

/* Give back the memory of spare frames, and all of the reserve.  Returns
 * whether there was any.
 */
bool arena_drain (struct arena *a);

/* Give back the memory of one of them: who found the budget empty may try
 * again.  False when there is none.
 */
bool arena_shrink (struct arena *a);

/* Bytes behind spare frames and those of the reserve. */
uint64_t arena_spare_bytes (struct arena *a);

/* ---- the reserve, for reserve.h ---- */

static inline bool
arena_has_reserve (const struct arena *a)
{
  return a->reserved != NULL;
}

/* Keep FRAMES frames from now on; before any other thread uses A.  Nothing
 * is taken yet.  WAKE (OPAQUE) is called, with locks held, when fewer than
 * half are left and when there are too many.  0, or -1 with errno ENOMEM,
 * ENOSPC, or ENOTSUP (memory comes in huge pages).
 */
int arena_reserve_open (struct arena *a, uint32_t frames,
                        void (*wake) (void *opaque), void *opaque);

/* Bytes of the list of its frames. */
static inline size_t
arena_reserve_list_bytes (const struct arena *a)
{
  return align_up (a->reserve_room * sizeof a->reserved[0], OS_PAGE_SIZE);
}

/* Take a free frame with all its memory, to be given to the reserve: 0, or
 * -1 with errno ENOSPC.  The budget keeps room for as much again as the
 * reserve holds: the last of it is for requests.
 */
int arena_reserve_take (struct arena *a, uint32_t *frame);

/* The frames more than wanted (below 0: less). */
int64_t arena_reserve_excess (struct arena *a);

/* Commit bytes FROM to TO of a frame ahead of who will want them.  Errors
 * as arena_commit's; no miss, and the reserve is left alone.
 */
int arena_commit_ahead (struct arena *a, uint32_t frame, uint32_t from,
                        uint32_t to);

/* Does a commit of a part cost only that part? */
static inline bool
arena_commits_in_parts (const struct arena *a)
{
  return a->frames_per_granule == 1;
}

/* Attach: FRAME holds objects.  Then arena_attach_done gives back what
 * lies behind frames that nobody claimed.
 */
void arena_claim (struct arena *a, uint32_t frame);
void arena_attach_done (struct arena *a);

#endif /* NBDZRAM_ALLOC_ARENA_H */
