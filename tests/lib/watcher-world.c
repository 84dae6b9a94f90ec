/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "unit.h"

#include <cmocka.h>

#include "watcher-world.h"

/* The most ticks of either. */
#define READER_TICKS 400

bool
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

void
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

void
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

int
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

const struct watcher_ops world_ops = {
  .now = now, .dial = dial, .offer = offer, .receivers = receivers,
  .connected = connected,
  .kill = kill_server, .server_changed = server_changed,
  .reconnected = reconnected,
};

/* ---- a run ---- */

void
attach_watcher (struct world *w, struct watcher *watcher)
{
  struct nbd_dialed list[SLOTS_MAX];

  start_server (w);
  for (unsigned i = 0; i < w->slot_count; ++i) {
    connect_server (w, &list[i]);
    w->slots[i] = (struct slot) { .fd = dup_for_us (list[i].fd) };
  }
  w->recorded = w->server.pid;
  watcher_start (watcher, &world_ops, w, w->slot_count, list, w->slot_count,
                 -1, 0);
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

void
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
  watcher_start (watcher, &world_ops, w, w->slot_count, NULL, 0, former,
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

void
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

void
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

void
clean_world (struct world *w, struct watcher *watcher)
{
  watcher_end (watcher);
  for (unsigned i = 0; i < w->slot_count; ++i)
    close (w->slots[i].fd);
  close_peers (&w->server);
  if (w->server.gone != -1)
    close (w->server.gone);
}
