/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reserve: memory that is allocated before it is needed.
 *
 * A server of swap must not wait for memory that only swapping can free.  So
 * the arena keeps frames with all their memory, and requests take them
 * without a system call.  When fewer than half are left, a thread, which may
 * wait, fills the reserve up again.  It also adds memory to size classes
 * ahead of their objects (objects-grow.c), and frees frames beyond the
 * reserve's size.
 *
 * The memory of the reserve counts in the pool's budget.  It never takes the
 * last of what mem_limit allows, and shrinks if a write would otherwise fail
 * (arena_shrink).  Then requests ask the system for memory, as they do
 * without a reserve; that counts as misses.
 *
 * The thread holds no lock while it asks the system for memory.
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
  sem_t wanted;                 /* wakes the thread */
  _Atomic bool is_wanted;       /* wanted was posted, the thread has not yet
                                 * seen it */
  _Atomic bool is_working;      /* the thread is awake */
  _Atomic bool stop;
  _Atomic uint64_t refills;     /* how often frames were added */
};

struct reserve_stats {
  uint64_t size, now, low;      /* bytes; low: lowest since the start */
  uint64_t refills;
  uint64_t misses;              /* commits that asked the system */
};

/* Start a reserve of about BYTES, but at least two frames, for OBJECTS.
 * Fills it as far as the budget and the system allow, and starts the thread,
 * which blocks all signals.  No other thread may use the pool yet.  Returns
 * 0, or -1 with errno ENOMEM, ENOSPC, EAGAIN (no thread), or ENOTSUP (on
 * hugetlbfs, which needs no reserve).
 */
int reserve_start (struct reserve *r, struct objects *objects,
                   uint64_t bytes);

/* Stop the thread.  Requests may still use up what is reserved, so R must
 * stay until the arena is closed.  Safe on a zeroed struct.
 */
void reserve_stop (struct reserve *r);

/* All values are 0 if there is no reserve. */
void reserve_get_stats (struct reserve *r, struct reserve_stats *st);

#endif /* NBDZRAM_ALLOC_RESERVE_H */
