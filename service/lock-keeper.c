/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock-keeper.h"

#ifndef SYS_close_range
#define SYS_close_range 436             /* Linux 5.9 */
#endif

/* The interval at which it checks that the server runs, in milliseconds. */
#define LOOK_EVERY 1000

/* A process has at most one lock keeper. */
static struct {
  int hold;
  pid_t server;
  _Atomic pid_t pid;            /* -1: it could not be started */
  int error;
  sem_t begun;
} lock_keeper;

/* ---- in the lock keeper ---- */

/* The lock keeper shares its memory with a server that runs, or was killed at
 * any point.  So its code takes no lock, allocates nothing, and writes only to
 * its own variables.
 */

/* The lock keeper has copies of all descriptors.  It closes them, so that
 * clients see their connections end with the server, and the lock of the pool
 * file is released.
 */
static void
close_all_but (int fd)
{
  if (fd > 0)
    syscall (SYS_close_range, 0, fd - 1, 0);
  syscall (SYS_close_range, fd + 1, ~0U, 0);
}

static void
ignore_signals (void)
{
  static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE,
                                 SIGUSR1, SIGUSR2 };
  const struct sigaction ignore = { .sa_handler = SIG_IGN };

  for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; ++i)
    sigaction (signals[i], &ignore, NULL);
}

static _Noreturn void
run_lock_keeper (void)
{
  struct pollfd pfd = { .fd = lock_keeper.hold, .events = POLLIN };
  unsigned alone = 0;
  uint64_t n;

  close_all_but (lock_keeper.hold);
  ignore_signals ();
  prctl (PR_SET_NAME, LOCK_KEEPER_NAME);
  lock_keeper.pid = (pid_t) syscall (SYS_getpid);
  sem_post (&lock_keeper.begun);
  while (alone < LOCK_KEEPER_SECONDS * 1000 / LOOK_EVERY) {
    int r = poll (&pfd, 1, LOOK_EVERY);

    if (r == 1 && read (lock_keeper.hold, &n, sizeof n) != -1)
      break;
    if (r == 1)                 /* the eventfd fails: don't spin */
      poll (NULL, 0, LOOK_EVERY);
    if (getppid () != lock_keeper.server)
      alone++;
  }
  _exit (0);
}

/* ---- in the server ---- */

/* The thread stops in vfork until the lock keeper ends. */
static void *
become_parent (void *unused)
{
  sigset_t all;
  pid_t pid;

  (void) unused;
  pthread_setname_np (pthread_self (), "zram-holder");
  /* The lock keeper inherits this mask: it must not run handlers of the
   * server.
   */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, NULL);
  pid = vfork ();
  if (pid == 0)
    run_lock_keeper ();
  /* The lock keeper has ended, perhaps killed before it had begun.  Then
   * lock_keeper_start must not wait for ever.
   */
  if (pid == -1 || lock_keeper.pid == 0) {
    lock_keeper.error = pid == -1 ? errno : ECHILD;
    lock_keeper.pid = -1;
  }
  sem_post (&lock_keeper.begun);
  return NULL;
}

pid_t
lock_keeper_start (int hold_fd)
{
  pthread_t thread;

  lock_keeper.hold = hold_fd;
  lock_keeper.server = getpid ();
  sem_init (&lock_keeper.begun, 0, 0);
  errno = pthread_create (&thread, NULL, become_parent, NULL);
  if (errno != 0)
    return -1;
  pthread_detach (thread);
  while (sem_wait (&lock_keeper.begun) == -1)
    ;
  errno = lock_keeper.error;
  return lock_keeper.pid;
}
