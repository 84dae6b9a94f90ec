/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A simulated kernel and its servers, with real sockets, for tests of the
 * watcher.  They fail the test if the watcher hands over a socket too early,
 * or kills a server without a reason.
 */

#ifndef NBDZRAM_TESTS_LIB_WATCHER_WORLD_H
#define NBDZRAM_TESTS_LIB_WATCHER_WORLD_H

#include <poll.h>
#include <sys/types.h>

#include "command/attach/watcher.h"
#include "unit.h"

#define SLOTS_MAX 4
#define PEERS_MAX 64

/* In which a step can end, as bits. */
#define ENDS_STEP (1u << WATCHER_ATTACHED | 1u << WATCHER_FENCING \
                   | 1u << WATCHER_PAUSING | 1u << WATCHER_DIALING \
                   | 1u << WATCHER_GONE)

/* A server's end of a connection. */
struct peer {
  int fd;
  ino_t other;                  /* inode of the client's end */
};

/* A connection of the kernel. */
struct slot {
  int fd;
  bool dead;                    /* and the kernel knows it */
  int begins;                   /* ticks until its reader starts; 0: it has */
  int ends;                     /* ... until the reader of the dead ends */
};

/* The present server, or none; former ones have ended. */
struct server {
  pid_t pid;                    /* 0: none */
  int gone;                     /* an eventfd, readable after its end */
  struct peer peers[PEERS_MAX];
  unsigned peer_count;
  bool stale;                   /* has requests that were timed out */
  bool suspect;                 /* ... or lost a connection, so that it may
                                 * be killed */
  int dying;                    /* ticks until its end; -1: it lives */
};

struct world {
  struct rng rng;
  struct slot slots[SLOTS_MAX];
  unsigned slot_count;
  struct server server;
  int restart;                  /* ticks until there is a server again */
  pid_t pids;
  pid_t recorded;               /* as in NAME.attach */
  int64_t now;
  int dialing;                  /* ticks */
  unsigned handed, kills, probes, resumed;
  unsigned ended_in;            /* states in which steps ended, as bits */
  bool quiet;                   /* no more failures */
  bool blind;                   /* readers can't be seen */
};

/* What a watcher asks of a world. */
extern const struct watcher_ops world_ops;

/* One time in ONE_IN. */
bool prng (struct world *w, unsigned one_in);

int dup_for_us (int fd);

/* Sockets close before the process can be seen to have ended, and by then
 * none of its threads runs any more.
 */
void begin_death (struct world *w);

/* A request timed out, and the server still executes it. */
void time_out (struct world *w);

/* Start a server, connect all slots, and start the watcher. */
void attach_watcher (struct world *w, struct watcher *watcher);

/* A killed watcher leaves nothing but its record, and its successor starts
 * after a while.  That one can't find out to which server dead sockets
 * belonged.
 */
void kill_watcher (struct world *w, struct watcher *watcher);

/* One step and the poll after it, up to the timeout that it asked for. */
void step_and_poll (struct world *w, struct watcher *watcher);

/* Go on without failures until all connections live. */
void settle (struct world *w, struct watcher *watcher);
void clean_world (struct world *w, struct watcher *watcher);

#endif /* NBDZRAM_TESTS_LIB_WATCHER_WORLD_H */
