/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reserve: memory that is there before it is needed.
 *
 * A server of swap must not wait for memory that only swapping can free.
 * So frames with all their memory are kept in the arena, from which
 * requests take what they need without a system call, and a thread, which
 * may wait, fills them up when fewer than half are left.  It also adds
 * memory to size classes ahead of their objects (objects-grow.c), and
 * returns what was freed beyond the reserve's size.
 *
 * What the reserve holds is taken from the pool's budget.  It never takes
 * the last of what mem_limit allows, and shrinks where a write would
 * otherwise fail (arena_shrink): then requests ask the system as they do
 * without a reserve, which counts as misses.
 *
 * The order of locks: none is held while memory is made.
 */

#ifndef NBDZRAM_ALLOC_RESERVE_H
#define NBDZRAM_ALLOC_RESERVE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct objects;

struct reserve {
  struct objects *objects;
  pthread_t thread;
  bool running;
  sem_t wanted;
  _Atomic bool is_wanted;       /* the thread has been woken */
  _Atomic bool is_working;      /* ... and has not yet done all */
  _Atomic bool stop;
  _Atomic uint64_t refills;     /* times that frames were added */
};

struct reserve_stats {
  uint64_t size, now, low;      /* bytes; low: the least since the start */
  uint64_t refills;
  uint64_t misses;              /* commits without it */
};

/* Keep about BYTES, which are two frames at least, ready for OBJECTS,
 * filled as far as budget and system allow, and start the thread.  No
 * other thread uses the pool yet.  The caller blocks signals that the
 * thread shall not get.  0, or -1 with errno ENOMEM, ENOSPC, EAGAIN (no
 * thread), or ENOTSUP (on hugetlbfs there is no use for it).
 */
int reserve_start (struct reserve *r, struct objects *objects,
                   uint64_t bytes);

/* Stop the thread; what is reserved stays, and is used up.  R stays until
 * the arena is closed.  Safe on a zeroed one.
 */
void reserve_stop (struct reserve *r);

/* All zero where there is none. */
void reserve_get_stats (struct reserve *r, struct reserve_stats *st);

#endif /* NBDZRAM_ALLOC_RESERVE_H */
