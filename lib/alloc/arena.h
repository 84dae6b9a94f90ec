/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arena: the part of the pool file that contains the objects, divided
 * into frames of one zspage each.
 *
 * A free frame is address space without memory.  The owner of a frame
 * commits memory from its start up to where it needs it.  Frames are handed
 * out lowest first, so that a pool that shrinks stays dense.
 *
 * A few freed frames keep their memory as spares: size classes grow and
 * shrink alternately, and each time would cost two system calls and sixteen
 * page faults.
 *
 * With a reserve (reserve.h), whole frames with memory are kept instead of
 * spares, so that taking one needs nothing from the system.
 *
 * On hugetlbfs, memory is allocated in huge pages of several frames.  The
 * first frame taken from a huge page commits all of it, and the last one
 * given back frees it.  The system set that memory aside when the
 * administrator made the huge pages, so committing it allocates nothing, and
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

#define ARENA_SPARE_BYTES (512 * 1024) /* at most, but at least one frame */
#define ARENA_SPARES_MAX 8

struct arena {
  const struct pool_file *file;
  struct budget *budget;
  uint8_t *base;                /* address of frame 0; constant */
  uint64_t size;                /* bytes of address space */
  uint32_t frame_size;
  uint32_t frames;              /* number of frames in the arena */
  uint32_t frames_per_granule;  /* 1, except on hugetlbfs */

  pthread_mutex_t lock;         /* protects the rest; last in lock order */
  bits_word *taken;             /* a bit by frame */
  uint16_t *granule_taken;      /* by granule: number of its taken frames */
  uint32_t first_clear;         /* no frame below it is free */
  struct {
    uint32_t frame, committed;
  } spares[ARENA_SPARES_MAX];   /* counted as taken, the newest last */
  uint32_t spare_count, spare_max;

  /* The reserve: frames with all their memory, counted as taken, the newest
   * last.  NULL: no reserve.
   */
  uint32_t *reserved;
  uint32_t reserve_room;        /* entries of that list */
  uint32_t reserve_frames;      /* how many it should have; constant */
  _Atomic uint32_t reserve_count; /* how many it has; changed under lock */
  _Atomic uint32_t reserve_low; /* lowest reserve_count so far */
  _Atomic uint64_t reserve_misses; /* commits that asked the system */
  void (*reserve_wake) (void *opaque);
  void *reserve_opaque;
};

/* Map the arena of FILE, with frames of FRAME_SIZE bytes, none taken.
 * FILE and BUDGET must outlive A.  Returns 0, or -1 with errno ENOMEM.
 */
int arena_open (struct arena *a, const struct pool_file *file,
                struct budget *budget, uint32_t frame_size);

/* Safe on a zeroed arena, and after arena_open failed. */
void arena_close (struct arena *a);

/* Take a free frame, and put its number in *FRAME.  *COMMITTED becomes the
 * number of bytes, from its start, that have memory already: all of a frame
 * of the reserve, up to all of a spare frame, otherwise 0.  A spare frame is
 * used only if SPARE is true.  Returns 0, or -1 with errno ENOSPC if the
 * arena, the budget or the file system is full.
 */
int arena_take (struct arena *a, bool spare, uint32_t *frame,
                uint32_t *committed);

/* Allocate memory for bytes FROM to TO of a frame.  Both are multiples of
 * the OS page, and the bytes before FROM are committed already.  If there is
 * no memory, frees spare and reserved frames until it succeeds.  Returns 0,
 * or -1 with errno ENOSPC.  The owner of the frame serializes its calls.
 */
int arena_commit (struct arena *a, uint32_t frame, uint32_t from, uint32_t to);

/* Free the memory of bytes FROM to TO.  TO is the end of the committed part
 * of the frame.
 */
void arena_decommit (struct arena *a, uint32_t frame,
                     uint32_t from, uint32_t to);

/* Give back a frame of which COMMITTED bytes have memory. */
void arena_give (struct arena *a, uint32_t frame, uint32_t committed);

/* Free the memory of all spare and reserved frames.  Returns whether there
 * were any.
 */
bool arena_drain (struct arena *a);

/* Free the memory of one spare or reserved frame, so that a caller that
 * found the budget used up can try again.  Returns false if there is none.
 */
bool arena_shrink (struct arena *a);

/* Return how many bytes of memory spare and reserved frames have. */
uint64_t arena_spare_bytes (struct arena *a);

/* ---- the reserve, for reserve.h ---- */

static inline bool
arena_has_reserve (const struct arena *a)
{
  return a->reserved != NULL;
}

/* Start a reserve of FRAMES frames, which is empty at first.  No other
 * thread may use A yet.  WAKE (OPAQUE) is called, with locks held, when
 * fewer than half of the frames are left, when there are too many, and when
 * a commit had to ask the system.  Returns 0, or -1 with errno ENOMEM,
 * ENOSPC, or ENOTSUP (on hugetlbfs).
 */
int arena_reserve_open (struct arena *a, uint32_t frames,
                        void (*wake) (void *opaque), void *opaque);

/* Return the size of the list of reserved frames in bytes. */
static inline size_t
arena_reserve_list_bytes (const struct arena *a)
{
  return align_up (a->reserve_room * sizeof a->reserved[0], OS_PAGE_SIZE);
}

/* Take a free frame and commit all of it; the caller gives it to the reserve
 * with arena_give.  Returns 0, or -1 with errno ENOSPC.  Fails unless the
 * budget has room for a whole reserve: the last of it is for requests.
 */
int arena_reserve_take (struct arena *a, uint32_t *frame);

/* Return how many frames the reserve has more (below 0: less) than wanted. */
int64_t arena_reserve_excess (struct arena *a);

/* As arena_commit, for memory that no request waits for: does not count as a
 * miss, and does not free reserved frames.
 */
int arena_commit_ahead (struct arena *a, uint32_t frame, uint32_t from,
                        uint32_t to);

/* Return whether parts of a frame can be committed: not on hugetlbfs. */
static inline bool
arena_commits_in_parts (const struct arena *a)
{
  return a->frames_per_granule == 1;
}

/* On attach: arena_claim marks FRAME as taken, since it contains objects.
 * Then arena_attach_done frees the memory of all frames that were not
 * claimed.  One thread only.
 */
void arena_claim (struct arena *a, uint32_t frame);
void arena_attach_done (struct arena *a);

#endif /* NBDZRAM_ALLOC_ARENA_H */
