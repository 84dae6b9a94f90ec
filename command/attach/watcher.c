/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <assert.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "command/base/process.h"

#include "watcher.h"

#define SERVERS (sizeof ((struct watcher *) 0)->servers \
                 / sizeof (struct watched_server))

/* Pauses, ms.  An offer made before the kernel has noticed the death is
 * repeated soon.  A kernel whose sockets all seem to live is asked once in
 * a while.
 */
#define RETRY_FIRST_MS 20
#define RETRY_LAST_MS 1000
#define FENCE_MS 100
#define READER_MS 1000          /* a reader that can't be seen, or that was
                                 * too short to be seen, has ended by then */

static int64_t
watcher_now (struct watcher *w)
{
  return w->ops->now (w->opaque);
}

static bool
is_hung_up (int fd)
{
  return fd_has_event (fd, POLLRDHUP);
}

/* ---- servers ---- */

/* Adds a link to the entry of a server.  PIDFD is taken over. */
static int
server_add_link (struct watcher *w, int pidfd, pid_t pid)
{
  int free_entry = -1;

  if (pidfd == -1)
    return -1;
  for (unsigned i = 0; i < SERVERS; ++i)
    if (w->servers[i].pidfd == -1)
      free_entry = (int) i;
    else if (w->servers[i].pid == pid
             && !fd_has_event (w->servers[i].pidfd, POLLIN)) {
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

/* A condemned server keeps its entry until it has ended. */
static void
server_remove_link (struct watcher *w, int server)
{
  struct watched_server *s;

  if (server == -1)
    return;
  s = &w->servers[server];
  if (s->links > 0)
    s->links--;
  if (s->links == 0 && !s->condemned)
    fd_close (&s->pidfd);
}

static void
server_condemn (struct watcher *w, int server)
{
  if (server != -1)
    w->servers[server].condemned = true;
}

/* Kills the condemned servers.  Returns whether all have ended. */
static bool
fence_servers (struct watcher *w)
{
  bool all_ended = true;

  for (unsigned i = 0; i < SERVERS; ++i) {
    struct watched_server *s = &w->servers[i];

    if (s->pidfd == -1 || !s->condemned)
      continue;
    if (fd_has_event (s->pidfd, POLLIN)) {
      s->condemned = false;
      s->links++;
      server_remove_link (w, (int) i);
      continue;
    }
    if (!s->killed)
      w->ops->kill (w->opaque, s->pidfd, s->pid);
    s->killed = true;
    all_ended = false;
  }
  return all_ended;
}

/* ---- sockets ---- */

/* Throws away what was not sent yet, and resets the server's end, so that
 * the server gets no more requests.
 */
static void
link_abort (int fd)
{
  const struct sockaddr none = { .sa_family = AF_UNSPEC };
  int domain = AF_UNIX;
  socklen_t length = sizeof domain;

  getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
  if (domain != AF_UNIX)
    connect (fd, &none, sizeof none);
}

static void
link_drop (struct watcher *w, struct link *l)
{
  fd_close (&l->fd);
  server_remove_link (w, l->server);
  *l = (struct link) { .fd = -1, .server = -1 };
}

static void
retry_now (struct watcher *w)
{
  w->retry_at = 0;
  w->retry_ms = RETRY_FIRST_MS;
}

static void
back_off (struct watcher *w)
{
  w->retry_at = watcher_now (w) + w->retry_ms;
  w->retry_ms = 2 * w->retry_ms < RETRY_LAST_MS ? 2 * w->retry_ms
    : RETRY_LAST_MS;
}

/* Handles sockets that the kernel has lost, or will find lost. */
static void
reap_links (struct watcher *w)
{
  for (unsigned i = 0; i < w->live; ) {
    struct link *l = &w->links[i];

    if (!is_hung_up (l->fd)) {
      ++i;
      continue;
    }
    link_abort (l->fd);
    server_condemn (w, l->server);
    link_drop (w, l);
    *l = w->links[--w->live];
    w->dead++;
    w->readers = reader_transition (w->readers, READER_DIED);
    w->readers_end_at = watcher_now (w) + READER_MS;
    retry_now (w);
  }
  if (w->spare.fd != -1 && is_hung_up (w->spare.fd))
    link_drop (w, &w->spare);
}

/* The server of the unknown sockets ends, and with it all of them. */
static void
lose_former_server (struct watcher *w)
{
  server_remove_link (w, w->former);
  w->former = -1;
  w->dead = w->connections - w->live;
  w->readers_end_at = watcher_now (w) + READER_MS;
}

static void
reap_former_server (struct watcher *w)
{
  if (w->former == -1 || !fd_has_event (w->servers[w->former].pidfd, POLLIN))
    return;
  lose_former_server (w);
  retry_now (w);
}

/* ---- the kernel ---- */

static bool
is_taken (int fd)
{
  struct timeval t = { 0 };
  socklen_t length = sizeof t;

  return getsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &t, &length) == 0
    && (t.tv_sec != 0 || t.tv_usec != 0);
}

/* Returns whether the kernel took FD.  Sets *GONE when it refused it since
 * the device is not connected any more.
 */
static bool
offer_socket (struct watcher *w, int fd, bool *gone)
{
  *gone = w->ops->offer (w->opaque, fd) == -1
    && w->ops->connected (w->opaque) == 0;
  return is_taken (fd);
}

/* Returns whether all readers of dead sockets have ended.  If so, *COUNT is
 * the number of readers, or -1 if the kernel does not show them.
 */
static bool
have_dead_readers_ended (struct watcher *w, int *count)
{
  int64_t now = watcher_now (w);

  *count = w->ops->receivers (w->opaque);
  if (*count == -1)
    return now >= w->readers_end_at;
  if ((w->readers == READERS_LOST && now < w->readers_end_at)
      || (w->readers != READERS_STARTED && now < w->reader_starts_by
          && (unsigned) *count < w->live))
    return false;
  w->readers = reader_transition (w->readers, READERS_SETTLED);
  return (unsigned) *count + w->dead <= w->connections;
}

/* Offers a socket that is shut down.  The kernel takes it if it has a dead
 * one to replace.
 */
static bool
has_dead_socket (struct watcher *w, bool *gone)
{
  int pair[2];
  bool taken;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
    return false;
  shutdown (pair[0], SHUT_RDWR);
  close (pair[1]);
  taken = offer_socket (w, pair[0], gone);
  close (pair[0]);
  return taken;
}

/* Returns how many of the unknown sockets are certainly dead. */
static unsigned
count_dead_sockets (struct watcher *w, bool *gone)
{
  int readers;

  if (watcher_now (w) < w->readers_end_at
      || !have_dead_readers_ended (w, &readers))
    return 0;
  if (readers != -1)
    return w->connections - (unsigned) readers;
  if (!has_dead_socket (w, gone))
    return 0;
  /* A reader of the replaced socket finds the end of the new one. */
  w->readers_end_at = watcher_now (w) + READER_MS;
  return 1;
}

/* ---- the states ---- */

/* Each runs one state and returns an event, or EVENT_NONE to end the step
 * after setting *TIMEOUT to the ms until the next one, -1 for never.
 */

static enum watcher_event
run_checking (struct watcher *w, int *timeout)
{
  (void) timeout;
  reap_links (w);
  reap_former_server (w);
  if (!fence_servers (w))
    return EVENT_SERVER_LIVES;
  return w->live == w->connections ? EVENT_ALL_LIVE : EVENT_SOME_MISSING;
}

static enum watcher_event
run_attached (struct watcher *w, int *timeout)
{
  (void) w;
  *timeout = -1;
  return EVENT_NONE;
}

static enum watcher_event
run_fencing (struct watcher *w, int *timeout)
{
  (void) w;
  *timeout = FENCE_MS;
  return EVENT_NONE;
}

static enum watcher_event
run_pausing (struct watcher *w, int *timeout)
{
  int64_t left = w->retry_at - watcher_now (w);

  if (left > 0) {
    *timeout = (int) left;
    return EVENT_NONE;
  }
  return w->dead > 0 ? EVENT_DEAD_KNOWN : EVENT_DEAD_UNKNOWN;
}

/* The server of dead unknown sockets may still have their requests. */
static enum watcher_event
run_counting (struct watcher *w, int *timeout)
{
  bool gone = false;

  (void) timeout;
  w->dead = count_dead_sockets (w, &gone);
  if (w->dead > 0 && w->former != -1) {
    server_condemn (w, w->former);
    lose_former_server (w);
  }
  if (gone)
    return EVENT_DISCONNECTED;
  if (w->dead == 0)
    return EVENT_NONE_DEAD;
  return fence_servers (w) ? EVENT_DEAD_FOUND : EVENT_SERVER_LIVES;
}

static enum watcher_event
run_dialing (struct watcher *w, int *timeout)
{
  struct nbd_dialed d = { .fd = -1, .pidfd = -1 };

  if (w->spare.fd != -1)
    return EVENT_DIALED;
  switch (w->ops->dial (w->opaque, &d, &w->polls[w->poll_count], timeout)) {
  case 0:
    w->poll_count++;
    return EVENT_NONE;
  case -1:
    return EVENT_DIAL_FAILED;
  }
  w->spare.fd = d.fd;
  w->spare.server = server_add_link (w, d.pidfd, d.pid);
  if (d.pid != w->current) {
    w->current = d.pid;
    w->ops->server_changed (w->opaque, d.pid);
  }
  return EVENT_DIALED;
}

/* The kernel has the spare socket now. */
static void
adopt_spare (struct watcher *w)
{
  w->links[w->live++] = w->spare;
  w->spare = (struct link) { .fd = -1, .server = -1 };
  if (w->dead > 0)
    w->dead--;
  w->reconnects++;
  w->readers = reader_transition (w->readers, READER_ADDED);
  w->reader_starts_by = watcher_now (w) + READER_MS;
  w->ops->reconnected (w->opaque, w->live);
}

/* The one place where a socket is given to the kernel.  Dialing and
 * counting took their time, so the other sockets are checked right before.
 */
static enum watcher_event
run_offering (struct watcher *w, int *timeout)
{
  bool gone, taken;
  unsigned dead;
  int readers;

  (void) timeout;
  reap_links (w);
  dead = w->dead;
  if (!have_dead_readers_ended (w, &readers))
    return readers == -1 ? EVENT_READERS_HIDDEN : EVENT_READERS_LEFT;
  reap_links (w);
  if (w->dead != dead || !fence_servers (w) || w->spare.fd == -1)
    return EVENT_LOSS;
  taken = offer_socket (w, w->spare.fd, &gone);
  if (taken)
    adopt_spare (w);
  return gone ? EVENT_DISCONNECTED : taken ? EVENT_TAKEN : EVENT_NOT_TAKEN;
}

/* Nothing is offered any more, but servers are still fenced. */
static enum watcher_event
run_gone (struct watcher *w, int *timeout)
{
  reap_links (w);
  reap_former_server (w);
  fence_servers (w);
  *timeout = -1;
  return EVENT_NONE;
}

/* ---- the machine ---- */

/* Dead sockets were inferred from missing readers: a reader that had not
 * begun yet may have been taken for one that has ended.
 */
static void
forget_inferred_deaths (struct watcher *w)
{
  if (w->live + w->dead < w->connections)
    w->dead = 0;
}

static void
do_action (struct watcher *w, enum watcher_action action)
{
  switch (action) {
  case ACTION_RECOUNT:
    forget_inferred_deaths (w);
    back_off (w);
    break;
  case ACTION_BACK_OFF:
    back_off (w);
    break;
  case ACTION_RETRY_NOW:
    retry_now (w);
    break;
  case ACTION_AWAIT_READERS:
    w->retry_at = w->readers_end_at;
    break;
  case ACTION_DROP_SPARE:
    link_drop (w, &w->spare);
    break;
  case ACTION_NONE:
  case WATCHER_ACTIONS:
    break;
  }
}

static int
run_machine (struct watcher *w)
{
  static enum watcher_event (*const run[]) (struct watcher *, int *) = {
    [WATCHER_CHECKING] = run_checking, [WATCHER_ATTACHED] = run_attached,
    [WATCHER_FENCING] = run_fencing, [WATCHER_PAUSING] = run_pausing,
    [WATCHER_COUNTING] = run_counting, [WATCHER_DIALING] = run_dialing,
    [WATCHER_OFFERING] = run_offering, [WATCHER_GONE] = run_gone,
  };
  enum watcher_event event = EVENT_STEP;
  int timeout = -1;

  while (event != EVENT_NONE) {
    struct watcher_transition t = watcher_transition (w->state, event);

    assert (t.next != WATCHER_REFUSED);
    do_action (w, t.action);
    w->state = t.next;
    event = run[w->state] (w, &timeout);
  }
  return timeout;
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
  timeout = run_machine (w);
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

bool
watcher_is_gone (const struct watcher *w)
{
  return w->state == WATCHER_GONE;
}

bool
watcher_is_dead (const struct watcher *w)
{
  return w->dead == w->connections;
}

void
watcher_start (struct watcher *w, const struct watcher_ops *ops, void *opaque,
               unsigned connections, const struct nbd_dialed *dialed,
               unsigned count, int former, pid_t former_pid)
{
  *w = (struct watcher) {
    .ops = ops, .opaque = opaque, .connections = connections,
    .state = WATCHER_PAUSING, .readers = READERS_STARTING,
    .spare = { .fd = -1, .server = -1 }, .former = -1,
    .retry_ms = RETRY_FIRST_MS,
  };
  for (unsigned i = 0; i < SERVERS; ++i)
    w->servers[i].pidfd = -1;
  for (unsigned i = 0; i < count; ++i)
    w->links[w->live++] = (struct link) {
      .fd = dialed[i].fd,
      .server = server_add_link (w, dialed[i].pidfd, dialed[i].pid),
    };
  w->reader_starts_by = w->readers_end_at = watcher_now (w) + READER_MS;
  w->current = count > 0 ? dialed[0].pid : former_pid;
  w->former = server_add_link (w, former, former_pid);
}

void
watcher_end (struct watcher *w)
{
  link_drop (w, &w->spare);
  while (w->live > 0)
    link_drop (w, &w->links[--w->live]);
  for (unsigned i = 0; i < SERVERS; ++i)
    fd_close (&w->servers[i].pidfd);
}
