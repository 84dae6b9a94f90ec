/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/mutex.h"
#include "service/exports.h"
#include "service/log.h"
#include "service/server.h"

#include "connections.h"
#include "threads.h"

/* Connections that a hardened server has ready: the kernel's client comes
 * with two, and connects again before the old ones have ended.
 */
#define SPARES 4

/* A TCP client that has vanished is noticed within two minutes. */
#define KEEPALIVE_IDLE 60
#define KEEPALIVE_INTERVAL 15
#define KEEPALIVE_COUNT 4
#define UNANSWERED_MSEC (120 * 1000)

static const struct connection_settings *settings;
static const struct connections_options *options;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct connection *serving, *spares;
static unsigned serving_count, spare_count;
static bool refusing;           /* the limit was logged */

/* ---- a connection's memory ---- */

static void
connection_free (struct connection *c)
{
  workers_end (&c->workers);
  buffer_close (&c->input);
  buffer_close (&c->output);
  free (c);
}

/* For a hardened server: C needs no memory later. */
static int
prepare_connection (struct connection *c)
{
  buffer_touch (&c->input);
  buffer_touch (&c->output);
  return settings->may_wait ? workers_prepare (c) : 0;
}

static struct connection *
connection_new (void)
{
  struct connection *c = calloc (1, sizeof *c);

  if (!c)
    return NULL;
  channel_init (&c->channel);
  workers_init (&c->workers);
  c->settings = settings;
  if (buffer_open (&c->input, BUFFER_SIZE) == 0
      && buffer_open (&c->output, BUFFER_SIZE) == 0
      && (!settings->hardened || prepare_connection (c) == 0))
    return c;
  connection_free (c);
  errno = ENOMEM;
  return NULL;
}

/* ---- a connection's thread ---- */

static void
log_end (const struct connection *c, const char *why)
{
  char name[ALLOW_NAME_SIZE];

  log_debug ("%s: closed in the handshake: %s",
             allow_name ((const struct sockaddr *) &c->peer, name), why);
}

/* Serves a client to the end.  Returns whether it came to an export. */
static bool
serve_client (struct connection *c)
{
  const char *why = NULL;

  c->style = NBD_SIMPLE;
  c->no_zeroes = c->block_status = false;
  c->block_status_of[0] = '\0';
  buffer_clear (&c->input);
  buffer_clear (&c->output);
  if (!handshake (c, &why)) {
    if (why)
      log_end (c, why);
    return false;
  }
  c->channel.busy_poll = settings->busy_poll;
  transmission (c);
  return true;
}

static void
remove_from (struct connection **list, struct connection *c)
{
  while (*list != c)
    list = &(*list)->next;
  *list = c->next;
}

/* Releases the device of C, if it has one. */
static void
detach_device (struct connection *c)
{
  struct device *d = c->device;

  if (!d)
    return;
  {
    LOCK_FOR_SCOPE (&lock);     /* of connections_end */
    c->device = NULL;
  }
  server_detach_client (d);
}

static void
close_connection (struct connection *c, bool cleanly)
{
  LOCK_FOR_SCOPE (&lock);
  channel_close (&c->channel, cleanly);
  remove_from (&serving, c);
  --serving_count;
  refusing = false;
  pthread_cond_broadcast (&changed);
}

/* What large requests of the last client needed must not stay locked. */
static void
trim_connection (struct connection *c)
{
  buffer_trim (&c->input);
  buffer_trim (&c->output);
  workers_trim (&c->workers);
}

/* Waits for the next client.  Returns false if neither the thread nor C is
 * needed any more.
 */
static bool
wait_for_client (struct connection *c)
{
  if (settings->hardened)
    trim_connection (c);

  LOCK_FOR_SCOPE (&lock);
  if (!settings->hardened || spare_count >= SPARES)
    return false;
  c->next = spares;
  spares = c;
  ++spare_count;
  while (c->channel.fd == -1)
    pthread_cond_wait (&changed, &lock);
  return true;
}

static void *
connection_thread (void *opaque)
{
  struct connection *c = opaque;

  current_connection = c;
  thread_begin (settings);
  while (c->channel.fd != -1 || wait_for_client (c)) {
    bool served = serve_client (c);

    /* Before the client, which sees that the connection is closed, can find
     * the export in use.
     */
    detach_device (c);
    close_connection (c, served);
  }
  connection_free (c);
  return NULL;
}

/* ---- accepting ---- */

unsigned
connections_threads (bool may_wait)
{
  return SPARES * (may_wait ? 1 + WORKERS_PREPARED : 1);
}

void
connections_init (void)
{
  mutex_init (&lock);
  cond_init (&changed);
}

int
connections_open (const struct connection_settings *s,
                  const struct connections_options *o)
{
  settings = s;
  options = o;
  for (unsigned i = 0; s->hardened && i < SPARES; ++i) {
    struct connection *c = connection_new ();

    if (!c)
      return -1;
    if (thread_start (connection_thread, c) == -1) {
      connection_free (c);
      return -1;
    }
  }
  return 0;
}

/* The bytes of an IP address, for comparison.  Returns their number, 0 for
 * other kinds of addresses.
 */
static size_t
address_bytes (const struct sockaddr_storage *a, const void **bytes)
{
  switch (a->ss_family) {
  case AF_INET:
    *bytes = &((const struct sockaddr_in *) a)->sin_addr;
    return sizeof (struct in_addr);
  case AF_INET6:
    *bytes = &((const struct sockaddr_in6 *) a)->sin6_addr;
    return sizeof (struct in6_addr);
  default:
    return 0;
  }
}

/* How many connections have the address of PEER; 0 if it is none of IP. */
static unsigned
count_of_address (const struct sockaddr_storage *peer)
{
  const void *bytes, *other;
  size_t size = address_bytes (peer, &bytes);
  unsigned count = 0;

  for (const struct connection *c = serving; size > 0 && c; c = c->next)
    count += address_bytes (&c->peer, &other) == size
      && memcmp (bytes, other, size) == 0;
  return count;
}

/* Why no connection of PEER is accepted, or NULL.  The caller has the lock. */
static const char *
limit_reached (const struct sockaddr_storage *peer)
{
  if (serving_count >= options->max)
    return "--max-connections is reached";
  if (options->max_of_address != 0
      && count_of_address (peer) >= options->max_of_address)
    return "--max-connections-of-address is reached";
  return NULL;
}

/* Logs WHY a connection is refused: one line, although a client may try a
 * thousand times.
 */
static void
log_refusal (const char *why)
{
  bool logged;

  {
    LOCK_FOR_SCOPE (&lock);
    logged = refusing;
    refusing = true;
  }
  if (!logged)
    log_error ("a connection is refused: %s", why);
}

/* Takes a place for a connection of PEER, and a spare connection, if there is
 * one.  Returns NULL, or why there is no place.
 */
static const char *
take_place (const struct sockaddr_storage *peer, struct connection **spare)
{
  const char *why;

  LOCK_FOR_SCOPE (&lock);
  why = limit_reached (peer);
  *spare = why ? NULL : spares;
  if (*spare) {
    spares = (*spare)->next;
    --spare_count;
  }
  if (!why)
    ++serving_count;
  return why;
}

static void
give_place_back (void)
{
  LOCK_FOR_SCOPE (&lock);
  --serving_count;
}

/* Lets C, which has a place, serve the client at FD. */
static void
begin_serving (struct connection *c, int fd,
               const struct sockaddr_storage *peer)
{
  LOCK_FOR_SCOPE (&lock);
  c->peer = *peer;
  c->ended = false;
  channel_open (&c->channel, fd);
  c->next = serving;
  serving = c;
  pthread_cond_broadcast (&changed);
}

static void
set_tcp_options (int fd)
{
  static const int on = 1, idle = KEEPALIVE_IDLE,
    interval = KEEPALIVE_INTERVAL, count = KEEPALIVE_COUNT,
    unanswered = UNANSWERED_MSEC;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  setsockopt (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered,
              sizeof unanswered);
}

/* Serves PEER at FD, by a spare connection or a new one.  Returns NULL, or why
 * not; then FD is still open.
 */
static const char *
accept_peer (int fd, const struct sockaddr_storage *peer)
{
  struct connection *c;
  const char *why = take_place (peer, &c);

  if (why)
    return why;
  if (c) {
    begin_serving (c, fd, peer);
    return NULL;
  }
  c = connection_new ();
  if (!c) {
    why = strerror (errno);
    give_place_back ();
    return why;
  }
  begin_serving (c, fd, peer);
  if (thread_start (connection_thread, c) == -1) {
    why = strerror (errno);
    close_connection (c, false);
    connection_free (c);
    log_refusal (why);
  }
  return NULL;
}

void
connections_accept (int fd)
{
  struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
  socklen_t length = sizeof peer;
  const char *why;

  if (getpeername (fd, (struct sockaddr *) &peer, &length) == -1
      || !server_permits ((const struct sockaddr *) &peer)) {
    close (fd);
    return;
  }
  if (peer.ss_family == AF_INET || peer.ss_family == AF_INET6)
    set_tcp_options (fd);
  why = accept_peer (fd, &peer);
  if (why) {
    log_refusal (why);
    close (fd);
  }
}

/* ---- the end ---- */

void
connections_end (const struct device *d)
{
  LOCK_FOR_SCOPE (&lock);
  for (struct connection *c = serving; c; c = c->next)
    if (!d || c->device == d) {
      c->ended = true;
      /* Requests of a removed export get no reply. */
      channel_shutdown (&c->channel, d != NULL);
    }
}

void
connections_set_device (struct connection *c, struct device *d)
{
  LOCK_FOR_SCOPE (&lock);
  c->device = d;
  if (device_is_removed (d))
    c->ended = true;
}

bool
connections_wait (unsigned seconds)
{
  struct timespec until;
  int r = 0;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += seconds;

  LOCK_FOR_SCOPE (&lock);
  while (serving_count > 0 && r == 0)
    r = pthread_cond_timedwait (&changed, &lock, &until);
  return serving_count == 0;
}

void
connections_abort (void)
{
  LOCK_FOR_SCOPE (&lock);
  for (struct connection *c = serving; c; c = c->next) {
    c->ended = true;
    channel_shutdown (&c->channel, true);
  }
}

/* ---- for exports ---- */

bool
connections_get_peer (struct sockaddr_storage *addr)
{
  const struct connection *c = current_connection;

  if (!c || c->peer.ss_family == AF_UNSPEC)
    return false;
  *addr = c->peer;
  return true;
}

void
connections_disconnect (void)
{
  if (current_connection)
    current_connection->ended = true;
}
