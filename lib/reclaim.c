/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "reclaim.h"
#include "util.h"

void
reclaim_init (struct reclaim *r)
{
  *r = (struct reclaim) { .wake = NULL };
  mutex_init (&r->lock);
  cond_init (&r->ended);
}

void
reclaim_destroy (struct reclaim *r)
{
  pthread_cond_destroy (&r->ended);
  pthread_mutex_destroy (&r->lock);
}

void
reclaim_set (struct reclaim *r, void (*wake) (void *opaque), void *opaque)
{
  LOCK_FOR_SCOPE (&r->lock);
  r->wake = wake;
  r->opaque = opaque;
  if (!wake)
    pthread_cond_broadcast (&r->ended);
}

bool
reclaim_wait (struct reclaim *r, struct timespec *until)
{
  uint64_t round;
  int err = 0;

  if (until->tv_sec == 0) {
    clock_gettime (CLOCK_MONOTONIC, until);
    until->tv_sec += RECLAIM_SECONDS;
  }

  LOCK_FOR_SCOPE (&r->lock);
  if (!r->wake)
    return false;
  round = r->rounds;
  r->waiting++;
  r->wake (r->opaque);
  while (r->rounds == round && r->wake && err == 0)
    err = pthread_cond_timedwait (&r->ended, &r->lock, until);
  r->waiting--;
  return r->rounds != round && r->helped;
}

void
reclaim_done (struct reclaim *r, bool helped)
{
  LOCK_FOR_SCOPE (&r->lock);
  r->rounds++;
  r->helped = helped;
  pthread_cond_broadcast (&r->ended);
}
