/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hardening: prepares a server on which swap depends, so that it never waits
 * for memory, is not killed for its memory, and runs although other tasks use
 * all processors.
 *
 * In this order: hardening_prepare, before anything large is allocated;
 * hardening_lock, once to check that it works, and again after the fork,
 * which drops locks; hardening_protect, before threads are started, which
 * inherit it; hardening_schedule, when this thread, and those that it starts
 * from then on, will serve.
 *
 * The lock is required: without it the server would hang.  What else the
 * system refuses is listed in words, and the server runs without it.
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

/* The stack of a thread, in bytes.  It is virtual: only what is touched uses
 * memory.  The deepest function of the store has a few pages of the disk, of
 * up to 64 KiB, on its stack.
 */
#define THREAD_STACK_BYTES (512 * 1024)

/* KiB.  The kernel's client sends no larger read or write (device-queue.h), so
 * a hardened server has buffers for this much before memory is short.
 */
#define KERNEL_REQUEST_KIB 128

/* Limit the memory of malloc and stacks, and make mutexes that are created
 * from here on inherit priority.
 */
void hardening_prepare (void);

/* Was nbdkit started with --swap?  nbdkit locks its memory only after it has
 * called the plugins' get_ready, so the lock itself doesn't show this yet.
 */
bool hardening_is_asked_for (void);

/* Lock the memory that is mapped, and later memory when it is touched, and
 * check that the kernel did it.  Returns 0, or -1 with errno; ENOTSUP: it says
 * that it did, and no memory is locked.
 */
int hardening_lock (void);

/* Read the program's code into memory, and touch the stacks of THREADS threads
 * that will be started.  Memory has been locked.
 */
void hardening_warm (unsigned threads);

/* What the system refused, as a list for one line. */
struct refusals {
  char text[512];               /* "": nothing */
};

void refusals_add (struct refusals *refused, const char *what,
                   const char *why);

/* Protect the process from the OOM killer, and set PR_SET_IO_FLUSHER, so that
 * it starts no I/O to get memory.
 */
void hardening_protect (struct refusals *refused);

/* Give this thread, and those that it starts, the real-time PRIORITY, and the
 * COUNT THREADS that of maintenance.
 */
void hardening_schedule (int priority, const pthread_t *threads,
                         unsigned count, struct refusals *refused);

/* In a child process that will execute another program: undo what
 * hardening_protect and hardening_schedule did.  Memory locks are not
 * inherited.  The child of a vfork may call this.
 */
void hardening_undo (void);

/* Touch the stack that the calling thread needs for requests of pages of
 * PAGE_SIZE bytes, once.
 */
void hardening_thread (size_t page_size);

/* ---- the state, as the kernel reports it ---- */

struct hardening_state {
  uint64_t locked;              /* bytes, VmLck */
  bool io_flusher;              /* every thread that serves or maintains */
  bool real_time;               /* every thread that serves, and at the
                                 * same priority */
  int priority;                 /* then */
  int oom_score_adj;
};

/* Returns 0, or -1 with errno. */
int hardening_get (struct hardening_state *state);

#endif /* NBDZRAM_SERVICE_HARDENING_H */
