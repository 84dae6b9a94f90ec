/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keeps /dev/nbdN alive while its servers come and go.
 *
 * The kernel has N sockets.  One dies, by the end of the server, a broken
 * network, or since a request on it took longer than the timeout; then
 * the kernel shuts it down, and sends its requests again over another one
 * that lives, or keeps them until it is given one.  The watcher has
 * copies of the sockets, so it sees each death at once; it dials again
 * and offers the new socket to the kernel, again and again, until all N
 * live.
 *
 * Taken or not.  The kernel says "success" to an offer and drops it when
 * no socket of its own is dead, or not known to be dead yet.  What tells
 * is the send timeout of the socket: 0 until the kernel takes it and sets
 * it to the timeout of requests.  Our descriptor shows it, since it is of
 * the same socket.
 *
 * Fencing.  Requests of a dead socket are executed elsewhere, and newer
 * data may be written after them.  So whoever still has the first copy
 * must not execute it later.
 *
 * - The server has ended, and the socket died of that: nobody has one.
 * - A local server lives (it was slow; or it hung up on one connection):
 *   it is killed, at once and not just before an offer, for the kernel
 *   sends the requests again as soon as any other socket lives; and
 *   nothing is offered, nor dialed, until it is gone.  Killing costs
 *   nothing that is acknowledged, and its standby takes over.  Which
 *   process it is the kernel itself told when the connection was made
 *   (nbd-dial.h), and a pidfd can't mean another one later.  That a
 *   server killed is gone by its pidfd is late enough: all its threads
 *   have left its memory before.  That it is about to end by itself when
 *   it is killed changes nothing.
 * - A server behind TCP: our copy of the connection is aborted, which
 *   throws away what was not sent yet and resets the server's end; so no
 *   more requests get to it.  What it had received before, it may still
 *   execute: that it takes less than the timeout for a request is on its
 *   side.
 *
 * What remains is the time between the kernel's giving up and our kill,
 * in which the kernel itself may send the request over another socket:
 * that is why this process runs at a real-time priority above the
 * server's.
 *
 * One reader.  A socket is only offered when nobody in the kernel reads
 * from those that it replaces (nbd-receivers.h): there are as many readers
 * as sockets that live, and the one of the socket offered last has begun.
 * Where the kernel does not show its readers, they are given time.
 *
 * Resuming.  A watcher that is killed loses its copies, the kernel loses
 * nothing.  Its successor does not know which sockets live.  As many are
 * dead as there are readers too few; where those can't be seen, the kernel
 * is offered a socket that is shut down: if that is taken, there was a
 * dead one (and is again, as the new one fails at the first use).  Then
 * the server that NAME.attach names, if that still lives, is fenced, and
 * real sockets follow.  Every replaced socket is one known again.
 *
 * No function here waits; the caller polls.  After watcher_start nothing
 * here takes memory.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_WATCHER_H
#define NBDZRAM_COMMAND_ATTACH_WATCHER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "nbd-dial.h"

#define WATCHER_CONNECTIONS 16
#define WATCHER_POLLS (2 * WATCHER_CONNECTIONS + 4)

/* The outer world, so that tests can play it. */
struct watcher_ops {
  int64_t (*now) (void *opaque); /* ms */

  /* Go on with dialing, or begin.  1: *D; 0: under way, poll *P until
   * *TIMEOUT ms have passed; -1: failed, and said so.
   */
  int (*dial) (void *opaque, struct nbd_dialed *d, struct pollfd *p,
               int *timeout);

  /* Offer a socket to the kernel.  -1: it refuses all. */
  int (*offer) (void *opaque, int fd);

  /* nbd_receivers. */
  int (*receivers) (void *opaque);

  /* Is the device connected, and ours?  1, 0, or -1: nobody knows now,
   * as where there is no memory to ask.
   */
  int (*connected) (void *opaque);

  /* Kill a server. */
  void (*kill) (void *opaque, int pidfd, pid_t pid);

  /* All sockets that will be offered now are of another server. */
  void (*server_changed) (void *opaque, pid_t pid);

  /* The kernel took a socket. */
  void (*reconnected) (void *opaque, unsigned live);
};

/* A server that has or had connections. */
struct watched_server {
  int pidfd;                    /* -1: free */
  pid_t pid;
  unsigned links;               /* that are its */
  bool condemned;               /* to be gone before anything is offered */
  bool killed;
};

struct link {
  int fd;
  int server;                   /* of servers[]; -1: not known */
};

struct watcher {
  const struct watcher_ops *ops;
  void *opaque;
  unsigned connections;
  struct link links[WATCHER_CONNECTIONS]; /* in the kernel's hands */
  unsigned live;                /* how many */
  unsigned dead;                /* that the kernel has or will see dead */
  struct link spare;            /* dialed, not yet taken */
  struct watched_server servers[WATCHER_CONNECTIONS + 2];
  int former;                   /* server of those not known; or -1 */
  pid_t current;                /* last said by server_changed */
  int64_t quiet_at;             /* readers of the dead that can't be seen
                                 * are gone */
  int64_t begun_at;             /* ... and those of the living are there */
  bool beginning;               /* the reader of the socket taken last was
                                 * not seen yet */
  bool unseen;                  /* ... and will not be: one has died */
  int64_t next;                 /* not before */
  unsigned wait;                /* ms, until it is tried again */
  uint64_t reconnects;
  bool gone;                    /* the device is not connected any more */

  struct pollfd polls[WATCHER_POLLS];
  unsigned poll_count;
};

/* Begin with the sockets that a device was just connected to, or with
 * COUNT 0: with one whose sockets are not known, and whose last server
 * was that of FORMER, a pidfd that is taken over, or -1 when it is gone
 * or was never known.
 */
void watcher_start (struct watcher *w, const struct watcher_ops *ops,
                    void *opaque, unsigned connections,
                    const struct nbd_dialed *dialed, unsigned count,
                    int former, pid_t former_pid);

/* Do what can be done now.  Returns ms after which it wants to be called
 * again, -1 for never, even though nothing happens at polls[].
 */
int watcher_step (struct watcher *w);

/* Let all copies go; the device stays as it is. */
void watcher_end (struct watcher *w);

#endif /* NBDZRAM_COMMAND_ATTACH_WATCHER_H */
