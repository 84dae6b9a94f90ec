/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps /dev/nbdN connected while its servers come and go.
 *
 * The kernel has N sockets.  A socket dies when the server ends, when the
 * network breaks, or when a request on it takes longer than the timeout.
 * Then the kernel shuts it down, and sends its requests again over another
 * live socket, or keeps them until it is given one.  The watcher has copies
 * of the sockets, so it sees each death at once.  It dials the server again
 * and offers the new socket to the kernel, again and again, until all N
 * sockets live.  watcher-states.h has its states.
 *
 * Was a socket taken?  The kernel answers an offer with "success" and drops
 * the socket when none of its own is dead, or not yet known to be dead.  The
 * send timeout of the socket tells: it is 0 until the kernel takes the
 * socket and sets it to the timeout of requests.  Our descriptor shows it,
 * since it refers to the same socket.
 *
 * Fencing.  Requests of a dead socket are executed elsewhere, and newer
 * data may be written after them.  So the server that has the first copy of
 * such a request must not execute it later.
 *
 * - The server has ended, and the socket died of that: no copy is left.
 * - A local server lives (it was slow, or it closed one connection).  It is
 *   killed at once and not just before an offer, since the kernel sends the
 *   requests again as soon as any other socket lives.  Nothing is dialed or
 *   offered until it has ended.  Killing loses nothing that was
 *   acknowledged, and the standby of the server takes over.  The kernel
 *   itself named the process when the connection was made (nbd-dial.h), and
 *   a pidfd can't come to mean another process.  When the pidfd shows that a
 *   killed server has ended, all its threads have left its memory before.
 *   If the server was about to end by itself, killing it changes nothing.
 * - A server behind TCP: our copy of the connection is aborted.  That throws
 *   away what was not sent yet and resets the server's end, so no more
 *   requests get to the server.  It may still execute what it had received
 *   before.  That a request takes it less than the timeout is up to the
 *   server.
 *
 * The kernel may still send a request over another socket between its
 * timeout and our kill.  That is why this process runs at a real-time
 * priority above the server's.
 *
 * One reader.  A socket is only offered when the kernel has no reader left
 * on the sockets that it replaces (nbd-receivers.h): there are as many
 * readers as live sockets, and the reader of the socket offered last has
 * started.  Where the kernel does not show its readers, they are given time.
 *
 * Resuming.  A watcher that is killed loses its copies; the kernel loses
 * nothing.  Its successor does not know which sockets live.  As many are
 * dead as readers are missing.  Where readers can't be seen, the watcher
 * offers the kernel a socket that is shut down: if that is taken, there was
 * a dead socket (and there is again, as the new one fails at the first use).
 * Then the server that NAME.attach names is fenced, if it still lives, and
 * real sockets follow.  Every replaced socket is a known one again.
 *
 * No function here waits; the caller polls.  After watcher_start nothing
 * here allocates memory.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_WATCHER_H
#define NBDZRAM_COMMAND_ATTACH_WATCHER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "nbd-dial.h"
#include "watcher-states.h"

#define WATCHER_CONNECTIONS 16
#define WATCHER_POLLS (2 * WATCHER_CONNECTIONS + 4)

/* What the watcher needs of its surroundings; tests have their own. */
struct watcher_ops {
  int64_t (*now) (void *opaque); /* ms */

  /* Continues dialing, or begins.  1: *D is the watcher's; 0: under way,
   * poll *P until *TIMEOUT ms have passed; -1: failed, and logged.
   */
  int (*dial) (void *opaque, struct nbd_dialed *d, struct pollfd *p,
               int *timeout);

  /* Offers a socket to the kernel.  -1: the kernel answers with an error. */
  int (*offer) (void *opaque, int fd);

  /* Like nbd_receivers. */
  int (*receivers) (void *opaque);

  /* Is the device connected, and ours?  1, 0, or -1: that can't be found
   * out now, as when there is no memory to ask.
   */
  int (*connected) (void *opaque);

  void (*kill) (void *opaque, int pidfd, pid_t pid);

  /* Sockets offered from now on belong to another server. */
  void (*server_changed) (void *opaque, pid_t pid);

  /* The kernel took a socket; LIVE sockets live. */
  void (*reconnected) (void *opaque, unsigned live);
};

/* A server that has or had connections. */
struct watched_server {
  int pidfd;                    /* -1: a free entry */
  pid_t pid;
  unsigned links;               /* that belong to it */
  bool condemned;               /* must end before anything is offered */
  bool killed;
};

struct link {
  int fd;
  int server;                   /* index in servers[]; -1: unknown */
};

struct watcher {
  const struct watcher_ops *ops;
  void *opaque;
  unsigned connections;

  enum watcher_state state;
  int64_t retry_at;             /* ms: PAUSING ends */
  unsigned retry_ms;            /* of the next pause */

  enum reader_state readers;
  int64_t reader_starts_by;     /* ms: the newest reader has started, even
                                 * if it was not seen */
  int64_t readers_end_at;       /* ms: readers of dead sockets have ended,
                                 * even if they can't be seen */

  struct link links[WATCHER_CONNECTIONS]; /* live sockets of the kernel */
  unsigned live;                /* how many */
  unsigned dead;                /* that the kernel knows or will find dead */
  struct link spare;            /* dialed, and not taken yet */

  struct watched_server servers[WATCHER_CONNECTIONS + 2];
  int former;                   /* index of the server of unknown sockets,
                                 * or -1 */
  pid_t current;                /* the last one given to server_changed */
  uint64_t reconnects;

  struct pollfd polls[WATCHER_POLLS];
  unsigned poll_count;
};

/* Starts with the COUNT sockets that a device was just connected to; their
 * descriptors are taken over.  COUNT 0: the device has sockets that are not
 * known, and its last server was that of FORMER, a pidfd that is taken over,
 * or -1 if that server has ended or was never known.
 */
void watcher_start (struct watcher *w, const struct watcher_ops *ops,
                    void *opaque, unsigned connections,
                    const struct nbd_dialed *dialed, unsigned count,
                    int former, pid_t former_pid);

/* Does what can be done now.  Call it again when one of polls[] has an
 * event, or after as many ms as it returns; -1: no need to.
 */
int watcher_step (struct watcher *w);

/* Is the device disconnected, and not by us? */
bool watcher_is_gone (const struct watcher *w);

/* Are all sockets of the device dead? */
bool watcher_is_dead (const struct watcher *w);

/* Closes all copies of sockets.  The device stays as it is. */
void watcher_end (struct watcher *w);

#endif /* NBDZRAM_COMMAND_ATTACH_WATCHER_H */
