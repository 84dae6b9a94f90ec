/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the NBD client and where they wait: the lowest part of it.
 * The lock is held in all of these functions.
 */

#include <config.h>

#include <errno.h>
#include <sys/eventfd.h>

#include "nbd-client-internal.h"

static struct nbd_connection *
least_loaded (struct nbd_client *f)
{
  struct nbd_connection *best = NULL;

  for (unsigned i = 0; i < NBD_CONNECTIONS_MAX; ++i) {
    struct nbd_connection *c = &f->connections[i];

    if (c->ready && !c->drop && (!best || c->load < best->load))
      best = c;
  }
  return best;
}

void
nbd_request_submit (struct nbd_client *f, struct nbd_request *r)
{
  struct nbd_connection *c = least_loaded (f);

  if (c && r->offset + r->len > f->size)
    /* Servers end the connection when they are asked for that. */
    nbd_request_finish (r, EIO, false);
  else if (c) {
    if (TAILQ_EMPTY (&c->queued))
      eventfd_write (c->wake, 1); /* else its thread was woken already */
    r->connection = c;
    r->place = NBD_REQUEST_QUEUED;
    TAILQ_INSERT_TAIL (&c->queued, r, link);
    c->load++;
  } else if (f->is_wrong)
    nbd_request_finish (r, EIO, false);
  else if (r->patient && f->started && !f->stop) {
    r->place = NBD_REQUEST_WAITING;
    TAILQ_INSERT_TAIL (&f->waiting, r, link);
  } else
    nbd_request_finish (r, ENOTCONN, false);
}

void
nbd_request_abandon (struct nbd_connection *c)
{
  struct nbd_client *f = c->client;

  c->is_mute = true;
  for (unsigned i = 0; i < NBD_CONNECTIONS_MAX; ++i) {
    struct nbd_connection *other = &f->connections[i];

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

  r->place = NBD_REQUEST_DONE;
  if (w->error == 0)
    w->error = err;
  w->unsure |= unsure;
  w->pending--;
  pthread_cond_signal (&w->changed);
}
