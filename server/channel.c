/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/latency.h"
#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "channel.h"

void
channel_init (struct channel *c)
{
  *c = (struct channel) { .fd = -1 };
  mutex_init (&c->sending);
}

void
channel_open (struct channel *c, int fd)
{
  struct timeval idle = { .tv_sec = CHANNEL_IDLE_SECONDS };

  c->fd = fd;
  c->deadline = 0;
  c->busy_poll = (struct busy_poll) { .max = 0 };
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
}

void
channel_close (struct channel *c, bool cleanly)
{
  if (c->tls)
    tls_session_close (c->tls, cleanly);
  c->tls = NULL;
  close (c->fd);
  c->fd = -1;
}

void
channel_shutdown (struct channel *c, bool sending)
{
  shutdown (c->fd, sending ? SHUT_RDWR : SHUT_RD);
}

/* Is the deadline over?  A client that always has data ready is never waited
 * for.
 */
static bool
is_too_late (const struct channel *c)
{
  return c->deadline != 0 && latency_clock () >= c->deadline;
}

/* Milliseconds for poll. */
static int
time_left (const struct channel *c)
{
  uint64_t now;

  if (c->deadline == 0)
    return CHANNEL_IDLE_SECONDS * 1000;
  now = latency_clock ();
  if (now >= c->deadline)
    return 0;
  return (int) MIN ((c->deadline - now) / 1000000 + 1, INT_MAX);
}

/* Waits for EVENTS.  Returns 0, or -1 with errno: EAGAIN when nothing came
 * for long, ETIMEDOUT.
 */
static int
wait_for (struct channel *c, short events)
{
  struct pollfd pfd = { .fd = c->fd, .events = events };
  int r;

  if (is_too_late (c))
    return fail_with (ETIMEDOUT);
  do
    r = poll (&pfd, 1, time_left (c));
  while (r == -1 && errno == EINTR);
  if (r == 0)
    errno = c->deadline != 0 ? ETIMEDOUT : EAGAIN;
  return r > 0 ? 0 : -1;
}

/* ---- TLS ---- */

int
channel_start_tls (struct channel *c, const struct tls_credentials *t,
                   const char **why)
{
  int r, events;

  /* GnuTLS must not wait: it would wait with the lock. */
  fcntl (c->fd, F_SETFL, fcntl (c->fd, F_GETFL) | O_NONBLOCK);
  c->tls = tls_session_new (t, c->fd, why);
  if (!c->tls)
    return -1;
  while ((r = tls_session_handshake (c->tls, &events, why)) > 0)
    if (wait_for (c, (short) events) == -1) {
      *why = "the client does not answer";
      return -1;
    }
  return r;
}

static ssize_t
receive_tls (struct channel *c, void *buf, size_t size)
{
  for (;;) {
    ssize_t n;

    /* Nothing waits for a client that always has data ready. */
    if (is_too_late (c))
      return fail_with (ETIMEDOUT);
    {
      LOCK_FOR_SCOPE (&c->sending);
      n = tls_session_receive (c->tls, buf, size);
    }
    if (n != -1 || errno != EAGAIN)
      return n;
    if (wait_for (c, POLLIN) == -1)
      return -1;
  }
}

static int
send_tls (struct channel *c, const uint8_t *buf, size_t size)
{
  while (size > 0) {
    ssize_t n = tls_session_send (c->tls, buf, size);

    if (n == -1 && errno != EAGAIN)
      return -1;
    if (n == -1) {
      if (wait_for (c, POLLOUT) == -1 && errno != EAGAIN)
        return -1;
      continue;
    }
    buf += n;
    size -= (size_t) n;
  }
  return 0;
}

/* ---- receiving and sending ---- */

/* As recv, without polling. */
static ssize_t
receive_waiting (struct channel *c, void *buf, size_t size)
{
  ssize_t n;

  do
    n = recv (c->fd, buf, size, 0);
  while (n == -1 && errno == EINTR);
  return n;
}

/* How short a poll is worth its beginning. */
#define BUSY_POLL_MIN_NSEC 4000

/* The client was waited for so long, although it was polled for.  Polling for
 * longer would have been enough, or would be in vain.
 */
static void
adapt_busy_poll (struct busy_poll *b, uint64_t nanoseconds)
{
  if (nanoseconds <= b->max)
    b->now = MIN (MAX (2 * b->now, BUSY_POLL_MIN_NSEC), b->max);
  else
    b->now = b->now / 2 < BUSY_POLL_MIN_NSEC ? 0 : b->now / 2;
}

/* As recv, after polling for a while. */
static ssize_t
receive_polling (struct channel *c, void *buf, size_t size)
{
  struct busy_poll *b = &c->busy_poll;
  uint64_t start = latency_clock ();
  ssize_t n = -1;

  if (b->now > 0)
    do {
      n = recv (c->fd, buf, size, MSG_DONTWAIT);
      if (n != -1 || errno != EAGAIN)
        return n;
    } while (latency_clock () < start + b->now);
  n = receive_waiting (c, buf, size);
  if (b->adapts)
    adapt_busy_poll (b, latency_clock () - start);
  return n;
}

ssize_t
channel_receive (struct channel *c, void *buf, size_t size)
{
  if (c->tls)
    return receive_tls (c, buf, size);
  if (c->deadline != 0 && wait_for (c, POLLIN) == -1)
    return -1;
  return c->busy_poll.max > 0 ? receive_polling (c, buf, size)
                              : receive_waiting (c, buf, size);
}

static int
send_plain (struct channel *c, const uint8_t *buf, size_t size)
{
  while (size > 0) {
    ssize_t n;

    if (c->deadline != 0 && wait_for (c, POLLOUT) == -1)
      return -1;
    n = send (c->fd, buf, size, MSG_NOSIGNAL);
    if (n == -1 && errno == EINTR)
      continue;
    if (n == -1)
      return -1;
    buf += n;
    size -= (size_t) n;
  }
  return 0;
}

int
channel_send (struct channel *c, const void *buf, size_t size)
{
  LOCK_FOR_SCOPE (&c->sending);
  return c->tls ? send_tls (c, buf, size) : send_plain (c, buf, size);
}
