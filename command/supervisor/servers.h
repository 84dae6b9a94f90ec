/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes that serve.  Each start of one is a *generation*.
 *
 * All generations open the same pool, and the kernel's lock on it decides
 * which one serves: the lock is released when its process is gone, however
 * that ended.  A generation that finds the pool locked waits for the lock,
 * completely loaded: it is a *standby*.  The supervisor never decides which
 * generation is the server: it is the one that says that it is ready, and
 * the one before it must be dead.
 *
 *   STARTING --"waiting"--> WAITING --"ready"--> READY --> GONE --> FREE
 *      |                                           ^
 *      +-------------------"ready"-----------------+
 *
 * A generation that ends before it is ready is FREE at once.  One that is
 * GONE stays until its lock keeper has ended (service/lock-keeper.h), which
 * keeps the pool in memory until the next generation has locked it.
 *
 * A generation writes "waiting" and "ready VERSION PID-OF-LOCK-KEEPER" into
 * a socket of which it has both ends.  The supervisor removes a line from it
 * only when NAME.run says the same, so that the next supervisor finds it in
 * one of the two.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_SERVERS_H
#define NBDZRAM_COMMAND_SUPERVISOR_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "command/base/log.h"
#include "command/base/process.h"
#include "setup.h"

#define GENERATIONS_MAX 8

struct supervisor;

enum generation_state {
  GENERATION_FREE,              /* the entry is not in use */
  GENERATION_STARTING,
  GENERATION_WAITING,           /* for the pool: a standby */
  GENERATION_READY,             /* the server */
  GENERATION_GONE,              /* dying or dead: it was the server, or was
                                 * killed because it is not needed */
};

struct generation {
  enum generation_state state;
  struct process process;
  struct process lock_keeper;
  int ready;                    /* the supervisor's end of the socket */
  int hold;                     /* an eventfd that ends the lock keeper */
  bool released;                /* the lock keeper was told to end */
  bool paused;                  /* by SIGSTOP */
  bool served;                  /* it was ready */
  bool ended;                   /* the process, not the lock keeper */
  bool kept;                    /* though it is stale: see renew.h */
  size_t status_read;           /* bytes to remove from READY, when NAME.run
                                 * has what they say */
  int64_t since;                /* when it entered STATE, milliseconds */
  uint64_t renewals;            /* of the listeners, when it was started */
  char version[VERSION_SIZE];
  char error[LOG_LINE];         /* its last message of an error */
  struct log_source log;
};

#define NO_GENERATION ((struct generation) { \
    .process = NO_PROCESS, .lock_keeper = NO_PROCESS, \
    .ready = -1, .hold = -1, .log.fd = -1 })

struct servers {
  struct generation list[GENERATIONS_MAX];
  bool served;                  /* there has been a server */
  char first_error[LOG_LINE];   /* why there has been none */
  unsigned failures;            /* starts in a row that failed */
  unsigned quick_deaths;        /* in a row, soon after "ready" */
  bool failing;                 /* too many failures: starts are rare */
  int64_t next_start;           /* milliseconds */
  uint64_t restarts;
  char last_exit[64];           /* how the last server ended, or "" */
};

/* Read what generations say and log, and reap those that ended. */
void servers_poll (struct supervisor *s);

/* NAME.run is written: remove the status lines that it has from the sockets.
 */
void servers_consume_status (struct supervisor *s);

/* Start a server or a standby, if one is missing and no pause is due.
 * Returns when the pause ends, in milliseconds, or 0.
 */
int64_t servers_balance (struct supervisor *s);

/* Forget the failures: the next start is not delayed. */
void servers_reset_failures (struct supervisor *s);

/* The generation in STATE, that of the process PID, the one that will be the
 * server when the present one ends; or NULL.
 */
struct generation *generation_find (struct supervisor *s,
                                    enum generation_state state);
struct generation *generation_find_pid (struct supervisor *s, pid_t pid);
struct generation *generation_find_candidate (struct supervisor *s);

/* There is a new server: end the lock keepers of those that are GONE. */
void servers_release_gone (struct supervisor *s);

/* Start a generation of SETUP.  Returns NULL with errno on failure. */
struct generation *generation_start (struct supervisor *s,
                                     const struct setup *setup);

/* Was a listening socket created again since G was started? */
bool generation_is_stale (const struct supervisor *s,
                          const struct generation *g);

/* Tell the lock keeper of G, if any, to end. */
void generation_release (struct generation *g);

/* Stop G by SIGSTOP, so that it can't lock the pool, and continue it. */
void generation_pause (struct supervisor *s, struct generation *g);
void generation_resume (struct supervisor *s, struct generation *g);

/* Kill G, which is not needed.  It is reaped later, and is no failure. */
void generation_kill (struct supervisor *s, struct generation *g);

/* Free the entry of G, whose process has ended. */
void generation_close (struct generation *g);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_SERVERS_H */
