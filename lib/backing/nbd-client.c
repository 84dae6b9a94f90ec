/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"

#include "libnbd-load.h"
#include "nbd-client-internal.h"

/* Milliseconds that nbd_client_start waits for a connection. */
#define FIRST_MAX 1000

/* Milliseconds that a server may take for an answer, at least. */
#define STALL_MIN 1000

/* ---- opening ---- */

static int
init_connection (struct nbd_client *f, unsigned number)
{
  struct nbd_connection *c = &f->connections[number];

  *c = (struct nbd_connection) { .client = f, .number = number };
  TAILQ_INIT (&c->queued);
  TAILQ_INIT (&c->sent);
  c->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return c->wake == -1 ? -1 : 0;
}

/* Connect from the calling thread.  A server that can't be reached is no
 * error if it MAY_BE_AWAY.
 */
static int
connect_first (struct nbd_client *f, bool may_be_away, char *error,
               size_t size)
{
  switch (nbd_connection_open (&f->connections[0], error, size)) {
  case NBD_CONNECTED:
    f->connections[0].ready = true;
    f->ready = 1;
    return 0;
  case NBD_UNREACHABLE:
    return may_be_away ? 0 : -1;
  default:
    return -1;
  }
}

struct nbd_client *
nbd_client_open (const struct nbd_client_options *o, char *error, size_t size)
{
  struct nbd_client *f = calloc (1, sizeof *f);
  const char *missing;
  int r = 0;

  if (!f || (f->uri = strdup (o->uri)) == NULL) {
    snprintf (error, size, "out of memory");
    free (f);
    return NULL;
  }
  f->timeout = (uint64_t) o->timeout * 1000;
  f->stall = MAX (STALL_MIN, MIN (f->timeout / 3,
                                  o->stall_max ? o->stall_max : UINT64_MAX));
  f->log = o->log;
  mutex_init (&f->lock);
  TAILQ_INIT (&f->waiting);
  for (unsigned i = 0; i < NBD_CONNECTIONS_MAX; ++i)
    r |= init_connection (f, i);
  missing = libnbd_load ();
  error[0] = '\0';
  if (missing) {
    snprintf (error, size, "%s", missing);
    r = -1;
  } else if (r == -1)
    snprintf (error, size, "%s", strerror (errno));
  else
    r = connect_first (f, o->may_be_away, error, size);
  if (r == 0)
    return f;
  nbd_client_close (f);
  return NULL;
}

void
nbd_client_disconnect (struct nbd_client *f)
{
  f->is_known = f->ready > 0;
  nbd_connection_close (&f->connections[0]);
}

/* Requests may come at once, and must not fail only because the threads have
 * not connected yet.
 */
static void
wait_for_first (struct nbd_client *f)
{
  const struct timespec pause = { .tv_nsec = 1000000 };
  uint64_t until = os_milliseconds () + FIRST_MAX;

  while (!nbd_client_is_connected (f) && os_milliseconds () < until)
    nanosleep (&pause, NULL);
}

int
nbd_client_start (struct nbd_client *f,
                  bool (*is_right) (void *opaque, const void *block),
                  void *opaque)
{
  unsigned count;
  bool is_known;

  {
    LOCK_FOR_SCOPE (&f->lock);
    is_known = f->is_known;
    count = is_known ? f->count : NBD_CONNECTIONS_MAX;
    f->is_right = is_right;
    f->opaque = opaque;
    f->started = f->reported_connected = true;
  }
  /* If the server was away, all threads but the first wait until that has
   * connected.
   */
  for (unsigned i = 0; i < count; ++i) {
    struct nbd_connection *c = &f->connections[i];

    if (os_start_thread (&c->thread, nbd_connection_run, c) == -1)
      return -1;
    c->has_thread = true;
  }
  if (is_known)
    wait_for_first (f);
  return 0;
}

void
nbd_client_stop (struct nbd_client *f)
{
  if (!f)
    return;
  {
    LOCK_FOR_SCOPE (&f->lock);
    f->stop = true;
  }
  for (unsigned i = 0; i < NBD_CONNECTIONS_MAX; ++i)
    if (f->connections[i].has_thread)
      eventfd_write (f->connections[i].wake, 1);
  for (unsigned i = 0; i < NBD_CONNECTIONS_MAX; ++i)
    if (f->connections[i].has_thread) {
      pthread_join (f->connections[i].thread, NULL);
      f->connections[i].has_thread = false;
    }
}

void
nbd_client_close (struct nbd_client *f)
{
  if (!f)
    return;
  nbd_client_stop (f);
  for (unsigned i = 0; i < NBD_CONNECTIONS_MAX; ++i) {
    nbd_connection_close (&f->connections[i]);
    if (f->connections[i].wake != -1)
      close (f->connections[i].wake);
  }
  pthread_mutex_destroy (&f->lock);
  free (f->uri);
  free (f);
}

/* ---- state ---- */

uint64_t
nbd_client_size (struct nbd_client *f)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->size;
}

bool
nbd_client_can_trim (struct nbd_client *f)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->can_trim;
}

bool
nbd_client_is_connected (struct nbd_client *f)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->ready > 0;
}

void
nbd_client_get_stats (struct nbd_client *f, struct nbd_client_stats *st)
{
  LOCK_FOR_SCOPE (&f->lock);
  *st = (struct nbd_client_stats) {
    .connections = f->ready,
    .reconnects = f->reconnects,
    .is_wrong = f->is_wrong,
  };
}
