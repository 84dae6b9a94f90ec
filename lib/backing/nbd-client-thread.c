/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread of a connection: it connects, checks that the disk is the right
 * one, serves requests, and connects again when the connection ends.
 */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "lib/base/os.h"

#include "nbd-client-internal.h"

/* Milliseconds between attempts to connect: more each time. */
#define PAUSE_MIN 20
#define PAUSE_MAX 2000

static bool
is_mute (struct nbd_connection *c)
{
  LOCK_FOR_SCOPE (&c->client->lock);
  return c->is_mute;
}

static bool
has_answered (struct nbd_connection *c)
{
  LOCK_FOR_SCOPE (&c->client->lock);
  return c->has_answered;
}

static void
log_event (struct nbd_client *f, const char *what, const char *why)
{
  char text[512];

  snprintf (text, sizeof text, "backing=%s: %s%s", f->uri, what, why);
  if (f->log)
    f->log (text);
}

/* ---- the first block ---- */

/* Read the first block and pass it to IS_RIGHT.  Returns 1 if this is the
 * right disk, 0 if not, or -1 with what is wrong in ERROR.
 */
static int
check_first_block (struct nbd_connection *c, char *error, size_t size)
{
  struct nbd_client *f = c->client;
  char block[NBD_DISK_BLOCK];
  struct nbd_waiter w = { .pending = 1 };
  struct nbd_request r = {
    .waiter = &w, .connection = c, .place = NBD_REQUEST_QUEUED,
    .op = NBD_OP_READ, .buf = block, .len = sizeof block,
  };

  pthread_cond_init (&w.changed, NULL);
  {
    LOCK_FOR_SCOPE (&f->lock);
    TAILQ_INSERT_TAIL (&c->queued, &r, link);
    c->load++;
  }
  while (w.pending > 0 && nbd_connection_step (c))
    ;
  if (w.pending > 0)
    nbd_connection_close (c);   /* returns the request */
  pthread_cond_destroy (&w.changed);
  if (w.error != 0) {
    snprintf (error, size, "its first block can't be read");
    return -1;
  }
  return f->is_right (f->opaque, block);
}

static void
drop_all_connections (struct nbd_client *f)
{
  for (unsigned i = 0; i < NBD_CONNECTIONS_MAX; ++i)
    if (f->connections[i].ready) {
      f->connections[i].drop = true;
      eventfd_write (f->connections[i].wake, 1);
    }
}

/* All connections lead to the same disk, so that none of them may be used. */
void
nbd_client_mark_wrong (struct nbd_client *f)
{
  struct nbd_request *r;
  bool known;

  {
    LOCK_FOR_SCOPE (&f->lock);
    known = f->is_wrong;
    f->is_wrong = true;
    f->wrongs++;
    f->reported_connected = false;
    drop_all_connections (f);
    while ((r = TAILQ_FIRST (&f->waiting)) != NULL) {
      TAILQ_REMOVE (&f->waiting, r, link);
      nbd_request_finish (r, EIO, false);
    }
  }
  if (!known)
    log_event (f, "it is another one, or has lost its content: nothing is "
               "read from there", "");
}

/* ---- connected or not ---- */

/* Size and features are now known: the threads of the other connections,
 * which waited for that, go on.  The lock is held.
 */
static void
set_known (struct nbd_client *f)
{
  f->is_known = true;
  for (unsigned i = 1; i < NBD_CONNECTIONS_MAX; ++i)
    eventfd_write (f->connections[i].wake, 1);
}

/* The first block was right: take requests.  But when another connection has
 * found a wrong one since WRONGS was counted, the disk was changed meanwhile.
 */
static void
on_connected (struct nbd_connection *c, unsigned wrongs)
{
  struct nbd_client *f = c->client;
  struct nbd_request *r;
  bool back;

  {
    LOCK_FOR_SCOPE (&f->lock);
    if (f->wrongs != wrongs) {
      c->drop = true;
      return;
    }
    if (!f->is_known)
      set_known (f);
    back = !f->reported_connected;
    f->reported_connected = true;
    f->is_wrong = false;
    f->reconnects += c->was_ready;
    f->ready++;
    c->ready = c->was_ready = true;
    c->has_answered = false;
    while ((r = TAILQ_FIRST (&f->waiting)) != NULL) {
      TAILQ_REMOVE (&f->waiting, r, link);
      nbd_request_submit (f, r);
    }
  }
  if (back)
    log_event (f, "it is back", "");
}

/* Log it once, when the last connection has ended. */
static void
on_disconnected (struct nbd_client *f, const char *why)
{
  bool news;

  {
    LOCK_FOR_SCOPE (&f->lock);
    news = f->reported_connected && f->ready == 0 && !f->stop;
    if (news)
      f->reported_connected = false;
  }
  if (news)
    log_event (f, "it can't be reached: ", why);
}

/* ---- the thread ---- */

/* Sleep for MS milliseconds.  Returns false at once when the client stops. */
static bool
pause_for (struct nbd_connection *c, int ms)
{
  uint64_t until = os_milliseconds () + (uint64_t) ms, now;
  struct pollfd fd = { .fd = c->wake, .events = POLLIN };
  eventfd_t calls;

  while ((now = os_milliseconds ()) < until) {
    if (nbd_client_is_stopped (c->client))
      return false;
    if (poll (&fd, 1, (int) (until - now)) > 0)
      eventfd_read (c->wake, &calls);
  }
  return true;
}

static unsigned
count_wrongs (struct nbd_client *f)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->wrongs;
}

/* Connect, and serve requests until the connection ends.  Returns whether
 * the server has answered one: a server that ends at each request is asked
 * again only after longer and longer pauses.
 */
static bool
serve_connection (struct nbd_connection *c)
{
  unsigned wrongs = count_wrongs (c->client);
  char why[256] = "";
  bool used = false;
  int right = -1;

  if (nbd_connection_open (c, why, sizeof why) == NBD_CONNECTED)
    right = check_first_block (c, why, sizeof why);
  if (right == 0)
    nbd_client_mark_wrong (c->client);
  if (right == 1) {
    on_connected (c, wrongs);
    while (nbd_connection_step (c))
      ;
    snprintf (why, sizeof why, "%s", is_mute (c) ? "it does not answer"
                                                  : "the connection ended");
    used = has_answered (c);
  }
  nbd_connection_close (c);
  if (right != 0)
    on_disconnected (c->client, why);
  return used;
}

/* Wait until it is known how many connections the server accepts.  Returns
 * whether this is one of them.
 */
static bool
wait_until_wanted (struct nbd_connection *c)
{
  struct pollfd fd = { .fd = c->wake, .events = POLLIN };
  struct nbd_client *f = c->client;
  eventfd_t calls;

  for (;;) {
    {
      LOCK_FOR_SCOPE (&f->lock);
      if (f->stop || f->is_known || c->number == 0)
        return !f->stop && (c->number == 0 || c->number < f->count);
    }
    if (poll (&fd, 1, -1) > 0)
      eventfd_read (c->wake, &calls);
  }
}

void *
nbd_connection_run (void *opaque)
{
  struct nbd_connection *c = opaque;
  int pause = PAUSE_MIN;

  pthread_setname_np (pthread_self (), "zram-far-end");
  if (!wait_until_wanted (c))
    return NULL;
  do
    pause = serve_connection (c) ? PAUSE_MIN : MIN (2 * pause, PAUSE_MAX);
  while (pause_for (c, pause));
  return NULL;
}
