/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server that swap depends on: it waits for no memory, is not killed for
 * its memory, and runs when others only wait for each other.
 *
 * In this order: hardening_prepare, when nothing large was allocated yet;
 * hardening_lock, once to see whether it works, and again after the fork,
 * which drops locks; hardening_protect, before threads are made, which
 * inherit it; hardening_schedule, when this thread is to serve, as will
 * those it makes from then on.
 *
 * What the system refuses is said in words, and a server goes on without
 * it; but for the lock, without which it would hang.  Nothing here knows
 * nbdkit.
 */

#ifndef NBDZRAM_SERVICE_HARDENING_H
#define NBDZRAM_SERVICE_HARDENING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Real-time priorities.  A server of swap at normal priority hangs: the
 * tasks that look for memory take all processors from the one process that
 * could give them some.  Maintenance only comes before those.
 */
#define PRIORITY_SERVING 2
#define PRIORITY_MAINTENANCE 1

#define OOM_SCORE_NEVER (-1000)

/* Bound what malloc and stacks take, and have it before it is needed;
 * locks made from here on lend priority.
 */
void hardening_prepare (void);

/* Was nbdkit started with --swap?  When its memory is locked then, plugins
 * have been asked whether they are ready.
 */
bool hardening_is_asked_for (void);

/* Lock what is there, and what will be as it is touched, and see that this
 * was done.  0, or -1 with errno.
 */
int hardening_lock (void);

/* Have the program's code in memory, and the stacks of some threads.
 * Memory has been locked.
 */
void hardening_warm (void);

/* A list of what was refused, for one line. */
struct refusals {
  char text[512];               /* empty: nothing */
};

/* Never to be killed for memory, and no I/O to get some. */
void hardening_protect (struct refusals *refused);

/* Run this thread, and those that it makes, to serve; THREADS, COUNT of
 * them, to maintain.
 */
void hardening_schedule (const pthread_t *threads, unsigned count,
                         struct refusals *refused);

/* The calling thread is going to serve requests for pages of PAGE_SIZE
 * bytes: have its stack in memory.
 */
void hardening_thread (size_t page_size);

/* ---- what there is, as the kernel says ---- */

struct hardening_state {
  uint64_t locked;              /* bytes, VmLck */
  bool io_flusher;              /* every thread that serves or maintains */
  bool real_time;               /* every thread that serves, and at the
                                 * same priority */
  int priority;                 /* then */
  int oom_score_adj;
};

/* 0, or -1 with errno. */
int hardening_get (struct hardening_state *state);

#endif /* NBDZRAM_SERVICE_HARDENING_H */
