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
#include "setup.h"
#include "state-file.h"
#include "stop.h"
#include "upgrade.h"
#include "watchers.h"

#define GENERATIONS 8

enum generation_state {
  GENERATION_FREE,              /* of the entry: no generation */
  GENERATION_STARTING,
  GENERATION_WAITING,           /* for the pool: a standby */
  GENERATION_READY,             /* it is the server */
  GENERATION_GONE,              /* was it, and is dying or dead; its holder
                                 * is needed until another one is ready */
};

struct generation {
  enum generation_state state;
  struct process process;
  struct process lock_keeper;   /* of the memory of a dead server */
  int ready;                    /* what it tells us: our end of a socket */
  int hold;                     /* an eventfd: what we tell the holder */
  bool released;                /* ... that it may go */
  bool paused;                  /* by SIGSTOP */
  bool served;                  /* it was ready */
  bool ended;                   /* the process, not the holder */
  bool kept;                    /* though it is stale: see servers_renew */
  size_t status_read;           /* bytes to take from ready, when what they
                                 * say is in NAME.run */
  int64_t since;                /* milliseconds: in this state */
  uint64_t sockets;             /* s->sockets when it was started */
  char version[VERSION_SIZE];
  char error[LOG_LINE];         /* the last that it said was one */
  struct log_source log;
};

#define NO_GENERATION ((struct generation) { \
    .process = NO_PROCESS, .lock_keeper = NO_PROCESS, \
    .ready = -1, .hold = -1, .log.fd = -1 })

struct supervisor {
  struct setup setup;           /* what generations are started with */
  char directory[4096];         /* of all our files */
  struct listener listeners[LISTENERS_MAX];
  unsigned listener_count;
  int pool;                     /* a memfd, or -1: a file with a path */
  int null;                     /* /dev/null */
  int signals;                  /* a signalfd */
  int daemon_pipe;              /* to who waits for our start, or -1 */
  char *executable;             /* where this program is installed */
  char **arguments;             /* what it was started with */
  bool force;                   /* SIGTERM even while in use as swap */

  struct generation generations[GENERATIONS];
  struct watcher_process watchers[WATCHERS_MAX];
  struct upgrade upgrade;
  struct supervisor_control control;

  struct state state;
  uint64_t sockets;             /* how often a listening socket was made
                                 * anew */
  struct runtime_files files;

  bool begun;                   /* requests are taken */
  bool served;                  /* there was a server, once */
  char conf_error[MESSAGE_SIZE]; /* what is wrong with NAME.conf, or "" */
  char first_error[LOG_LINE];   /* why there never was */
  bool lost;                    /* the pages of the last supervisor */
  bool finished;                /* leave the loop, with ... */
  int exit_code;
  unsigned failures;            /* starts in a row that came to nothing */
  unsigned quick;               /* deaths in a row soon after ready */
  bool failing;                 /* too many: nothing is tried any more */
  int64_t next_start;           /* milliseconds */
  uint64_t restarts;
  char last_exit[64];           /* of a server, or "" */
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

/* ---- servers.c ---- */

/* Take notice of all that generations said and of their ends. */
void servers_look (struct supervisor *s);

/* After NAME.run is written: what they said need not be told again. */
void servers_read_status (struct supervisor *s);

/* Start what is missing, now or at the time returned (0: nothing is). */
int64_t servers_balance (struct supervisor *s);

/* A new generation of SETUP, or NULL with errno. */
struct generation *server_start (struct supervisor *s,
                                 const struct setup *setup);

/* The generation in STATE, or NULL. */
struct generation *server_in (struct supervisor *s,
                              enum generation_state state);
struct generation *server_of_pid (struct supervisor *s, pid_t pid);

/* Let the holder of its memory go. */
void server_release (struct generation *g);

/* Those of all that were the server, when there is another one. */
void servers_release_gone (struct supervisor *s);

/* Make the entry free; the process must have ended. */
void server_forget (struct generation *g);

/* Try again, after all that failed. */
void servers_retry (struct supervisor *s);

/* One that will be the server when there is none, or NULL. */
struct generation *server_candidate (struct supervisor *s);

/* Does it lack a listening socket that was made anew? */
bool server_is_stale (const struct supervisor *s, const struct generation *g);

/* ---- renew.c ---- */

/* Replace those that do not have the listening sockets that there are now:
 * a standby when there is another one, a server when no client is connected
 * to it.  Returns whether there are any.
 */
bool servers_renew (struct supervisor *s);

/* How many connections it has; -1 where that can't be told. */
int server_connections (struct supervisor *s, const struct generation *g);

/* Where in a child the descriptors are. */
struct child_fds server_fds (const struct supervisor *s);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_SUPERVISOR_H */
