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

/* Requests of one write that are under way: all of a batch, even if no two
 * of its blocks lie side by side, so that none waits for those of another
 * far end.
 */
#define WINDOW 256

/* A run is cut to pieces of this size: small enough that all connections
 * get some of a batch, and no server refuses them.
 */
#define PIECE (128 * KIB)

/* Who starts waits so many milliseconds for a connection. */
#define FIRST_MAX 1000

/* A server is given so much time at least. */
#define STALL_MIN 1000

/* ---- life ---- */

static int
init_connection (struct nbd_client *f, unsigned number)
{
  struct connection *c = &f->connections[number];

  *c = (struct connection) { .far = f, .number = number };
  TAILQ_INIT (&c->queued);
  TAILQ_INIT (&c->sent);
  c->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return c->wake == -1 ? -1 : 0;
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
  for (unsigned i = 0; i < FAR_END_CONNECTIONS; ++i)
    r |= init_connection (f, i);
  missing = libnbd_load ();
  error[0] = '\0';
  if (missing) {
    snprintf (error, size, "%s", missing);
    r = -1;
  } else if (r == -1)
    snprintf (error, size, "%s", strerror (errno));
  else if ((r = connection_open (&f->connections[0], error, size)) == 0) {
    f->connections[0].ready = true;
    f->ready = 1;
  } else if (errno == ENOTCONN && o->may_be_away)
    r = 0;
  if (r == 0)
    return f;
  nbd_client_close (f);
  return NULL;
}

void
nbd_client_disconnect (struct nbd_client *f)
{
  f->is_known = f->ready > 0;
  connection_close (&f->connections[0]);
}

/* Writes may come at once, and find the pool full. */
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
  bool was_there;

  {
    LOCK_FOR_SCOPE (&f->lock);
    was_there = f->is_known;
    count = was_there ? f->count : FAR_END_CONNECTIONS;
    f->is_right = is_right;
    f->opaque = opaque;
    f->started = f->was_there = true;
  }
  /* Of one that was away, all but the first wait for what that finds. */
  for (unsigned i = 0; i < count; ++i) {
    struct connection *c = &f->connections[i];

    if (os_start_thread (&c->thread, connection_run, c) == -1)
      return -1;
    c->has_thread = true;
  }
  if (was_there)
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
  for (unsigned i = 0; i < FAR_END_CONNECTIONS; ++i)
    if (f->connections[i].has_thread)
      eventfd_write (f->connections[i].wake, 1);
  for (unsigned i = 0; i < FAR_END_CONNECTIONS; ++i)
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
  for (unsigned i = 0; i < FAR_END_CONNECTIONS; ++i) {
    connection_close (&f->connections[i]);
    if (f->connections[i].wake != -1)
      close (f->connections[i].wake);
  }
  pthread_mutex_destroy (&f->lock);
  free (f->uri);
  free (f);
}

/* ---- what there is ---- */

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

/* ---- requests, under the lock ---- */

static struct connection *
least_loaded (struct nbd_client *f)
{
  struct connection *best = NULL;

  for (unsigned i = 0; i < FAR_END_CONNECTIONS; ++i) {
    struct connection *c = &f->connections[i];

    if (c->ready && !c->drop && (!best || c->load < best->load))
      best = c;
  }
  return best;
}

void
nbd_request_submit (struct nbd_client *f, struct nbd_request *r)
{
  struct connection *c = least_loaded (f);

  if (c && r->offset + r->len > f->size)
    nbd_request_finish (r, EIO,
                        false); /* to be asked for that ends a connection */
  else if (c) {
    if (TAILQ_EMPTY (&c->queued))
      eventfd_write (c->wake, 1); /* else it was called already */
    r->connection = c;
    r->place = FAR_QUEUED;
    TAILQ_INSERT_TAIL (&c->queued, r, link);
    c->load++;
  } else if (f->is_wrong)
    nbd_request_finish (r, EIO, false);
  else if (r->patient && f->started && !f->stop) {
    r->place = FAR_WAITING;
    TAILQ_INSERT_TAIL (&f->waiting, r, link);
  } else
    nbd_request_finish (r, ENOTCONN, false);
}

void
nbd_request_abandon (struct connection *c)
{
  struct nbd_client *f = c->far;

  c->is_mute = true;
  for (unsigned i = 0; i < FAR_END_CONNECTIONS; ++i) {
    struct connection *other = &f->connections[i];

    if (other == c || (other->ready && other->load == 0)) {
      other->drop = true;
      eventfd_write (other->wake, 1);
    }
  }
}

void
nbd_request_finish (struct nbd_request *r, int err, bool unsure)
{
  struct nbd_waiter *w = r->waiter;

  r->place = FAR_DONE;
  if (w->error == 0)
    w->error = err;
  w->unsure |= unsure;
  w->pending--;
  pthread_cond_signal (&w->changed);
}

/* ---- who waits ---- */

static void
waiter_init (struct nbd_waiter *w)
{
  *w = (struct nbd_waiter) { .pending = 0 };
  cond_init (&w->changed);
}

/* Before there are threads: do their work.  The lock is held. */
static void
work_oneself (struct nbd_client *f)
{
  pthread_mutex_unlock (&f->lock);
  if (!connection_step (&f->connections[0]))
    connection_close (&f->connections[0]);
  pthread_mutex_lock (&f->lock);
}

/* Wait for a change, until UNTIL, or forever if that is 0.  False when the
 * time is over.  The lock is held.
 */
static bool
wait_once (struct nbd_client *f, struct nbd_waiter *w, uint64_t until)
{
  const struct timespec ts = {
    .tv_sec = (time_t) (until / 1000),
    .tv_nsec = (long) (until % 1000 * 1000000),
  };

  if (!f->started)
    work_oneself (f);
  else if (until == 0)
    pthread_cond_wait (&w->changed, &f->lock);
  else
    return pthread_cond_timedwait (&w->changed, &f->lock, &ts) != ETIMEDOUT;
  return true;
}

/* The time of a request is over.  One that was sent is only done when its
 * thread has left the connection.
 */
static void
give_up (struct nbd_client *f, struct nbd_request *r)
{
  struct connection *c = r->connection;

  if (r->place == FAR_WAITING)
    TAILQ_REMOVE (&f->waiting, r, link);
  else if (r->place == FAR_QUEUED) {
    TAILQ_REMOVE (&c->queued, r, link);
    c->load--;
  } else {
    r->given_up = true;
    nbd_request_abandon (c);
    return;
  }
  nbd_request_finish (r, ETIMEDOUT, false);
}

static int
result (struct nbd_waiter *w)
{
  pthread_cond_destroy (&w->changed);
  errno = w->error;
  return w->error == 0 ? 0 : -1;
}

/* ---- requests ---- */

int
nbd_client_read (struct nbd_client *f, void *buf, size_t len, uint64_t offset,
                 bool patient)
{
  uint64_t until = os_milliseconds () + f->timeout;
  struct nbd_waiter w;
  struct nbd_request r = {
    .waiter = &w, .op = FAR_READ, .patient = patient, .buf = buf, .len = len,
    .offset = offset,
  };

  waiter_init (&w);
  {
    LOCK_FOR_SCOPE (&f->lock);

    w.pending = 1;
    nbd_request_submit (f, &r);
    while (w.pending > 0)
      if (!wait_once (f, &w, until) && w.pending > 0) {
        give_up (f, &r);
        until = 0;
      }
  }
  return result (&w);
}

/* What is under way of a write, and how far it is. */
struct nbd_write_job {
  struct nbd_waiter waiter;
  const struct backing_run *runs;
  unsigned count, run;
  size_t done;                  /* of that run */
  struct nbd_request requests[WINDOW];
};

size_t
nbd_client_write_size (void)
{
  return sizeof (struct nbd_write_job);
}

static struct nbd_request *
free_request (struct nbd_write_job *w)
{
  struct nbd_request *r = w->requests;

  while (r->place != FAR_DONE)
    ++r;
  return r;
}

/* Send the next piece.  The lock is held. */
static void
write_piece (struct nbd_client *f, struct nbd_write_job *w)
{
  const struct backing_run *run = &w->runs[w->run];
  struct nbd_request *r = free_request (w);
  size_t len = MIN (PIECE, run->length - w->done);

  *r = (struct nbd_request) {
    .waiter = &w->waiter, .op = FAR_WRITE, .len = len,
    .buf = (char *) run->data + w->done, .offset = run->offset + w->done,
  };
  w->waiter.pending++;
  nbd_request_submit (f, r);
  w->done += len;
  if (w->done == run->length) {
    w->run++;
    w->done = 0;
  }
}

/* Is there a piece to be sent?  After an error, nothing is. */
static bool
has_more (const struct nbd_write_job *w)
{
  return w->run < w->count && w->waiter.error == 0;
}

void
nbd_client_write_begin (struct nbd_client *f, struct nbd_write_job *w,
                        const struct backing_run *runs, unsigned count)
{
  waiter_init (&w->waiter);
  w->runs = runs;
  w->count = count;
  w->run = 0;
  w->done = 0;
  for (unsigned i = 0; i < WINDOW; ++i)
    w->requests[i].place = FAR_DONE;

  LOCK_FOR_SCOPE (&f->lock);
  while (has_more (w) && w->waiter.pending < WINDOW)
    write_piece (f, w);
}

int
nbd_client_write_end (struct nbd_client *f, struct nbd_write_job *w,
                      bool *unsure)
{
  {
    LOCK_FOR_SCOPE (&f->lock);

    while (has_more (w))
      if (w->waiter.pending < WINDOW)
        write_piece (f, w);
      else
        wait_once (f, &w->waiter, 0);
    while (w->waiter.pending > 0)
      wait_once (f, &w->waiter, 0);
  }
  *unsure = w->waiter.unsure;
  return result (&w->waiter);
}

int
nbd_client_write (struct nbd_client *f, const struct backing_run *runs,
                  unsigned count, bool *unsure)
{
  struct nbd_write_job w;

  nbd_client_write_begin (f, &w, runs, count);
  return nbd_client_write_end (f, &w, unsure);
}

int
nbd_client_trim (struct nbd_client *f, uint64_t offset, uint64_t length,
                 bool *unsure)
{
  struct nbd_waiter w;
  struct nbd_request r = {
    .waiter = &w, .op = FAR_TRIM, .len = length, .offset = offset,
  };

  waiter_init (&w);
  {
    LOCK_FOR_SCOPE (&f->lock);

    w.pending = 1;
    nbd_request_submit (f, &r);
    while (w.pending > 0)
      wait_once (f, &w, 0);
  }
  *unsure = w.unsure;
  return result (&w);
}
