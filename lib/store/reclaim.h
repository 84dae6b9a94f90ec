/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reclaim: where a backing file can take pages, a write that finds no
 * memory waits for some to be made, instead of failing at once.
 *
 * Who waits holds nothing: no lock, no stream, no claim.  It waits for a
 * round of the maintainer, and for RECLAIM_SECONDS in all; a round that
 * freed nothing, as when the file is full or fails, ends all waiting.
 */

#ifndef NBDZRAM_STORE_RECLAIM_H
#define NBDZRAM_STORE_RECLAIM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The kernel gives a request up after some seconds (3, as nbdzram sets it)
 * and sends it again on another connection.  Had the first one waited for
 * longer, it could still be executed after the second, and after a later
 * write to the same place, whose data it would replace: a request must be
 * through before that.
 */
#define RECLAIM_SECONDS 2

struct reclaim {
  pthread_mutex_t lock;         /* of what follows; taken alone */
  pthread_cond_t ended;         /* a round */
  void (*wake) (void *opaque);  /* the maintainer; NULL: there is none */
  void *opaque;
  uint64_t rounds;
  bool helped;                  /* did the last round? */
  _Atomic unsigned waiting;     /* may be read at any time */
};

void reclaim_init (struct reclaim *r);
void reclaim_destroy (struct reclaim *r);

/* Who makes room from now on: WAKE (OPAQUE) is called with r->lock held.
 * NULL: nobody, and nobody waits any more.
 */
void reclaim_set (struct reclaim *r, void (*wake) (void *opaque),
                  void *opaque);

/* For a write that found no memory: true when it may try again, also once
 * when the time is over, since trims make room without a word.  *UNTIL is of
 * the write, however often it waits; all zero before the first time.
 */
bool reclaim_wait (struct reclaim *r, struct timespec *until);

static inline bool
reclaim_is_wanted (const struct reclaim *r)
{
  return atomic_load_explicit (&r->waiting, memory_order_relaxed) > 0;
}

/* The maintainer has done a round, or there is another limit: all that wait
 * go on.  It HELPED if there is more room than before.
 */
void reclaim_done (struct reclaim *r, bool helped);

#endif /* NBDZRAM_STORE_RECLAIM_H */
