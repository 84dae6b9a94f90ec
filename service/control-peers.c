/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "control-peers.h"
#include "control-worker.h"

/* The pause after accept failed for want of descriptors or memory: it would
 * fail again at once.
 */
#define ACCEPT_PAUSE 100        /* milliseconds */

struct peer {
  int fd;                       /* -1: this place is free */
  uint64_t active;              /* peers->clock when it last sent or
                                 * received */
  char *in;                     /* REQUEST_MAX bytes */
  size_t in_length;
  bool skipping;                /* the rest of a line that is too long */
  bool ended;                   /* it will send no more */
  char *out;                    /* the rest of a reply, or NULL */
  size_t out_length, out_done;
  struct task *task;              /* what it waits for, or NULL */
};

struct peers {
  struct control_context *context;
  struct worker *worker;
  pthread_t thread;
  peers_listener find_listener;
  void *opaque;                 /* its argument */
  int listener;                 /* -1: missing now */
  int64_t look_at;              /* when to call find_listener, in ms */
  int event_fd;                 /* a task is done, or the end has come */
  _Atomic bool stop;
  bool pausing;                 /* no accept for a moment */
  uint64_t clock;               /* counts reads and writes of peers */
  struct peer peers[PEERS_MAX];
};

/* ---- one peer ---- */

static void
peer_close (struct peers *ps, struct peer *p)
{
  if (p->task)
    worker_cancel (ps->worker, p->task);
  close (p->fd);
  free (p->in);
  free (p->out);
  *p = (struct peer) { .fd = -1 };
}

/* Can the next request of this peer be read? */
static bool
peer_is_ready (const struct peer *p)
{
  return p->fd != -1 && !p->out && !p->task;
}

/* A peer always gets a reply, or its connection ends.  REPLY NULL: no memory
 * for it.
 */
static void
peer_reply (struct peers *ps, struct peer *p, json_t *reply)
{
  static const char no_memory[] =
    "{\"ok\": false, \"error\": \"out of memory\"}\n";
  char *text = reply ? json_dumps (reply, 0) : NULL;
  int length = text ? asprintf (&p->out, "%s\n", text) : -1;

  json_decref (reply);
  free (text);
  if (length == -1) {
    p->out = strdup (no_memory);
    if (!p->out) {
      peer_close (ps, p);
      return;
    }
    length = sizeof no_memory - 1;
  }
  p->out_length = (size_t) length;
  p->out_done = 0;
}

static void
peer_write (struct peers *ps, struct peer *p)
{
  ssize_t n = send (p->fd, p->out + p->out_done, p->out_length - p->out_done,
                    MSG_NOSIGNAL | MSG_DONTWAIT);

  if (n == -1) {
    if (errno != EAGAIN && errno != EINTR)
      peer_close (ps, p);
    return;
  }
  p->active = ++ps->clock;
  p->out_done += (size_t) n;
  if (p->out_done < p->out_length)
    return;
  free (p->out);
  p->out = NULL;
}

/* ---- requests ---- */

static void
peer_request (struct peers *ps, struct peer *p, const char *line,
              size_t length)
{
  json_t *args, *reply;
  const struct verb *verb = verb_parse (line, length, &args, &reply);

  if (verb && verb->slow && (p->task = task_new (verb, args)) != NULL) {
    worker_add (ps->worker, p->task);
    return;
  }
  if (verb) {
    static const _Atomic bool never;

    reply = verb->slow ? NULL : verb->run (ps->context, args, &never);
    json_decref (args);
  }
  peer_reply (ps, p, reply);
}

static bool
is_blank (const char *line, size_t length)
{
  while (length > 0 && (*line == ' ' || *line == '\t' || *line == '\r'))
    ++line, --length;
  return length == 0;
}

static void
drop_input (struct peer *p, size_t length)
{
  p->in_length -= length;
  memmove (p->in, p->in + length, p->in_length);
}

/* The input has no newline.  Refuses a line that is too long, or cut by the
 * end of the input.
 */
static void
handle_incomplete_line (struct peers *ps, struct peer *p)
{
  if (p->in_length == REQUEST_MAX && !p->skipping) {
    p->skipping = true;
    peer_reply (ps, p, verb_error ("a request has at most %d bytes",
                                   REQUEST_MAX));
  }
  else if (p->ended && p->in_length > 0 && !p->skipping) {
    p->in_length = 0;
    peer_reply (ps, p, verb_error ("a request ends with a newline"));
    return;
  }
  else if (p->ended)
    peer_close (ps, p);
  if (p->skipping)
    p->in_length = 0;
}

/* Handles one line, so that no peer keeps the others waiting.  Returns whether
 * there may be another line.
 */
static bool
peer_next (struct peers *ps, struct peer *p)
{
  char *newline = memchr (p->in, '\n', p->in_length);
  size_t length;

  if (!newline) {
    handle_incomplete_line (ps, p);
    return false;
  }
  length = (size_t) (newline - p->in);
  if (!p->skipping && !is_blank (p->in, length))
    peer_request (ps, p, p->in, length);
  p->skipping = false;
  if (p->fd != -1)
    drop_input (p, length + 1);
  return p->fd != -1;
}

static void
peer_read (struct peers *ps, struct peer *p)
{
  ssize_t n = recv (p->fd, p->in + p->in_length, REQUEST_MAX - p->in_length,
                    MSG_DONTWAIT);

  if (n == -1) {
    if (errno != EAGAIN && errno != EINTR)
      peer_close (ps, p);
    return;
  }
  p->active = ++ps->clock;
  p->in_length += (size_t) n;
  p->ended = n == 0;
}

/* ---- all of them ---- */

/* Returns a free place, or that of the peer that has been silent for longest
 * and does not wait for a task.  NULL if all wait for one.
 */
static struct peer *
find_place (struct peers *ps)
{
  struct peer *best = NULL;

  for (unsigned i = 0; i < PEERS_MAX; ++i) {
    struct peer *p = &ps->peers[i];

    if (p->fd == -1)
      return p;
    if (!p->task && (!best || p->active < best->active))
      best = p;
  }
  return best;
}

static void
accept_peer (struct peers *ps)
{
  int fd = accept4 (ps->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  struct peer *p;

  if (fd == -1) {
    ps->pausing = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
    return;
  }
  p = find_place (ps);
  if (p && p->fd != -1)
    peer_close (ps, p);
  if (p)
    p->in = malloc (REQUEST_MAX);
  if (!p || !p->in) {
    close (fd);
    return;
  }
  p->fd = fd;
  p->active = ++ps->clock;
}

static void
reply_to_done_tasks (struct peers *ps)
{
  struct task *task;
  eventfd_t count;

  eventfd_read (ps->event_fd, &count);
  while ((task = worker_done (ps->worker)) != NULL) {
    for (unsigned i = 0; i < PEERS_MAX; ++i)
      if (ps->peers[i].task == task) {
        ps->peers[i].task = NULL;
        peer_reply (ps, &ps->peers[i], task->reply);
        task->reply = NULL;
      }
    task_free (task);
  }
}

static void
serve_peer (struct peers *ps, struct peer *p, short events)
{
  if ((events & (POLLHUP | POLLERR)) != 0 && (events & POLLIN) == 0)
    peer_close (ps, p);
  else if ((events & POLLHUP) != 0 && !peer_is_ready (p))
    peer_close (ps, p);         /* it can receive no reply */
  else if ((events & POLLOUT) != 0)
    peer_write (ps, p);
  else if ((events & POLLIN) != 0)
    peer_read (ps, p);
}

/* Returns whether a peer has input left that poll does not report. */
static bool
serve_requests (struct peers *ps)
{
  bool more = false;

  for (unsigned i = 0; i < PEERS_MAX; ++i) {
    struct peer *p = &ps->peers[i];

    if (peer_is_ready (p) && peer_next (ps, p))
      more |= peer_is_ready (p);
    if (p->fd != -1 && p->out) {
      peer_write (ps, p);
      more |= peer_is_ready (p);
    }
  }
  return more;
}

static short
events_wanted (const struct peer *p)
{
  if (p->out)
    return POLLOUT;
  return p->task || p->ended ? 0 : POLLIN;
}

/* Returns the milliseconds until find_listener must be called again. */
static int
update_listener (struct peers *ps)
{
  int64_t now = (int64_t) os_milliseconds ();
  int ms;

  if (now >= ps->look_at) {
    ps->listener = ps->find_listener (ps->opaque, &ms);
    ps->look_at = now + ms;
  }
  return (int) (ps->look_at - now);
}

static void
poll_peers (struct peers *ps, bool more)
{
  struct pollfd fds[PEERS_MAX + 2];
  int ms = update_listener (ps);

  for (unsigned i = 0; i < PEERS_MAX; ++i)
    fds[i] = (struct pollfd) {
      .fd = ps->peers[i].fd,
      .events = events_wanted (&ps->peers[i]),
    };
  fds[PEERS_MAX] = (struct pollfd) { ps->event_fd, POLLIN, 0 };
  fds[PEERS_MAX + 1] = (struct pollfd) {
    .fd = ps->pausing ? -1 : ps->listener,
    .events = POLLIN,
  };
  if (ps->pausing)
    ms = MIN (ms, ACCEPT_PAUSE);
  if (poll (fds, PEERS_MAX + 2, more ? 0 : ms) == -1) {
    if (errno != EINTR)
      poll (NULL, 0, ACCEPT_PAUSE);
    return;
  }
  ps->pausing = false;
  for (unsigned i = 0; i < PEERS_MAX; ++i)
    if (fds[i].revents != 0)
      serve_peer (ps, &ps->peers[i], fds[i].revents);
  if (fds[PEERS_MAX].revents != 0)
    reply_to_done_tasks (ps);
  if (fds[PEERS_MAX + 1].revents != 0)
    accept_peer (ps);
}

static void *
run_control_thread (void *arg)
{
  struct peers *ps = arg;
  bool more = false;

  control_thread_begins ("zram-control");
  while (!ps->stop) {
    poll_peers (ps, more);
    more = serve_requests (ps);
  }
  return NULL;
}

/* ---- life ---- */

static void
peers_free (struct peers *ps)
{
  int err = errno;

  for (unsigned i = 0; i < PEERS_MAX; ++i)
    if (ps->peers[i].fd != -1)
      peer_close (ps, &ps->peers[i]);
  worker_stop (ps->worker);
  if (ps->event_fd != -1)
    close (ps->event_fd);
  free (ps);
  errno = err;
}

static int
start_threads (struct peers *ps)
{
  ps->worker = worker_start (ps->event_fd, ps->context);
  return ps->worker
    ? os_start_thread (&ps->thread, run_control_thread, ps) : -1;
}

struct peers *
peers_start (peers_listener listener, void *opaque,
             struct control_context *context)
{
  struct peers *ps = calloc (1, sizeof *ps);

  if (!ps)
    return NULL;
  ps->context = context;
  ps->find_listener = listener;
  ps->opaque = opaque;
  ps->listener = -1;
  for (unsigned i = 0; i < PEERS_MAX; ++i)
    ps->peers[i].fd = -1;
  ps->event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (ps->event_fd != -1 && start_threads (ps) == 0)
    return ps;
  peers_free (ps);
  return NULL;
}

void
peers_stop (struct peers *ps)
{
  if (!ps)
    return;
  ps->stop = true;
  eventfd_write (ps->event_fd, 1);
  pthread_join (ps->thread, NULL);
  peers_free (ps);
}
