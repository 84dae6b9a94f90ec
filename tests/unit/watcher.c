/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watcher against a simulated kernel, with real sockets.  Servers are
 * killed, hang, or close connections, the kernel times connections out, and
 * the watcher itself is killed, all at random moments.
 *
 * A socket is never handed over while a server lives that has a request which
 * the kernel has timed out, nor while the socket that it replaces still has a
 * reader.  In the end all connections are back.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/attach/watcher.h"

#define SLOTS_MAX 4
#define PEERS_MAX 64

/* In which a step can end, as bits. */
#define ENDS_STEP (1u << WATCHER_ATTACHED | 1u << WATCHER_FENCING \
                   | 1u << WATCHER_PAUSING | 1u << WATCHER_DIALING \
                   | 1u << WATCHER_GONE)

/* ---- the world ---- */

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

/* The most ticks of either. */
#define READER_TICKS 400

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

static bool
prng (struct world *w, unsigned one_in)
{
  return rng_below (&w->rng, one_in) == 0;
}

static void
start_server (struct world *w)
{
  w->server = (struct server) {
    .pid = ++w->pids, .gone = eventfd (0, EFD_CLOEXEC), .dying = -1,
  };
  assert_int_not_equal (w->server.gone, -1);
}

static void
close_peers (struct server *s)
{
  while (s->peer_count > 0)
    close (s->peers[--s->peer_count].fd);
}

/* Sockets close before the process can be seen to have ended, and by then
 * none of its threads runs any more.
 */
static void
begin_death (struct world *w)
{
  if (w->server.pid == 0 || w->server.dying >= 0)
    return;
  close_peers (&w->server);
  w->server.stale = false;
  w->server.suspect = true;
  w->server.dying = (int) rng_below (&w->rng, 4);
}

static void
finish_death (struct world *w)
{
  const uint64_t one = 1;

  assert_int_equal (write (w->server.gone, &one, sizeof one), sizeof one);
  close (w->server.gone);
  w->server = (struct server) { .gone = -1, .dying = -1 };
  w->restart = (int) rng_below (&w->rng, 40);
}

static void
kill_socket (struct world *w, struct slot *s)
{
  shutdown (s->fd, SHUT_RDWR);
  s->dead = true;
  s->ends = s->begins + (prng (w, 4) ? (int) rng_below (&w->rng, READER_TICKS)
                                       : (int) rng_below (&w->rng, 5));
  s->begins = 0;
}

/* After a while, the kernel notices that the other side has closed. */
static void
notice_deaths (struct world *w)
{
  for (unsigned i = 0; i < w->slot_count; ++i) {
    struct slot *s = &w->slots[i];
    struct pollfd p = { .fd = s->fd, .events = POLLRDHUP };

    if (!s->dead && poll (&p, 1, 0) > 0 && prng (w, 3))
      kill_socket (w, s);
    if (s->begins > 0)
      s->begins--;
    if (s->ends > 0)
      s->ends--;
  }
}

/* ---- failures ---- */

/* A request timed out, and the server still executes it. */
static void
time_out (struct world *w)
{
  struct slot *s = &w->slots[rng_below (&w->rng, w->slot_count)];
  struct pollfd p = { .fd = s->fd, .events = POLLRDHUP };

  if (s->dead || w->server.pid == 0 || w->server.dying >= 0
      || poll (&p, 1, 0) > 0)
    return;
  kill_socket (w, s);
  w->server.stale = w->server.suspect = true;
}

static ino_t
inode (int fd)
{
  struct stat st;

  assert_int_equal (fstat (fd, &st), 0);
  return st.st_ino;
}

/* The server closes a connection of the kernel, and still executes what it
 * received from it.
 */
static void
hang_up (struct world *w)
{
  ino_t ours = inode (w->slots[rng_below (&w->rng, w->slot_count)].fd);
  struct server *s = &w->server;

  for (unsigned i = 0; i < s->peer_count; ++i)
    if (s->peers[i].other == ours) {
      close (s->peers[i].fd);
      s->peers[i] = s->peers[--s->peer_count];
      s->stale = s->suspect = true;
      return;
    }
}

/* Called between any two actions of the watcher. */
static void
tick (struct world *w)
{
  w->now++;
  if (w->server.dying == 0)
    finish_death (w);
  else if (w->server.dying > 0)
    w->server.dying--;
  if (w->server.pid == 0 && w->restart-- <= 0)
    start_server (w);
  notice_deaths (w);
  if (w->quiet || !prng (w, 12))
    return;
  switch (rng_below (&w->rng, 3)) {
  case 0: begin_death (w); break;
  case 1: time_out (w); break;
  case 2: hang_up (w); break;
  }
}

/* ---- what the watcher asks for ---- */

static int64_t
now (void *opaque)
{
  struct world *w = opaque;

  tick (w);
  return w->now;
}

static int
dup_for_us (int fd)
{
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, 0);

  assert_int_not_equal (copy, -1);
  return copy;
}

static void
connect_server (struct world *w, struct nbd_dialed *d)
{
  int pair[2];

  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    0);
  assert_true (w->server.peer_count < PEERS_MAX);
  w->server.peers[w->server.peer_count++] = (struct peer) {
    .fd = pair[1], .other = inode (pair[0]),
  };
  *d = (struct nbd_dialed) {
    .fd = pair[0], .pidfd = dup_for_us (w->server.gone),
    .pid = w->server.pid,
  };
}

static int
dial (void *opaque, struct nbd_dialed *d, struct pollfd *p, int *timeout)
{
  struct world *w = opaque;

  tick (w);
  if (w->dialing == 0)
    w->dialing = 1 + (int) rng_below (&w->rng, 4);
  if (--w->dialing > 0) {
    *p = (struct pollfd) { .fd = -1 };
    *timeout = 3;
    return 0;
  }
  if (w->server.pid == 0 || w->server.dying >= 0 || prng (w, 20))
    return -1;
  connect_server (w, d);
  return 1;
}

static bool
is_probe (int fd)
{
  struct pollfd p = { .fd = fd, .events = POLLRDHUP };

  return poll (&p, 1, 0) > 0;
}

static int
offer (void *opaque, int fd)
{
  const struct timeval timeout = { .tv_sec = 3 };
  struct world *w = opaque;

  if (is_probe (fd))
    w->probes++;
  else if (w->server.stale)
    fail_msg ("a socket is handed over while server %d has requests that "
              "were timed out", (int) w->server.pid);
  for (unsigned i = 0; i < w->slot_count; ++i) {
    struct slot *s = &w->slots[i];

    if (!s->dead)
      continue;
    /* A reader of a socket that is shut down finds its end. */
    if (s->ends > 0 && !is_probe (fd))
      fail_msg ("connection %u would have two readers", i);
    close (s->fd);
    s->fd = dup_for_us (fd);
    s->dead = false;
    s->begins = prng (w, 4) ? (int) rng_below (&w->rng, READER_TICKS) : 0;
    assert_int_equal (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
                                  sizeof timeout), 0);
    w->handed++;
    break;
  }
  return 0;
}

static int
receivers (void *opaque)
{
  struct world *w = opaque;
  int count = 0;

  tick (w);
  if (w->blind)
    return -1;
  for (unsigned i = 0; i < w->slot_count; ++i)
    if (w->slots[i].dead ? w->slots[i].ends > 0 : w->slots[i].begins == 0)
      count++;
  return count;
}

static int
connected (void *opaque)
{
  (void) opaque;
  return 1;
}

static void
kill_server (void *opaque, int pidfd, pid_t pid)
{
  struct world *w = opaque;

  (void) pidfd;
  w->kills++;
  if (pid != w->server.pid)
    return;
  if (!w->server.suspect)
    fail_msg ("server %d is killed without a reason", (int) pid);
  begin_death (w);
}

static void
server_changed (void *opaque, pid_t pid)
{
  struct world *w = opaque;

  assert_int_not_equal (pid, w->recorded);
  w->recorded = pid;
}

static void
reconnected (void *opaque, unsigned live)
{
  struct world *w = opaque;

  assert_uint_in_range (live, 1, w->slot_count);
}

static const struct watcher_ops ops = {
  .now = now, .dial = dial, .offer = offer, .receivers = receivers,
  .connected = connected,
  .kill = kill_server, .server_changed = server_changed,
  .reconnected = reconnected,
};

/* ---- a run ---- */

static void
attach_watcher (struct world *w, struct watcher *watcher)
{
  struct nbd_dialed list[SLOTS_MAX];

  start_server (w);
  for (unsigned i = 0; i < w->slot_count; ++i) {
    connect_server (w, &list[i]);
    w->slots[i] = (struct slot) { .fd = dup_for_us (list[i].fd) };
  }
  w->recorded = w->server.pid;
  watcher_start (watcher, &ops, w, w->slot_count, list, w->slot_count, -1, 0);
}

static bool
all_live (const struct world *w)
{
  for (unsigned i = 0; i < w->slot_count; ++i) {
    struct pollfd p = { .fd = w->slots[i].fd, .events = POLLRDHUP };

    if (w->slots[i].dead || poll (&p, 1, 0) > 0)
      return false;
  }
  return true;
}

/* A killed watcher leaves nothing but its record, and its successor starts
 * after a while.  That one can't find out to which server dead sockets
 * belonged.
 */
static void
kill_watcher (struct world *w, struct watcher *watcher)
{
  int former = -1;

  watcher_end (watcher);
  w->dialing = 0;
  for (uint64_t n = rng_below (&w->rng, 60); n > 0; --n)
    tick (w);
  if (!all_live (w))
    w->server.suspect = true;
  if (w->recorded == w->server.pid)
    former = dup_for_us (w->server.gone);
  watcher_start (watcher, &ops, w, w->slot_count, NULL, 0, former,
                 w->recorded);
  w->resumed++;
}

static void
check_polls (const struct watcher *watcher)
{
  assert_uint_in_range (watcher->poll_count, 0, WATCHER_POLLS);
  assert_uint_in_range (watcher->live, 0, watcher->connections);
  assert_true (ENDS_STEP >> watcher->state & 1);
}

/* One step and the poll after it, up to the timeout that it asked for. */
static void
step_and_poll (struct world *w, struct watcher *watcher)
{
  int ms = watcher_step (watcher);
  int64_t end = w->now + (ms < 0 ? 20 : ms);

  check_polls (watcher);
  w->ended_in |= 1u << watcher->state;
  while (w->now < end
         && poll (watcher->polls, watcher->poll_count, 0) == 0)
    tick (w);
  if (prng (w, 4))
    tick (w);
}

static void
settle (struct world *w, struct watcher *watcher)
{
  int64_t end = w->now + 60 * 1000;
  bool quiet = w->quiet;

  w->quiet = true;
  while (!all_live (w)) {
    step_and_poll (w, watcher);
    assert_uint_in_range (w->now, 0, end);
  }
  w->quiet = quiet;
}

static void
clean_world (struct world *w, struct watcher *watcher)
{
  watcher_end (watcher);
  for (unsigned i = 0; i < w->slot_count; ++i)
    close (w->slots[i].fd);
  close_peers (&w->server);
  if (w->server.gone != -1)
    close (w->server.gone);
}

static unsigned
count_fds (void)
{
  unsigned count = 0;

  for (int fd = 0; fd < 1024; ++fd)
    count += fcntl (fd, F_GETFD) != -1;
  return count;
}

TEST (test_chaos)
{
  unsigned handed = 0, kills = 0, resumed = 0, probes = 0, ended_in = 0;
  unsigned fds = count_fds ();

  for (unsigned run = 0; run < unit_scaled (400); ++run) {
    struct world w = {
      .rng = { .state = unit_seed () + run },
      .server = { .gone = -1, .dying = -1 },
    };
    struct watcher watcher;

    w.slot_count = 1 + (unsigned) rng_below (&w.rng, SLOTS_MAX);
    w.blind = prng (&w, 3);
    attach_watcher (&w, &watcher);
    for (int i = 0; i < 300; ++i) {
      step_and_poll (&w, &watcher);
      if (prng (&w, 40))
        kill_watcher (&w, &watcher);
      if (prng (&w, 60))
        settle (&w, &watcher);
    }
    settle (&w, &watcher);
    clean_world (&w, &watcher);
    handed += w.handed;
    kills += w.kills;
    resumed += w.resumed;
    probes += w.probes;
    ended_in |= w.ended_in;
    assert_int_equal (count_fds (), fds);
  }
  print_message ("%u sockets taken, %u servers killed, %u watchers resumed, "
                 "%u probes\n", handed, kills, resumed, probes);
  assert_true (handed > 0 && kills > 0 && resumed > 0 && probes > 0);
  assert_int_equal (ended_in, ENDS_STEP & ~(1u << WATCHER_GONE));
}

/* ---- the states ---- */

static bool
is_legal (enum watcher_state state, enum watcher_event event)
{
  return watcher_transition (state, event).next != WATCHER_REFUSED;
}

/* Every transition that is allowed, and no other one. */
TEST (test_transitions)
{
  static const struct {
    enum watcher_state from;
    enum watcher_event event;
    enum watcher_state to;
    enum watcher_action action;
  } legal[] = {
    { WATCHER_CHECKING, EVENT_SERVER_LIVES, WATCHER_FENCING, ACTION_NONE },
    { WATCHER_CHECKING, EVENT_ALL_LIVE, WATCHER_ATTACHED, ACTION_DROP_SPARE },
    { WATCHER_CHECKING, EVENT_SOME_MISSING, WATCHER_PAUSING, ACTION_NONE },
    { WATCHER_ATTACHED, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_FENCING, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_PAUSING, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_PAUSING, EVENT_DEAD_KNOWN, WATCHER_DIALING, ACTION_NONE },
    { WATCHER_PAUSING, EVENT_DEAD_UNKNOWN, WATCHER_COUNTING, ACTION_NONE },
    { WATCHER_COUNTING, EVENT_NONE_DEAD, WATCHER_CHECKING, ACTION_BACK_OFF },
    { WATCHER_COUNTING, EVENT_SERVER_LIVES, WATCHER_CHECKING,
      ACTION_RETRY_NOW },
    { WATCHER_COUNTING, EVENT_DEAD_FOUND, WATCHER_DIALING, ACTION_RETRY_NOW },
    { WATCHER_COUNTING, EVENT_DISCONNECTED, WATCHER_GONE, ACTION_DROP_SPARE },
    { WATCHER_DIALING, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_DIALING, EVENT_DIAL_FAILED, WATCHER_CHECKING, ACTION_BACK_OFF },
    { WATCHER_DIALING, EVENT_DIALED, WATCHER_OFFERING, ACTION_NONE },
    { WATCHER_OFFERING, EVENT_LOSS, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_OFFERING, EVENT_READERS_LEFT, WATCHER_CHECKING,
      ACTION_RECOUNT },
    { WATCHER_OFFERING, EVENT_READERS_HIDDEN, WATCHER_CHECKING,
      ACTION_AWAIT_READERS },
    { WATCHER_OFFERING, EVENT_NOT_TAKEN, WATCHER_CHECKING, ACTION_RECOUNT },
    { WATCHER_OFFERING, EVENT_TAKEN, WATCHER_CHECKING, ACTION_RETRY_NOW },
    { WATCHER_OFFERING, EVENT_DISCONNECTED, WATCHER_GONE, ACTION_DROP_SPARE },
    { WATCHER_GONE, EVENT_STEP, WATCHER_GONE, ACTION_NONE },
  };
  const size_t count = sizeof legal / sizeof legal[0];
  size_t found = 0;

  for (size_t i = 0; i < count; ++i) {
    struct watcher_transition t = watcher_transition (legal[i].from,
                                                      legal[i].event);

    assert_int_equal (t.next, legal[i].to);
    assert_int_equal (t.action, legal[i].action);
  }
  for (unsigned s = 0; s < WATCHER_STATES; ++s)
    for (unsigned e = 0; e < WATCHER_EVENTS; ++e)
      found += is_legal (s, e);
  assert_int_equal (found, count);
}

/* A step can begin where one can end, and nowhere else.  Every event can
 * happen, but for that which ends a step; every state can be left.
 */
TEST (test_steps)
{
  for (unsigned s = 0; s < WATCHER_STATES; ++s) {
    unsigned events = 0;

    assert_int_equal (is_legal (s, EVENT_STEP), (ENDS_STEP >> s & 1) != 0);
    for (unsigned e = 0; e < WATCHER_EVENTS; ++e)
      events += is_legal (s, e);
    assert_int_equal (events > 0, s != WATCHER_REFUSED);
  }
  for (unsigned e = 0; e < WATCHER_EVENTS; ++e) {
    unsigned states = 0;

    for (unsigned s = 0; s < WATCHER_STATES; ++s)
      states += is_legal (s, e);
    assert_int_equal (states > 0, e != EVENT_NONE);
  }
}

/* A reader that dies is only missed while the newest one may not have
 * started; a count that can be trusted ends all doubt.
 */
TEST (test_reader_transitions)
{
  for (unsigned s = 0; s < READER_STATES; ++s) {
    assert_int_equal (reader_transition (s, READER_ADDED),
                      s == READERS_LOST ? READERS_LOST : READERS_STARTING);
    assert_int_equal (reader_transition (s, READER_DIED),
                      s == READERS_STARTED ? READERS_STARTED : READERS_LOST);
    assert_int_equal (reader_transition (s, READERS_SETTLED),
                      READERS_STARTED);
  }
}

/* ---- one thing at a time ---- */

static struct world
quiet_world (unsigned slots)
{
  return (struct world) {
    .rng = { .state = unit_seed () }, .slot_count = slots, .quiet = true,
    .server = { .gone = -1, .dying = -1 },
  };
}

/* While all sockets live, it does nothing. */
TEST (test_idle)
{
  struct world w = quiet_world (2);
  struct watcher watcher;

  attach_watcher (&w, &watcher);
  assert_int_equal (watcher_step (&watcher), -1);
  assert_int_equal (watcher.poll_count, 2);
  assert_int_equal (poll (watcher.polls, watcher.poll_count, 0), 0);
  assert_int_equal (w.handed + w.probes + w.kills, 0);
  clean_world (&w, &watcher);
}

/* A watcher that resumes a device whose sockets live kills no server.  It
 * offers only probes, if it can't see readers, and they are not taken.
 */
TEST (test_resume_of_live_device)
{
  struct world w = quiet_world (2);
  struct watcher watcher;

  w.blind = unit_seed () % 2 == 0;
  attach_watcher (&w, &watcher);
  kill_watcher (&w, &watcher);
  for (int i = 0; i < 50; ++i)
    step_and_poll (&w, &watcher);
  assert_int_equal (w.kills, 0);
  assert_int_equal (w.handed, 0);
  assert_int_equal (w.probes > 0, w.blind);
  assert_int_equal (watcher.live, 0);
  clean_world (&w, &watcher);
}

/* ... and when the server dies then, all its sockets are replaced. */
TEST (test_resume_then_death)
{
  struct world w = quiet_world (3);
  struct watcher watcher;

  attach_watcher (&w, &watcher);
  kill_watcher (&w, &watcher);
  step_and_poll (&w, &watcher);
  begin_death (&w);
  settle (&w, &watcher);
  step_and_poll (&w, &watcher);
  assert_int_equal (watcher.live, 3);
  assert_int_equal (watcher_step (&watcher), -1);
  clean_world (&w, &watcher);
}

/* A hung server is killed before anything is offered. */
TEST (test_hung_server)
{
  struct world w = quiet_world (2);
  struct watcher watcher;
  pid_t first;

  attach_watcher (&w, &watcher);
  first = w.server.pid;
  time_out (&w);
  assert_true (w.server.stale);
  watcher_step (&watcher);
  assert_int_equal (w.kills, 1);
  settle (&w, &watcher);
  assert_int_not_equal (w.server.pid, first);
  clean_world (&w, &watcher);
}

/* Another process has disconnected the device. */
static int
is_never_connected (void *opaque)
{
  (void) opaque;
  return 0;
}

static int
is_perhaps_connected (void *opaque)
{
  (void) opaque;
  return -1;
}

static int
refuse_offer (void *opaque, int fd)
{
  (void) opaque;
  (void) fd;
  errno = EINVAL;
  return -1;
}

TEST (test_gone)
{
  struct watcher_ops others = ops;
  struct world w = quiet_world (1);
  struct watcher watcher;

  attach_watcher (&w, &watcher);
  others.connected = is_never_connected;
  others.offer = refuse_offer;
  watcher.ops = &others;
  begin_death (&w);
  for (int i = 0; i < 1000 && !watcher_is_gone (&watcher); ++i)
    step_and_poll (&w, &watcher);
  assert_true (watcher_is_gone (&watcher));
  assert_int_equal (watcher_step (&watcher), -1);
  clean_world (&w, &watcher);
}

/* A kernel that can't answer for lack of memory has disconnected nothing. */
TEST (test_not_gone)
{
  struct watcher_ops others = ops;
  struct world w = quiet_world (2);
  struct watcher watcher;

  attach_watcher (&w, &watcher);
  others.connected = is_perhaps_connected;
  others.offer = refuse_offer;
  watcher.ops = &others;
  begin_death (&w);
  for (int i = 0; i < 1000; ++i)
    step_and_poll (&w, &watcher);
  assert_false (watcher_is_gone (&watcher));
  watcher.ops = &ops;
  settle (&w, &watcher);
  clean_world (&w, &watcher);
}

/* ---- TCP ---- */

static void
connect_tcp (int pair[2])
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof a;
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  assert_int_equal (bind (listener, (struct sockaddr *) &a, sizeof a), 0);
  assert_int_equal (listen (listener, 1), 0);
  assert_int_equal (getsockname (listener, (struct sockaddr *) &a, &length),
                    0);
  pair[0] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (connect (pair[0], (struct sockaddr *) &a, sizeof a), 0);
  pair[1] = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  assert_int_not_equal (pair[1], -1);
  close (listener);
}

/* Sends until the buffers are full.  Returns how many bytes. */
static size_t
fill_socket (int fd)
{
  static char block[65536];
  size_t total = 0;
  ssize_t n;

  while ((n = send (fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
    total += (size_t) n;
  return total;
}

/* The server never gets what the kernel had not sent when the connection was
 * aborted.
 */
TEST (test_tcp_abort)
{
  static char block[65536];
  struct world w = quiet_world (1);
  struct watcher watcher;
  struct nbd_dialed d = { .pidfd = -1 };
  size_t sent, got = 0;
  int pair[2];
  ssize_t n;

  connect_tcp (pair);
  w.slots[0].fd = dup_for_us (pair[0]);
  d.fd = pair[0];
  watcher_start (&watcher, &ops, &w, 1, &d, 1, -1, 0);
  sent = fill_socket (w.slots[0].fd);
  shutdown (w.slots[0].fd, SHUT_RDWR);
  w.slots[0].dead = true;
  watcher_step (&watcher);
  while ((n = recv (pair[1], block, sizeof block, 0)) > 0)
    got += (size_t) n;
  assert_int_equal (n, -1);
  assert_int_equal (errno, ECONNRESET);
  assert_true (got < sent);
  close (pair[1]);
  clean_world (&w, &watcher);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_transitions),
    cmocka_unit_test (test_steps),
    cmocka_unit_test (test_reader_transitions),
    cmocka_unit_test (test_idle),
    cmocka_unit_test (test_resume_of_live_device),
    cmocka_unit_test (test_resume_then_death),
    cmocka_unit_test (test_hung_server),
    cmocka_unit_test (test_gone),
    cmocka_unit_test (test_not_gone),
    cmocka_unit_test (test_tcp_abort),
    cmocka_unit_test (test_chaos),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
