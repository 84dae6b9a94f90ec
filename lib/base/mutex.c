/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdbool.h>
#include <time.h>

#include "mutex.h"

/* Off by default, since an uncontended mutex that inherits priority takes a
 * third longer (10 ns; a write takes six of them).
 */
static bool inherit;

void
mutexes_inherit_priority (void)
{
  inherit = true;
}

void
mutex_init (pthread_mutex_t *lock)
{
  pthread_mutexattr_t attr;

  pthread_mutexattr_init (&attr);
  if (inherit)
    pthread_mutexattr_setprotocol (&attr, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init (lock, &attr);
  pthread_mutexattr_destroy (&attr);
}

void
cond_init (pthread_cond_t *cond)
{
  pthread_condattr_t attr;

  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (cond, &attr);
  pthread_condattr_destroy (&attr);
}
