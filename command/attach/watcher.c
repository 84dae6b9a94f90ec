/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "watcher.h"

#define SERVERS (sizeof ((struct watcher *) 0)->servers \
                 / sizeof (struct watched_server))

/* Between attempts, ms.  An offer that comes before the kernel has
 * noticed the death is repeated soon; a kernel whose sockets all seem to
 * live is asked once in a while.
 */
#define WAIT_FIRST 20
#define WAIT_LAST 1000
#define WAIT_FENCE 100
#define WAIT_READER 1000        /* for one that can't be seen, or that was
                                 * so short that it was not */

static bool
happened (int fd, short events)
{
  struct pollfd p = { .fd = fd, .events = events };

  return poll (&p, 1, 0) > 0;
}

static bool
hung_up (int fd)
{
  return happened (fd, POLLRDHUP);
}

static void
later (struct watcher *w)
{
  w->next = w->ops->now (w->opaque) + w->wait;
  w->wait = 2 * w->wait < WAIT_LAST ? 2 * w->wait : WAIT_LAST;
}

static void
at_once (struct watcher *w)
{
  w->next = 0;
  w->wait = WAIT_FIRST;
}

/* ---- servers ---- */

/* The entry of a server, whose PIDFD is taken over. */
static int
enter_server (struct watcher *w, int pidfd, pid_t pid)
{
  int free_entry = -1;

  if (pidfd == -1)
    return -1;
  for (unsigned i = 0; i < SERVERS; ++i)
    if (w->servers[i].pidfd == -1)
      free_entry = (int) i;
    else if (w->servers[i].pid == pid
             && !happened (w->servers[i].pidfd, POLLIN)) {
      close (pidfd);
      w->servers[i].links++;
      return (int) i;
    }
  /* There are more entries than links. */
  w->servers[free_entry] = (struct watched_server) {
    .pidfd = pidfd, .pid = pid, .links = 1,
  };
  return free_entry;
}

/* One link less.  A condemned server stays until it is gone. */
static void
detach_from_server (struct watcher *w, int server)
{
  struct watched_server *s;

  if (server == -1)
    return;
  s = &w->servers[server];
  if (s->links > 0)
    s->links--;
  if (s->links == 0 && !s->condemned) {
    close (s->pidfd);
    s->pidfd = -1;
  }
}

/* Nothing is offered until this server is gone. */
static void
condemn (struct watcher *w, int server)
{
  if (server != -1)
    w->servers[server].condemned = true;
}

/* Kill those that must go.  Are all gone? */
static bool
fence (struct watcher *w)
{
  bool all = true;

  for (unsigned i = 0; i < SERVERS; ++i) {
    struct watched_server *s = &w->servers[i];

    if (s->pidfd == -1 || !s->condemned)
      continue;
    if (happened (s->pidfd, POLLIN)) {
      s->condemned = false;
      s->links++;
      detach_from_server (w, (int) i);
      continue;
    }
    if (!s->killed)
      w->ops->kill (w->opaque, s->pidfd, s->pid);
    s->killed = true;
    all = false;
  }
  return all;
}

/* ---- sockets ---- */

/* Nothing more of it shall get to the server: what is not sent yet goes,
 * and the peer is reset.
 */
static void
abort_link (int fd)
{
  const struct sockaddr none = { .sa_family = AF_UNSPEC };
  int domain = AF_UNIX;
  socklen_t length = sizeof domain;

  getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
  if (domain != AF_UNIX)
    connect (fd, &none, sizeof none);
}

static void
drop_link (struct watcher *w, struct link *l)
{
  if (l->fd != -1)
    close (l->fd);
  detach_from_server (w, l->server);
  *l = (struct link) { .fd = -1, .server = -1 };
}

/* The kernel has lost sockets, or will find that it has. */
static void
bury (struct watcher *w)
{
  for (unsigned i = 0; i < w->live; ) {
    struct link *l = &w->links[i];

    if (!hung_up (l->fd)) {
      ++i;
      continue;
    }
    abort_link (l->fd);
    condemn (w, l->server);
    drop_link (w, l);
    *l = w->links[--w->live];
    w->dead++;
    w->unseen |= w->beginning;
    w->quiet_at = w->ops->now (w->opaque) + WAIT_READER;
    at_once (w);
  }
  if (w->spare.fd != -1 && hung_up (w->spare.fd))
    drop_link (w, &w->spare);
}

static bool
is_taken (int fd)
{
  struct timeval t = { 0 };
  socklen_t length = sizeof t;

  return getsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &t, &length) == 0
    && (t.tv_sec != 0 || t.tv_usec != 0);
}

/* Offer FD.  Did the kernel take it? */
static bool
offer (struct watcher *w, int fd)
{
  if (w->ops->offer (w->opaque, fd) == -1)
    w->gone = w->ops->connected (w->opaque) == 0;
  return is_taken (fd);
}

/* Does nobody read from the sockets that are dead?  If so, COUNT is how
 * many read, or -1.
 */
static bool
is_quiet (struct watcher *w, int *count)
{
  int64_t now = w->ops->now (w->opaque);

  *count = w->ops->receivers (w->opaque);
  if (*count == -1)
    return now >= w->quiet_at;
  if ((w->unseen && now < w->quiet_at)
      || (w->beginning && now < w->begun_at && (unsigned) *count < w->live))
    return false;
  w->beginning = w->unseen = false;
  return (unsigned) *count + w->dead <= w->connections;
}

/* Has the kernel a dead socket?  It is offered another one. */
static bool
probe (struct watcher *w)
{
  int pair[2];
  bool taken;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
    return false;
  shutdown (pair[0], SHUT_RDWR);
  close (pair[1]);
  taken = offer (w, pair[0]);
  close (pair[0]);
  return taken;
}

/* How many of those not known are dead, as far as can be told. */
static unsigned
count_dead (struct watcher *w)
{
  int readers;

  if (w->ops->now (w->opaque) < w->quiet_at || !is_quiet (w, &readers))
    return 0;
  if (readers == -1) {
    if (!probe (w))
      return 0;
    /* Who still reads finds the end of that one. */
    w->quiet_at = w->ops->now (w->opaque) + WAIT_READER;
    return 1;
  }
  return w->connections - (unsigned) readers;
}

/* The server of those not known ends, and all of them with it. */
static void
lose_former (struct watcher *w)
{
  detach_from_server (w, w->former);
  w->former = -1;
  w->dead = w->connections - w->live;
  w->quiet_at = w->ops->now (w->opaque) + WAIT_READER;
}

/* Find out whether any of those not known is dead; if so, its server
 * goes.  May the next socket be offered?
 */
static bool
ask_kernel (struct watcher *w)
{
  if (w->dead > 0)
    return true;
  w->dead = count_dead (w);
  if (w->dead == 0) {
    later (w);
    return false;
  }
  if (w->former != -1) {
    condemn (w, w->former);
    lose_former (w);
  }
  at_once (w);
  return fence (w);
}

/* The server of those not known has ended, and they will. */
static void
check_former (struct watcher *w)
{
  if (w->former == -1 || !happened (w->servers[w->former].pidfd, POLLIN))
    return;
  lose_former (w);
  at_once (w);
}

/* ---- connecting ---- */

/* A connection that may be offered.  1, 0 when it is under way, or -1. */
static int
get_spare (struct watcher *w, int *timeout)
{
  struct nbd_dialed d = { .fd = -1, .pidfd = -1 };
  int r;

  if (w->spare.fd != -1)
    return 1;
  r = w->ops->dial (w->opaque, &d, &w->polls[w->poll_count], timeout);
  if (r == 0)
    w->poll_count++;
  if (r != 1)
    return r;
  w->spare.fd = d.fd;
  w->spare.server = enter_server (w, d.pidfd, d.pid);
  if (d.pid != w->current) {
    w->current = d.pid;
    w->ops->server_changed (w->opaque, d.pid);
  }
  return 1;
}

static void
take_spare (struct watcher *w)
{
  w->links[w->live++] = w->spare;
  w->spare = (struct link) { .fd = -1, .server = -1 };
  if (w->dead > 0)
    w->dead--;
  w->reconnects++;
  w->beginning = true;
  w->begun_at = w->ops->now (w->opaque) + WAIT_READER;
  at_once (w);
  w->ops->reconnected (w->opaque, w->live);
}

/* Not now.  What was thought dead may have been a reader that had not
 * begun, if it was not seen to die: then it is counted again.
 */
static void
offer_later (struct watcher *w)
{
  if (w->live + w->dead < w->connections)
    w->dead = 0;
  later (w);
}

/* The one place where a socket is given to the kernel, right after a
 * last look at the others: dialing and counting took their time.
 */
static bool
hand_over (struct watcher *w)
{
  unsigned dead;
  int readers;

  bury (w);
  dead = w->dead;
  if (!is_quiet (w, &readers)) {
    if (readers == -1)
      w->next = w->quiet_at;
    else
      offer_later (w);
    return false;
  }
  bury (w);
  if (w->dead != dead || !fence (w) || w->spare.fd == -1)
    return false;
  if (offer (w, w->spare.fd)) {
    take_spare (w);
    return true;
  }
  offer_later (w);
  return false;
}

/* Ms until this goes on; -1 when there is nothing to do. */
static int
go_on (struct watcher *w)
{
  int timeout = WAIT_LAST;

  for (;;) {
    int64_t left;

    bury (w);
    check_former (w);
    if (!fence (w))
      return WAIT_FENCE;
    if (w->live == w->connections || w->gone) {
      drop_link (w, &w->spare);
      return -1;
    }
    left = w->next - w->ops->now (w->opaque);
    if (left > 0)
      return (int) left;
    if (!ask_kernel (w))
      continue;
    switch (get_spare (w, &timeout)) {
    case 0:
      return timeout;
    case -1:
      later (w);
      continue;
    }
    hand_over (w);
  }
}

/* ---- for the caller ---- */

static void
add_poll (struct watcher *w, int fd, short events)
{
  w->polls[w->poll_count++] = (struct pollfd) { .fd = fd, .events = events };
}

int
watcher_step (struct watcher *w)
{
  int timeout;

  w->poll_count = 0;            /* dialing adds its own */
  timeout = go_on (w);
  for (unsigned i = 0; i < w->live; ++i)
    add_poll (w, w->links[i].fd, POLLRDHUP);
  if (w->spare.fd != -1)
    add_poll (w, w->spare.fd, POLLRDHUP);
  for (unsigned i = 0; i < SERVERS; ++i)
    if (w->servers[i].pidfd != -1 && w->servers[i].condemned)
      add_poll (w, w->servers[i].pidfd, POLLIN);
  if (w->former != -1)
    add_poll (w, w->servers[w->former].pidfd, POLLIN);
  return timeout;
}

void
watcher_start (struct watcher *w, const struct watcher_ops *ops, void *opaque,
               unsigned connections, const struct nbd_dialed *dialed,
               unsigned count, int former, pid_t former_pid)
{
  *w = (struct watcher) {
    .ops = ops, .opaque = opaque, .connections = connections,
    .spare = { .fd = -1, .server = -1 }, .former = -1, .wait = WAIT_FIRST,
  };
  for (unsigned i = 0; i < SERVERS; ++i)
    w->servers[i].pidfd = -1;
  for (unsigned i = 0; i < count; ++i)
    w->links[w->live++] = (struct link) {
      .fd = dialed[i].fd,
      .server = enter_server (w, dialed[i].pidfd, dialed[i].pid),
    };
  w->beginning = true;
  w->begun_at = w->quiet_at = ops->now (opaque) + WAIT_READER;
  w->current = count > 0 ? dialed[0].pid : former_pid;
  w->former = enter_server (w, former, former_pid);
}

void
watcher_end (struct watcher *w)
{
  drop_link (w, &w->spare);
  while (w->live > 0)
    drop_link (w, &w->links[--w->live]);
  for (unsigned i = 0; i < SERVERS; ++i)
    if (w->servers[i].pidfd != -1)
      close (w->servers[i].pidfd);
}
