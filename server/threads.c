/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "service/hardening.h"

#include "connection.h"
#include "threads.h"

_Thread_local struct connection *current_connection;

static int
create_detached (void *(*run) (void *opaque), void *opaque)
{
  pthread_attr_t attr;
  pthread_t thread;
  int err = pthread_attr_init (&attr);

  if (err != 0)
    return err;
  pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize (&attr, THREAD_STACK_BYTES);
  err = pthread_create (&thread, &attr, run, opaque);
  pthread_attr_destroy (&attr);
  return err;
}

int
thread_start (void *(*run) (void *opaque), void *opaque)
{
  sigset_t all, before;
  int err;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  err = create_detached (run, opaque);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  errno = err;
  return err == 0 ? 0 : -1;
}

/* The kernel's struct sched_attr, as far as it is needed.  C libraries differ
 * in whether they have it.
 */
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t slice;               /* nanoseconds, of an ordinary thread */
  uint64_t deadline, period;
};

/* Ask for short turns on the processor, in exchange for being woken soon
 * (Linux 6.12 or later; others ignore it).  A request takes some
 * microseconds, but by default a thread may have to wait for milliseconds
 * while others use their turns.  100 us is the shortest that the kernel takes.
 */
static void
take_short_turns (void)
{
  struct scheduling s = { .size = sizeof s };

  if (syscall (SYS_sched_getattr, 0, &s, sizeof s, 0) == -1
      || s.policy != SCHED_OTHER)
    return;
  s.slice = 100000;
  syscall (SYS_sched_setattr, 0, &s, 0);
}

void
thread_begin (const struct connection_settings *settings)
{
  if (settings->hardened)
    hardening_thread (settings->page_size);
  else
    take_short_turns ();
}
