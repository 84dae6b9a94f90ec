/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads, writes and trims of the NBD client: what runs in the callers'
 * threads.
 */

#include <config.h>

#include <errno.h>
#include <time.h>

#include "lib/base/os.h"

#include "nbd-client-internal.h"

/* Requests of one write that are sent without waiting for a reply: all of a
 * batch, even if no two of its blocks lie side by side, so that no request
 * to one server waits for those of another one.
 */
#define WINDOW 256

/* A run is cut into pieces of this size: small enough that all connections
 * get some of a batch, and that no server refuses them.
 */
#define PIECE NBD_REQUEST_MAX

/* ---- waiting ---- */

static void
waiter_init (struct nbd_waiter *w)
{
  *w = (struct nbd_waiter) { .pending = 0 };
  cond_init (&w->changed);
}

/* Before the threads are started: do their work once.  The lock is held. */
static void
step_first_connection (struct nbd_client *f)
{
  pthread_mutex_unlock (&f->lock);
  if (!nbd_connection_step (&f->connections[0]))
    nbd_connection_close (&f->connections[0]);
  pthread_mutex_lock (&f->lock);
}

/* Wait for a change until UNTIL, in milliseconds, or without a limit if that
 * is 0.  Returns false when the time is over.  The lock is held.
 */
static bool
waiter_wait (struct nbd_client *f, struct nbd_waiter *w, uint64_t until)
{
  const struct timespec ts = {
    .tv_sec = (time_t) (until / 1000),
    .tv_nsec = (long) (until % 1000 * 1000000),
  };

  if (!f->started)
    step_first_connection (f);
  else if (until == 0)
    pthread_cond_wait (&w->changed, &f->lock);
  else
    return pthread_cond_timedwait (&w->changed, &f->lock, &ts) != ETIMEDOUT;
  return true;
}

/* The timeout of a request is over.  A request that was sent ends only when
 * its thread has closed the connection, since libnbd may use its buffer until
 * then.
 */
static void
cancel_request (struct nbd_client *f, struct nbd_request *r)
{
  struct nbd_connection *c = r->connection;

  if (r->place == NBD_REQUEST_WAITING)
    TAILQ_REMOVE (&f->waiting, r, link);
  else if (r->place == NBD_REQUEST_QUEUED) {
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
waiter_result (struct nbd_waiter *w)
{
  pthread_cond_destroy (&w->changed);
  errno = w->error;
  return w->error == 0 ? 0 : -1;
}

/* Execute R until its end, or until its timeout at UNTIL (0: it has none). */
static int
execute_request (struct nbd_client *f, struct nbd_request *r, uint64_t until)
{
  struct nbd_waiter *w = r->waiter;

  waiter_init (w);
  {
    LOCK_FOR_SCOPE (&f->lock);

    w->pending = 1;
    nbd_request_submit (f, r);
    while (w->pending > 0)
      if (!waiter_wait (f, w, until) && w->pending > 0) {
        cancel_request (f, r);
        until = 0;
      }
  }
  return waiter_result (w);
}

/* ---- requests ---- */

int
nbd_client_read (struct nbd_client *f, void *buf, size_t len, uint64_t offset,
                 bool patient)
{
  struct nbd_waiter w;
  struct nbd_request r = {
    .waiter = &w, .op = NBD_OP_READ, .patient = patient, .buf = buf,
    .len = len, .offset = offset,
  };

  return execute_request (f, &r, os_milliseconds () + f->timeout);
}

/* A write of many runs and how far it is. */
struct nbd_write_job {
  struct nbd_waiter waiter;
  const struct io_run *runs;
  unsigned count, run;
  size_t done;                  /* bytes of that run */
  struct nbd_request requests[WINDOW];
};

size_t
nbd_client_write_size (void)
{
  return sizeof (struct nbd_write_job);
}

static struct nbd_request *
find_free_request (struct nbd_write_job *w)
{
  struct nbd_request *r = w->requests;

  while (r->place != NBD_REQUEST_DONE)
    ++r;
  return r;
}

/* Submit the next piece.  The lock is held. */
static void
submit_piece (struct nbd_client *f, struct nbd_write_job *w)
{
  const struct io_run *run = &w->runs[w->run];
  struct nbd_request *r = find_free_request (w);
  size_t len = MIN (PIECE, run->length - w->done);

  *r = (struct nbd_request) {
    .waiter = &w->waiter, .op = NBD_OP_WRITE,
    .data = (const char *) run->data + w->done, .len = len,
    .offset = run->offset + w->done,
  };
  w->waiter.pending++;
  nbd_request_submit (f, r);
  w->done += len;
  if (w->done == run->length) {
    w->run++;
    w->done = 0;
  }
}

/* Is there a piece to submit?  After an error there is none. */
static bool
has_more (const struct nbd_write_job *w)
{
  return w->run < w->count && w->waiter.error == 0;
}

void
nbd_client_write_begin (struct nbd_client *f, struct nbd_write_job *w,
                        const struct io_run *runs, unsigned count)
{
  waiter_init (&w->waiter);
  w->runs = runs;
  w->count = count;
  w->run = 0;
  w->done = 0;
  for (unsigned i = 0; i < WINDOW; ++i)
    w->requests[i].place = NBD_REQUEST_DONE;

  LOCK_FOR_SCOPE (&f->lock);
  while (has_more (w) && w->waiter.pending < WINDOW)
    submit_piece (f, w);
}

int
nbd_client_write_end (struct nbd_client *f, struct nbd_write_job *w,
                      bool *unsure)
{
  {
    LOCK_FOR_SCOPE (&f->lock);

    while (has_more (w))
      if (w->waiter.pending < WINDOW)
        submit_piece (f, w);
      else
        waiter_wait (f, &w->waiter, 0);
    while (w->waiter.pending > 0)
      waiter_wait (f, &w->waiter, 0);
  }
  *unsure = w->waiter.unsure;
  return waiter_result (&w->waiter);
}

int
nbd_client_write (struct nbd_client *f, const struct io_run *runs,
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
  struct nbd_waiter w = { .unsure = false };
  struct nbd_request r = {
    .waiter = &w, .op = NBD_OP_TRIM, .len = length, .offset = offset,
  };
  int result = execute_request (f, &r, 0);

  *unsure = w.unsure;
  return result;
}
