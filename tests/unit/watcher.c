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
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "tests/lib/watcher-world.h"

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
  struct watcher_ops others = world_ops;
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
  struct watcher_ops others = world_ops;
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
  watcher.ops = &world_ops;
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
  watcher_start (&watcher, &world_ops, &w, 1, &d, 1, -1, 0);
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

/* ---- all at random ---- */

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
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
