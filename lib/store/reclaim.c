/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "reclaim.h"

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

/* Set *UNTIL the first time.  Returns whether there is time left. */
static bool
check_deadline (struct timespec *until)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  if (until->tv_sec == 0) {
    *until = now;
    until->tv_sec += RECLAIM_SECONDS;
  }
  return now.tv_sec < until->tv_sec
    || (now.tv_sec == until->tv_sec && now.tv_nsec < until->tv_nsec);
}

bool
reclaim_wait (struct reclaim *r, struct timespec *until)
{
  uint64_t round;
  int err = 0;

  if (!check_deadline (until))
    return false;

  LOCK_FOR_SCOPE (&r->lock);
  if (!r->wake)
    return false;
  round = r->rounds;
  r->waiting++;
  r->wake (r->opaque);
  while (r->rounds == round && r->wake && err == 0)
    err = pthread_cond_timedwait (&r->ended, &r->lock, until);
  r->waiting--;
  return r->rounds != round ? r->helped : err == ETIMEDOUT;
}

void
reclaim_done (struct reclaim *r, bool helped)
{
  LOCK_FOR_SCOPE (&r->lock);
  r->rounds++;
  r->helped = helped;
  pthread_cond_broadcast (&r->ended);
}
