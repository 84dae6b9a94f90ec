/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor: what must outlive a server is its own, the pool and the
 * sockets at which clients connect; and it sees to it that there is a
 * server.
 *
 * Each start of a server is a *generation*.  All generations open the
 * same pool, and only one can have it: the one that holds the lock on it,
 * which the kernel drops when that process is gone, however it went.  Who
 * finds it taken waits for it, completely loaded: a *standby*.  So who is
 * the server is never decided here.  Whichever generation says that it is
 * ready is it, and the one before must be dead.
 *
 * Nothing needs the supervisor at that moment.  It only learns afterwards
 * what happened, and puts right what is missing (servers_balance): a
 * server where there is none, a standby where there is none.  Killed and
 * started again it takes over what it finds (recover.c); servers
 * don't notice.  So that it finds all, what it starts waits at a gate
 * (service/start-barrier.h) until it is in NAME.run.
 *
 * It is one thread, and all its state is one struct supervisor.  An event
 * of any kind wakes it, and it then looks at everything that there is,
 * which is little.  After the start it allocates nothing for what it must
 * do when memory is gone: to start a server, to notice one's end, to log.
 * The control socket allocates from a heap that is locked
 * (command/base/harden-self.h).
 *
 * Files, by what they do with the struct:
 *   supervisor.c           the loop, its beginning and its end
 *   servers.c   generations
 *   renew.c     generations that lack a socket
 *   watchers.c  who attaches the kernel
 *   upgrade.c   a newer program instead of the running one
 *   stop.c      the way out
 *   control.c   NAME.sup
 *   files.c     the directory and what must be in it
 *   state.c     NAME.run
 *   recover.c     taking over from NAME.run
 *   find.c      ... or from the processes themselves
 *
 * The directory may be full, read-only or removed at any time.  Servers are
 * replaced all the same; what can't be made or written is tried again.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_SUPERVISOR_H
#define NBDZRAM_COMMAND_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "command/base/clock.h"
#include "command/base/log.h"
#include "command/base/process.h"
#include "command/conf/conf.h"
#include "control.h"
#include "files.h"
#include "launch.h"
#include "listen.h"
#include "servers.h"
#include "setup.h"
#include "state-file.h"
#include "stop.h"
#include "upgrade.h"
#include "watchers.h"

struct supervisor {
  struct setup setup;           /* what generations are started with */
  char directory[4096];         /* of all our files */
  struct listeners listeners;
  int pool;                     /* a memfd, or -1: a file with a path */
  int null;                     /* /dev/null */
  int signals;                  /* a signalfd */
  int daemon_pipe;              /* to who waits for our start, or -1 */
  char *executable;             /* where this program is installed */
  char **arguments;             /* what it was started with */
  bool force;                   /* SIGTERM even while in use as swap */

  struct servers servers;
  struct watcher_process watchers[WATCHERS_MAX];
  struct upgrade upgrade;
  struct supervisor_control control;

  struct state state;
  struct runtime_files files;

  bool begun;                   /* requests are taken */
  char conf_error[MESSAGE_SIZE]; /* what is wrong with NAME.conf, or "" */
  bool lost;                    /* the pages of the last supervisor */
  bool finished;                /* leave the loop, with ... */
  int exit_code;
  struct stop stop;
};

/* Begin or take over, from NAME.run or what RESUME says (see adopt), and
 * stay until the end.  NAME.sup is ours already.  Returns the exit code.
 */
int supervise (struct supervisor *s, int resume);

/* DIRECTORY/NAME and SUFFIX. */
void supervisor_path (const struct supervisor *s, char *path, size_t size,
                      const char *suffix);

/* Something that must happen at a time: the earlier of both, where 0 is
 * never.
 */
int64_t earlier (int64_t a, int64_t b);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_SUPERVISOR_H */
