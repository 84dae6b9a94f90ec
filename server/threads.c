/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>

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

void
thread_begin (const struct connection_settings *settings)
{
  if (settings->hardened)
    hardening_thread (settings->page_size);
}
