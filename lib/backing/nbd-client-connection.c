/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection to the NBD server: its handshake, what it sends and receives,
 * and its end.  All of this runs in the connection's own thread, or in the
 * only thread there is before nbd_client_start.
 */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"

#include "libnbd-load.h"
#include "nbd-client-internal.h"

/* Milliseconds that a handshake may take: a server that takes longer may
 * have ended meanwhile.
 */
#define CONNECT_MAX 10000

/* Milliseconds between two looks at the clock. */
#define STEP 1000

/* Copy why a call of libnbd failed. */
static void
copy_libnbd_error (char *error, size_t size)
{
  const char *text = libnbd.get_error ();
  const char *colon = text ? strstr (text, ": ") : NULL;

  /* It begins with the name of libnbd's function. */
  snprintf (error, size, "%s", colon ? colon + 2
                               : text ? text : "the connection ended");
}

/* ---- replies ---- */

/* Did the server send this errno?  Any other one is libnbd's, which says that
 * the connection ended, or ESHUTDOWN of a server that is going to end it.
 */
static bool
is_answer (int err)
{
  switch (err) {
  case 0: case EPERM: case EIO: case ENOMEM: case EINVAL: case ENOSPC:
  case EOVERFLOW: case ENOTSUP:
    return true;
  default:
    return false;
  }
}

static void
unlink_request (struct nbd_connection *c, struct nbd_requests *list,
                struct nbd_request *r)
{
  TAILQ_REMOVE (list, r, link);
  c->load--;
}

/* Called by libnbd, in the connection's thread.  Returns 1 when libnbd may
 * retire the request.  Returns 0 when the connection ended: that can happen
 * within the call that sends the request, which then looks at it again.
 */
static int
on_completed (void *opaque, int *error)
{
  struct nbd_request *r = opaque;
  struct nbd_connection *c = r->connection;

  LOCK_FOR_SCOPE (&c->client->lock);
  if (!is_answer (*error)) {
    c->drop = true;             /* closing it returns the request */
    return 0;
  }
  c->progress = os_milliseconds ();
  c->has_answered = c->ready;
  unlink_request (c, &c->sent, r);
  nbd_request_finish (r, *error, false);
  return 1;
}

/* ---- sending ---- */

static int64_t
send_request (struct nbd_connection *c, struct nbd_request *r)
{
  const nbd_completion_callback done = {
    .callback = on_completed, .user_data = r,
  };

  switch (r->op) {
  case NBD_OP_READ:
    return libnbd.aio_pread (c->nbd, r->buf, r->len, r->offset, done, 0);
  case NBD_OP_WRITE:
    return libnbd.aio_pwrite (c->nbd, r->data, r->len, r->offset, done,
                              c->can_fua ? LIBNBD_CMD_FLAG_FUA : 0);
  default:
    return libnbd.aio_trim (c->nbd, r->len, r->offset, done, 0);
  }
}

/* Move the next queued request to the sent ones; NULL if there is none. */
static struct nbd_request *
take_next_request (struct nbd_connection *c)
{
  struct nbd_request *r;

  LOCK_FOR_SCOPE (&c->client->lock);
  r = TAILQ_FIRST (&c->queued);
  if (!r || c->drop)
    return NULL;
  if (TAILQ_EMPTY (&c->sent))
    c->progress = os_milliseconds ();
  TAILQ_REMOVE (&c->queued, r, link);
  TAILQ_INSERT_TAIL (&c->sent, r, link);
  r->place = NBD_REQUEST_SENT;
  return r;
}

/* libnbd did not accept the request: the connection has ended. */
static void
requeue_request (struct nbd_connection *c, struct nbd_request *r)
{
  LOCK_FOR_SCOPE (&c->client->lock);
  unlink_request (c, &c->sent, r);
  TAILQ_INSERT_HEAD (&c->queued, r, link);
  r->place = NBD_REQUEST_QUEUED;
  c->load++;
  c->drop = true;
}

static void
send_queued (struct nbd_connection *c)
{
  struct nbd_request *r;

  while ((r = take_next_request (c)) != NULL)
    if (send_request (c, r) == -1) {
      requeue_request (c, r);
      return;
    }
}

/* ---- receiving ---- */

/* Wait up to MS milliseconds, or without a limit if that is -1, until libnbd
 * can go on or the eventfd is written to.  Returns false when the connection
 * has ended.
 */
static bool
wait_for_io (struct nbd_connection *c, int ms)
{
  unsigned direction = libnbd.aio_get_direction (c->nbd);
  struct pollfd fds[] = {
    { .fd = libnbd.aio_get_fd (c->nbd) },
    { .fd = c->wake, .events = POLLIN },
  };
  eventfd_t calls;
  int r = 0;

  if (direction & LIBNBD_AIO_DIRECTION_READ)
    fds[0].events |= POLLIN;
  if (direction & LIBNBD_AIO_DIRECTION_WRITE)
    fds[0].events |= POLLOUT;
  if (poll (fds, 2, ms) == -1)
    return errno == EINTR;
  if (fds[1].revents != 0)
    eventfd_read (c->wake, &calls);
  if ((direction & LIBNBD_AIO_DIRECTION_READ)
      && (fds[0].revents & ~POLLOUT))
    r = libnbd.aio_notify_read (c->nbd);
  else if (fds[0].revents != 0)
    r = libnbd.aio_notify_write (c->nbd);
  return r == 0;
}

/* Milliseconds to wait, -1 for no limit, or 0 to close the connection. */
static int
time_to_wait (struct nbd_connection *c)
{
  struct nbd_client *f = c->client;

  LOCK_FOR_SCOPE (&f->lock);
  if (c->drop || f->stop)
    return 0;
  if (TAILQ_EMPTY (&c->sent))
    return -1;
  if (os_milliseconds () < c->progress + f->stall)
    return STEP;
  nbd_request_abandon (c);
  return 0;
}

bool
nbd_connection_step (struct nbd_connection *c)
{
  int ms;

  send_queued (c);
  ms = time_to_wait (c);
  return ms != 0 && wait_for_io (c, ms)
    && libnbd.aio_is_dead (c->nbd) == 0 && libnbd.aio_is_closed (c->nbd) == 0;
}

/* ---- opening ---- */

/* Continue the handshake to its end. */
static int
finish_connecting (struct nbd_connection *c, char *error, size_t size)
{
  uint64_t until = os_milliseconds () + MIN (c->client->stall, CONNECT_MAX);
  uint64_t now;

  while (libnbd.aio_is_connecting (c->nbd) > 0) {
    now = os_milliseconds ();
    if (now >= until || nbd_client_is_stopped (c->client)) {
      snprintf (error, size, "it does not answer");
      return -1;
    }
    if (!wait_for_io (c, (int) MIN (until - now, STEP))) {
      copy_libnbd_error (error, size);
      return -1;
    }
  }
  if (libnbd.aio_is_ready (c->nbd) > 0)
    return 0;
  copy_libnbd_error (error, size);
  return -1;
}

/* libnbd resolves the name of a host within its first call. */
static int
connect_handle (struct nbd_connection *c, char *error, size_t size)
{
  c->nbd = libnbd.create ();
  if (!c->nbd
      || libnbd.set_uri_allow_local_file (c->nbd, true) == -1
      || libnbd.set_request_structured_replies (c->nbd, false) == -1
      || libnbd.set_pread_initialize (c->nbd, false) == -1
      || libnbd.aio_connect_uri (c->nbd, c->client->uri) == -1) {
    copy_libnbd_error (error, size);
    return -1;
  }
  return finish_connecting (c, error, size);
}

/* Why can't this export be used?  NULL: it can. */
static const char *
export_problem (struct nbd_connection *c)
{
  int64_t max = libnbd.get_block_size (c->nbd, LIBNBD_SIZE_MAXIMUM);

  if (libnbd.is_read_only (c->nbd) != 0)
    return "it is read-only";
  if (libnbd.get_block_size (c->nbd, LIBNBD_SIZE_MINIMUM) > NBD_DISK_BLOCK)
    return "its blocks are larger than 4096 bytes";
  if (max > 0 && max < (int64_t) NBD_REQUEST_MAX)
    return "it takes no requests of 128 KiB";
  if (c->number > 0 && libnbd.can_multi_conn (c->nbd) <= 0)
    return "it takes only one connection";
  return NULL;
}

/* Keep what the first connection to the right disk finds, for all of them.
 * But when a later connection can't trim, no request may, since libnbd
 * refuses such a call.
 */
static void
note_export (struct nbd_connection *c, uint64_t bytes)
{
  /* Asked without our lock: libnbd calls us under locks of its own. */
  bool can_trim = libnbd.can_trim (c->nbd) > 0;
  bool can_multi_conn = libnbd.can_multi_conn (c->nbd) > 0;
  struct nbd_client *f = c->client;

  LOCK_FOR_SCOPE (&f->lock);
  if (f->is_known) {
    f->can_trim &= can_trim;
    return;
  }
  f->size = bytes;
  f->can_trim = can_trim;
  f->count = can_multi_conn ? NBD_CONNECTIONS_MAX : 1;
}

static bool
has_become_smaller (struct nbd_client *f, uint64_t bytes)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->is_known && bytes < f->size;
}

/* Let the kernel discard what is not yet sent when this process is killed:
 * a successor takes those blocks as free, and a slow network could deliver
 * the old data after the successor's.  Has no effect on Unix sockets, which
 * hold nothing back.
 */
static void
set_reset_on_close (struct nbd_connection *c, bool on)
{
  const struct linger linger = { .l_onoff = on };

  setsockopt (libnbd.aio_get_fd (c->nbd), SOL_SOCKET, SO_LINGER, &linger,
              sizeof linger);
}

enum nbd_connect_result
nbd_connection_open (struct nbd_connection *c, char *error, size_t size)
{
  const char *problem;
  int64_t bytes = -1;
  enum nbd_connect_result result = NBD_UNREACHABLE;

  if (connect_handle (c, error, size) == 0) {
    result = NBD_UNSUITABLE;
    problem = export_problem (c);
    bytes = libnbd.get_size (c->nbd);
    if (problem)
      snprintf (error, size, "%s", problem);
    else if (bytes == -1)
      copy_libnbd_error (error, size);
    else if (has_become_smaller (c->client, (uint64_t) bytes))
      snprintf (error, size, "it has become smaller");
    else {
      c->can_fua = libnbd.can_fua (c->nbd) > 0;
      set_reset_on_close (c, true);
      note_export (c, (uint64_t) bytes);
      return NBD_CONNECTED;
    }
  }
  nbd_connection_close (c);
  return result;
}

/* ---- closing ---- */

static void
return_request (struct nbd_client *f, struct nbd_request *r)
{
  bool sent = r->place == NBD_REQUEST_SENT;

  if (r->given_up)
    nbd_request_finish (r, ETIMEDOUT, false);
  else if (r->op == NBD_OP_READ && r->patient)
    nbd_request_submit (f, r);
  else
    nbd_request_finish (r, ENOTCONN, sent && r->op != NBD_OP_READ);
}

static void
return_all_requests (struct nbd_connection *c)
{
  struct nbd_requests *lists[] = { &c->sent, &c->queued };
  struct nbd_request *r;

  for (unsigned i = 0; i < ARRAY_SIZE (lists); ++i)
    while ((r = TAILQ_FIRST (lists[i])) != NULL) {
      unlink_request (c, lists[i], r);
      return_request (c->client, r);
    }
}

void
nbd_connection_close (struct nbd_connection *c)
{
  struct nbd_client *f = c->client;
  bool idle;

  {
    LOCK_FOR_SCOPE (&f->lock);
    f->ready -= c->ready;
    c->ready = false;           /* nothing is queued any more */
    idle = TAILQ_EMPTY (&c->sent);
  }
  if (c->nbd && idle)
    set_reset_on_close (c, false);
  /* After this, libnbd uses no buffer of a request. */
  if (c->nbd)
    libnbd.close (c->nbd);
  c->nbd = NULL;

  LOCK_FOR_SCOPE (&f->lock);
  return_all_requests (c);
  c->drop = c->is_mute = false;
}
