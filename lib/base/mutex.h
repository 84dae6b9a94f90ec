/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mutexes and condition variables of the store.
 *
 * mutex_init makes every mutex of the store, so that a server with real-time
 * priority can choose priority inheritance for all of them.
 */

#ifndef NBDZRAM_BASE_MUTEX_H
#define NBDZRAM_BASE_MUTEX_H

#include <pthread.h>

/* Initialize LOCK.  After mutexes_inherit_priority (), a thread that holds
 * the mutex runs at the highest priority of the threads that wait for it.
 * Otherwise a thread with real-time priority could wait without a limit for
 * a holder that gets no processor.
 */
void mutex_init (pthread_mutex_t *lock);

/* Make all mutexes that are initialized later inherit priority.  Call it
 * before the second thread starts.
 */
void mutexes_inherit_priority (void);

/* Initialize COND; its timed waits use CLOCK_MONOTONIC. */
void cond_init (pthread_cond_t *cond);

static inline void
unlock_at_end_of_scope (pthread_mutex_t **lock)
{
  pthread_mutex_unlock (*lock);
}

#define MUTEX_PASTE_(a, b) a##b
#define MUTEX_PASTE(a, b) MUTEX_PASTE_ (a, b)

/* Hold LOCK from here to the end of the enclosing block. */
#define LOCK_FOR_SCOPE(lock)                                            \
  __attribute__ ((cleanup (unlock_at_end_of_scope)))                    \
  pthread_mutex_t *MUTEX_PASTE (scope_lock_, __LINE__) = (lock);        \
  pthread_mutex_lock (MUTEX_PASTE (scope_lock_, __LINE__))

#endif /* NBDZRAM_BASE_MUTEX_H */
