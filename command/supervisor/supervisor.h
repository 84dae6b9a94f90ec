/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor, "nbdzram serve": it owns what must outlive a server, the
 * pool's memory and the sockets to which clients connect, and keeps a server
 * running.
 *
 * When a server dies, its standby takes over without the supervisor
 * (servers.h).  The supervisor learns of it afterwards, and starts what is
 * missing: a server or a standby.  When the supervisor is killed, its servers
 * do not notice, and the next supervisor recovers from NAME.run (recover.h).
 * So that NAME.run has every process, each waits at a start barrier
 * (service/start-barrier.h) until it is recorded there.
 *
 * The supervisor is one thread.  Any event wakes it; then it polls all its
 * subjects, which are few.  After the start it allocates nothing for what it
 * must do while no memory is free: start a server, reap it, log.  Its control
 * socket allocates from a locked heap (command/base/harden-self.h).
 *
 * The runtime directory may be full, read-only or removed at any time.
 * Servers are replaced all the same, and what can't be created or written is
 * tried again.
 *
 * Each subject has a struct, in the header of the functions that change it:
 *
 *   servers.h     the processes that serve, and their lock keepers
 *   renew.h       servers that lack a new listening socket
 *   listen.h      the listening sockets
 *   watchers.h    the processes that attach the kernel's devices
 *   control.h     NAME.sup, the control socket
 *   upgrade.h     replacing the programs
 *   stop.h        the end
 *   files.h       the files in the runtime directory
 *   state-file.h  NAME.run; state.h: its text
 *   setup.h       settings, and the program of the servers
 *
 * Before the loop begins, recover.h and recover-processes.h fill them in.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_SUPERVISOR_H
#define NBDZRAM_COMMAND_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/base/clock.h"
#include "command/base/log.h"
#include "command/base/process.h"
#include "command/conf/conf.h"
#include "lib/base/util.h"
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

/* Loop over the array LIST, with ENTRY pointing to each element in turn. */
#define for_each(entry, list)                                           \
  for (__typeof__ (&(list)[0]) entry = (list);                          \
       entry < (list) + ARRAY_SIZE (list); ++entry)

struct supervisor {
  /* Set before the loop. */
  struct setup setup;           /* of new servers; an upgrade replaces it */
  char conf_error[MESSAGE_SIZE]; /* the mistake in NAME.conf, or "" */
  char directory[4096];         /* of all its files */
  char *executable;             /* where this program is installed, or NULL */
  char **arguments;             /* that it was started with */
  bool force;                   /* SIGTERM ends it even while in use as swap */
  int null;                     /* /dev/null */
  int signals;                  /* a signalfd */
  int daemon_pipe;              /* to the parent, which waits for the start;
                                 * or -1 */
  int pool;                     /* a memfd, or -1: a file with a path */
  bool lost;                    /* recovery: the pages are lost */

  struct listeners listeners;
  struct servers servers;
  struct watcher_process watchers[WATCHERS_MAX];
  struct supervisor_control control;
  struct upgrade upgrade;
  struct stop stop;
  struct state state;
  struct runtime_files files;

  bool started;                 /* control requests are read */
  bool finished;                /* leave the loop, and exit with... */
  int exit_code;
};

/* Initialise S, which is zeroed.  ARGUMENTS, ended by NULL, are those of this
 * process.
 */
void supervisor_init (struct supervisor *s, char *arguments[]);

/* Recover, or begin anew; then supervise until the end.  S has its setup and
 * NAME.sup already.  RESUME is for recover().  Returns the exit code.
 */
int supervise (struct supervisor *s, int resume);

/* Store DIRECTORY/NAME and SUFFIX in PATH, and return it. */
#define SUPERVISOR_PATH_SIZE (4096 + 128)
char *supervisor_path (const struct supervisor *s, char *path, size_t size,
                       const char *suffix);

/* The earlier of two times, of which 0 is never. */
int64_t earlier (int64_t a, int64_t b);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_SUPERVISOR_H */
