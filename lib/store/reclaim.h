/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reclaim: how writes wait for memory.
 *
 * In a pool with a backing file, a write that finds no memory does not fail
 * at once.  It wakes the maintainer, which writes pages back, and waits.
 *
 * A waiting thread holds no lock, no stream and no claim.  It waits until the
 * maintainer has done a round, for RECLAIM_SECONDS in all at most.  A round
 * that freed nothing, since the backing file is full or fails, ends all
 * waiting.
 */

#ifndef NBDZRAM_STORE_RECLAIM_H
#define NBDZRAM_STORE_RECLAIM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The kernel's NBD client gives a request up after some seconds (nbdzram
 * sets 3) and sends it again on another connection.  If the first request
 * waited for longer, it could be executed after the second one and after a
 * later write to the same place, and replace the newer data.  So a request
 * must end before the kernel gives it up.
 */
#define RECLAIM_SECONDS 2

struct reclaim {
  pthread_mutex_t lock;         /* of what follows; wake () is called
                                 * with it held */
  pthread_cond_t ended;         /* a round has ended */
  void (*wake) (void *opaque);  /* wakes the maintainer; NULL: none runs */
  void *opaque;
  uint64_t rounds;
  bool helped;                  /* the last round freed memory */
  _Atomic unsigned waiting;     /* may be read at any time */
};

void reclaim_init (struct reclaim *r);
void reclaim_destroy (struct reclaim *r);

/* From now on wake the maintainer by WAKE (OPAQUE), which is called with
 * r->lock held.  WAKE NULL: no maintainer runs, and all waiting ends.
 */
void reclaim_set (struct reclaim *r, void (*wake) (void *opaque),
                  void *opaque);

/* Wait for memory.  Returns true when the write may try again.  That
 * includes one try after the time is over, since trims free memory without
 * waking anything.  *UNTIL belongs to one write, however often it waits, and
 * is all zero before the first time.
 */
bool reclaim_wait (struct reclaim *r, struct timespec *until);

static inline bool
reclaim_is_wanted (const struct reclaim *r)
{
  return atomic_load_explicit (&r->waiting, memory_order_relaxed) > 0;
}

/* The maintainer has done a round, or mem_limit has changed: all waiting
 * writes go on.  HELPED: there is more room than before.
 */
void reclaim_done (struct reclaim *r, bool helped);

#endif /* NBDZRAM_STORE_RECLAIM_H */
