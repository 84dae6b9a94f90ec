/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection to the far end, and the thread that has it. */

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

/* Between attempts to connect: more each time. */
#define PAUSE_MIN 20
#define PAUSE_MAX 2000

/* A server that takes so long to shake hands may have ended since. */
#define CONNECT_MAX 10000

/* How often to look at what the time is. */
#define STEP 1000

/* The largest request there is, and more: servers take it. */
#define REQUEST_MAX (128 * KIB)

static bool
is_stopped (struct nbd_client *f)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->stop;
}

static bool
is_mute (struct connection *c)
{
  LOCK_FOR_SCOPE (&c->far->lock);
  return c->is_mute;
}

static bool
has_answered (struct connection *c)
{
  LOCK_FOR_SCOPE (&c->far->lock);
  return c->has_answered;
}

/* ---- words ---- */

static void
say (struct nbd_client *f, const char *what, const char *why)
{
  char text[512];

  snprintf (text, sizeof text, "backing=%s: %s%s", f->uri, what, why);
  if (f->log)
    f->log (text);
}

/* Why a call of libnbd failed. */
static void
get_error (char *error, size_t size)
{
  const char *text = libnbd.get_error ();
  const char *colon = text ? strstr (text, ": ") : NULL;

  /* It begins with the name of the function. */
  snprintf (error, size, "%s", colon ? colon + 2
                               : text ? text : "the connection ended");
}

/* ---- requests that come back ---- */

/* What is none of these is libnbd's, of a connection that ended; and a
 * server that shuts down is going to end it.
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
take_out (struct connection *c, struct nbd_requests *list,
          struct nbd_request *r)
{
  TAILQ_REMOVE (list, r, link);
  c->load--;
}

/* Called by libnbd, in the connection's thread.  Returns 1 when it may
 * forget the request; not when the connection ended, since that may be
 * within the call that sends it, which looks at it again.
 */
static int
completed (void *opaque, int *error)
{
  struct nbd_request *r = opaque;
  struct connection *c = r->connection;

  LOCK_FOR_SCOPE (&c->far->lock);
  if (!is_answer (*error)) {
    c->drop = true;             /* closing it deals with the request */
    return 0;
  }
  c->progress = os_milliseconds ();
  c->has_answered = c->ready;
  take_out (c, &c->sent, r);
  nbd_request_finish (r, *error, false);
  return 1;
}

/* ---- sending ---- */

static int64_t
send_request (struct connection *c, const struct nbd_request *r)
{
  const nbd_completion_callback done = {
    .callback = completed, .user_data = (void *) r,
  };

  switch (r->op) {
  case FAR_READ:
    return libnbd.aio_pread (c->nbd, r->buf, r->len, r->offset, done, 0);
  case FAR_WRITE:
    return libnbd.aio_pwrite (c->nbd, r->buf, r->len, r->offset, done,
                              c->can_fua ? LIBNBD_CMD_FLAG_FUA : 0);
  default:
    return libnbd.aio_trim (c->nbd, r->len, r->offset, done, 0);
  }
}

/* The next one that is queued, as sent. */
static struct nbd_request *
next_request (struct connection *c)
{
  struct nbd_request *r;

  LOCK_FOR_SCOPE (&c->far->lock);
  r = TAILQ_FIRST (&c->queued);
  if (!r || c->drop)
    return NULL;
  if (TAILQ_EMPTY (&c->sent))
    c->progress = os_milliseconds ();
  TAILQ_REMOVE (&c->queued, r, link);
  TAILQ_INSERT_TAIL (&c->sent, r, link);
  r->place = FAR_SENT;
  return r;
}

/* The library did not take it: as the connection is. */
static void
refused (struct connection *c, struct nbd_request *r)
{
  LOCK_FOR_SCOPE (&c->far->lock);
  take_out (c, &c->sent, r);
  TAILQ_INSERT_HEAD (&c->queued, r, link);
  r->place = FAR_QUEUED;
  c->load++;
  c->drop = true;
}

static void
send_queued (struct connection *c)
{
  struct nbd_request *r;

  while ((r = next_request (c)) != NULL)
    if (send_request (c, r) == -1) {
      refused (c, r);
      return;
    }
}

/* ---- receiving ---- */

/* Wait up to MS, or forever if that is -1, for libnbd or for a call.
 * False when the connection has ended.
 */
static bool
wait_for_io (struct connection *c, int ms)
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

/* How long to wait, or 0 when the connection is to be left. */
static int
time_to_wait (struct connection *c)
{
  struct nbd_client *f = c->far;

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
connection_step (struct connection *c)
{
  int ms;

  send_queued (c);
  ms = time_to_wait (c);
  return ms != 0 && wait_for_io (c, ms)
    && libnbd.aio_is_dead (c->nbd) == 0 && libnbd.aio_is_closed (c->nbd) == 0;
}

/* ---- opening ---- */

/* Do what there is to do until the handshake is over. */
static int
finish_connecting (struct connection *c, char *error, size_t size)
{
  uint64_t until = os_milliseconds () + MIN (c->far->stall, CONNECT_MAX), now;

  while (libnbd.aio_is_connecting (c->nbd) > 0) {
    now = os_milliseconds ();
    if (now >= until || is_stopped (c->far)) {
      snprintf (error, size, "it does not answer");
      return -1;
    }
    if (!wait_for_io (c, (int) MIN (until - now, STEP))) {
      get_error (error, size);
      return -1;
    }
  }
  if (libnbd.aio_is_ready (c->nbd) > 0)
    return 0;
  get_error (error, size);
  return -1;
}

/* libnbd resolves the name of a host within its first call. */
static int
connect_handle (struct connection *c, char *error, size_t size)
{
  c->nbd = libnbd.create ();
  if (!c->nbd
      || libnbd.set_uri_allow_local_file (c->nbd, true) == -1
      || libnbd.set_request_structured_replies (c->nbd, false) == -1
      || libnbd.set_pread_initialize (c->nbd, false) == -1
      || libnbd.aio_connect_uri (c->nbd, c->far->uri) == -1) {
    get_error (error, size);
    return -1;
  }
  return finish_connecting (c, error, size);
}

static const char *
wrong_with_export (struct connection *c)
{
  int64_t max = libnbd.get_block_size (c->nbd, LIBNBD_SIZE_MAXIMUM);

  if (libnbd.is_read_only (c->nbd) != 0)
    return "it is read-only";
  if (libnbd.get_block_size (c->nbd, LIBNBD_SIZE_MINIMUM) > BACKING_BLOCK)
    return "its blocks are larger than 4096 bytes";
  if (max > 0 && max < (int64_t) REQUEST_MAX)
    return "it takes no requests of 128 KiB";
  if (c->number > 0 && libnbd.can_multi_conn (c->nbd) <= 0)
    return "it takes only one connection";
  return NULL;
}

/* What the first connection to the right one finds holds for all; but a
 * server that can't trim any more must not be asked to, since libnbd refuses
 * that.
 */
static void
learn (struct connection *c, uint64_t bytes)
{
  /* libnbd has locks of its own, under which it calls us. */
  bool can_trim = libnbd.can_trim (c->nbd) > 0;
  bool can_multi_conn = libnbd.can_multi_conn (c->nbd) > 0;
  struct nbd_client *f = c->far;

  LOCK_FOR_SCOPE (&f->lock);
  if (f->is_known) {
    f->can_trim &= can_trim;
    return;
  }
  f->size = bytes;
  f->can_trim = can_trim;
  f->count = can_multi_conn ? FAR_END_CONNECTIONS : 1;
}

static bool
has_become_smaller (struct nbd_client *f, uint64_t bytes)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->is_known && bytes < f->size;
}

/* What is still to be sent to another machine when this process is killed is
 * not to be sent any more: a successor takes the blocks for free, and the
 * network may be slow.  Has no effect on Unix sockets, which hold nothing
 * back.
 */
static void
reset_at_end (struct connection *c, bool on)
{
  const struct linger linger = { .l_onoff = on };

  setsockopt (libnbd.aio_get_fd (c->nbd), SOL_SOCKET, SO_LINGER, &linger,
              sizeof linger);
}

int
connection_open (struct connection *c, char *error, size_t size)
{
  const char *wrong;
  int64_t bytes = -1;
  int err = ENOTCONN;

  if (connect_handle (c, error, size) == 0) {
    err = EREMOTEIO;
    wrong = wrong_with_export (c);
    bytes = libnbd.get_size (c->nbd);
    if (wrong)
      snprintf (error, size, "%s", wrong);
    else if (bytes == -1)
      get_error (error, size);
    else if (has_become_smaller (c->far, (uint64_t) bytes))
      snprintf (error, size, "it has become smaller");
    else {
      c->can_fua = libnbd.can_fua (c->nbd) > 0;
      reset_at_end (c, true);
      learn (c, (uint64_t) bytes);
      return 0;
    }
  }
  connection_close (c);
  errno = err;
  return -1;
}

/* ---- closing ---- */

static void
give_back_request (struct nbd_client *f, struct nbd_request *r)
{
  bool sent = r->place == FAR_SENT;

  if (r->given_up)
    nbd_request_finish (r, ETIMEDOUT, false);
  else if (r->op == FAR_READ && r->patient)
    nbd_request_submit (f, r);
  else
    nbd_request_finish (r, ENOTCONN, sent && r->op != FAR_READ);
}

static void
give_back_all (struct connection *c)
{
  struct nbd_requests *lists[] = { &c->sent, &c->queued };
  struct nbd_request *r;

  for (unsigned i = 0; i < ARRAY_SIZE (lists); ++i)
    while ((r = TAILQ_FIRST (lists[i])) != NULL) {
      take_out (c, lists[i], r);
      give_back_request (c->far, r);
    }
}

void
connection_close (struct connection *c)
{
  struct nbd_client *f = c->far;
  bool idle;

  {
    LOCK_FOR_SCOPE (&f->lock);
    f->ready -= c->ready;
    c->ready = false;           /* nothing more is queued */
    idle = TAILQ_EMPTY (&c->sent);
  }
  if (c->nbd && idle)
    reset_at_end (c, false);
  /* From here on the library uses no buffer of a request. */
  if (c->nbd)
    libnbd.close (c->nbd);
  c->nbd = NULL;

  LOCK_FOR_SCOPE (&f->lock);
  give_back_all (c);
  c->drop = c->is_mute = false;
}

/* ---- the thread ---- */

/* Read the first block and show it to who knows: 1 or 0, or -1 with what
 * is wrong in ERROR.
 */
static int
examine (struct connection *c, char *error, size_t size)
{
  struct nbd_client *f = c->far;
  char block[BACKING_BLOCK];
  struct nbd_waiter w = { .pending = 1 };
  struct nbd_request r = {
    .waiter = &w, .connection = c, .place = FAR_QUEUED, .op = FAR_READ,
    .buf = block, .len = sizeof block,
  };

  pthread_cond_init (&w.changed, NULL);
  {
    LOCK_FOR_SCOPE (&f->lock);
    TAILQ_INSERT_TAIL (&c->queued, &r, link);
    c->load++;
  }
  while (w.pending > 0 && connection_step (c))
    ;
  if (w.pending > 0)
    connection_close (c);       /* takes it back */
  pthread_cond_destroy (&w.changed);
  if (w.error != 0) {
    snprintf (error, size, "its first block can't be read");
    return -1;
  }
  return f->is_right (f->opaque, block);
}

static void
drop_all (struct nbd_client *f)
{
  for (unsigned i = 0; i < FAR_END_CONNECTIONS; ++i)
    if (f->connections[i].ready) {
      f->connections[i].drop = true;
      eventfd_write (f->connections[i].wake, 1);
    }
}

/* Something else is at the far end: nobody is to ask it, by whatever
 * connection, since they all lead to the same.
 */
void
nbd_client_verify (struct nbd_client *f)
{
  struct nbd_request *r;
  bool known;

  {
    LOCK_FOR_SCOPE (&f->lock);
    known = f->is_wrong;
    f->is_wrong = true;
    f->wrongs++;
    f->was_there = false;
    drop_all (f);
    while ((r = TAILQ_FIRST (&f->waiting)) != NULL) {
      TAILQ_REMOVE (&f->waiting, r, link);
      nbd_request_finish (r, EIO, false);
    }
  }
  if (!known)
    say (f, "it is another one, or has lost its content: nothing is read from "
            "there", "");
}

/* The others were waiting for that.  The lock is held. */
static void
is_known (struct nbd_client *f)
{
  f->is_known = true;
  for (unsigned i = 1; i < FAR_END_CONNECTIONS; ++i)
    eventfd_write (f->connections[i].wake, 1);
}

/* It was the right one; unless another connection has found, since there
 * had been WRONGS of them, that it no longer is.
 */
static void
is_there (struct connection *c, unsigned wrongs)
{
  struct nbd_client *f = c->far;
  struct nbd_request *r;
  bool back;

  {
    LOCK_FOR_SCOPE (&f->lock);
    if (f->wrongs != wrongs) {
      c->drop = true;
      return;
    }
    if (!f->is_known)
      is_known (f);
    back = !f->was_there;
    f->was_there = true;
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
    say (f, "it is back", "");
}

/* Say so once. */
static void
on_disconnected (struct nbd_client *f, const char *why)
{
  bool news;

  {
    LOCK_FOR_SCOPE (&f->lock);
    news = f->was_there && f->ready == 0 && !f->stop;
    if (news)
      f->was_there = false;
  }
  if (news)
    say (f, "it can't be reached: ", why);
}

/* Sleep, unless it is time to stop, when it returns false. */
static bool
pause_for (struct connection *c, int ms)
{
  uint64_t until = os_milliseconds () + (uint64_t) ms, now;
  struct pollfd fd = { .fd = c->wake, .events = POLLIN };
  eventfd_t calls;

  while ((now = os_milliseconds ()) < until) {
    if (is_stopped (c->far))
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

/* From connecting to the end of the connection.  Was it of use?  A server
 * that ends at each request is not asked again and again without a pause.
 */
static bool
live (struct connection *c)
{
  unsigned wrongs = count_wrongs (c->far);
  char why[256] = "";
  bool used = false;
  int right = -1;

  if (connection_open (c, why, sizeof why) == 0)
    right = examine (c, why, sizeof why);
  if (right == 0)
    nbd_client_verify (c->far);
  if (right == 1) {
    is_there (c, wrongs);
    while (connection_step (c))
      ;
    snprintf (why, sizeof why, "%s", is_mute (c) ? "it does not answer"
                                                  : "the connection ended");
    used = has_answered (c);
  }
  connection_close (c);
  if (right != 0)
    on_disconnected (c->far, why);
  return used;
}

/* Wait until it is known how many connections there may be: is this one of
 * them?
 */
static bool
is_wanted (struct connection *c)
{
  struct pollfd fd = { .fd = c->wake, .events = POLLIN };
  struct nbd_client *f = c->far;
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
connection_run (void *opaque)
{
  struct connection *c = opaque;
  int pause = PAUSE_MIN;

  pthread_setname_np (pthread_self (), "zram-far-end");
  if (!is_wanted (c))
    return NULL;
  do
    pause = live (c) ? PAUSE_MIN : MIN (2 * pause, PAUSE_MAX);
  while (pause_for (c, pause));
  return NULL;
}
