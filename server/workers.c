/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>
#include <time.h>

#include "lib/base/mutex.h"

#include "connection.h"
#include "threads.h"
#include "workers.h"

void
workers_init (struct workers *w)
{
  *w = (struct workers) { .last = &w->first };
  mutex_init (&w->lock);
  cond_init (&w->changed);
  for (unsigned i = 0; i < WORKERS_MAX; ++i) {
    w->tasks[i].next = w->unused;
    w->unused = &w->tasks[i];
  }
}

/* ---- the threads ---- */

/* Waits for a task.  Returns NULL when the thread is to end.  The caller has
 * the lock.
 */
static struct task *
take_task (struct workers *w, bool hardened)
{
  struct timespec until;
  struct task *t;
  int r = 0;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += WORKER_IDLE_SECONDS;
  ++w->idle;
  while (!w->first && !w->ending && r == 0)
    r = hardened ? pthread_cond_wait (&w->changed, &w->lock)
      : pthread_cond_timedwait (&w->changed, &w->lock, &until);
  --w->idle;
  t = w->first;
  if (t) {
    --w->queued;
    w->first = t->next;
    if (!w->first)
      w->last = &w->first;
  }
  return t;
}

static void
execute_task (struct connection *c, struct task *t)
{
  struct buffer *output = &t->output;
  bool failed;

  execute (c, output, &t->request, t->payload.bytes, true);
  failed = buffer_used (output) > 0
    && channel_send (&c->channel, output->bytes, output->end) == -1;
  if (failed)
    c->ended = true;
  buffer_clear (output);
  buffer_clear (&t->payload);
  /* While a connection ends, other replies are still to be sent. */
  if (c->ended)
    channel_shutdown (&c->channel, failed);
}

static void *
worker_thread (void *opaque)
{
  struct connection *c = opaque;
  struct workers *w = &c->workers;
  struct task *t;

  current_connection = c;
  thread_begin (c->settings);

  LOCK_FOR_SCOPE (&w->lock);
  while ((t = take_task (w, c->settings->hardened)) != NULL) {
    pthread_mutex_unlock (&w->lock);
    execute_task (c, t);
    pthread_mutex_lock (&w->lock);
    t->next = w->unused;
    w->unused = t;
    if (--w->unfinished == 0)
      pthread_cond_broadcast (&w->changed);
  }
  --w->threads;
  pthread_cond_broadcast (&w->changed);
  return NULL;
}

/* ---- the connection's thread ---- */

static int
open_task (struct task *t)
{
  if ((t->payload.bytes || buffer_open (&t->payload, TASK_BUFFER_SIZE) == 0)
      && (t->output.bytes || buffer_open (&t->output, TASK_BUFFER_SIZE) == 0))
    return 0;
  return -1;
}

/* A task with a copy of the payload, and memory for its reply; or NULL. */
static struct task *
prepare_task (struct connection *c, const struct nbd_request *r,
              const uint8_t *payload, size_t size)
{
  struct workers *w = &c->workers;
  struct task *t;

  {
    LOCK_FOR_SCOPE (&w->lock);
    t = w->unused;
  }
  /* Only this thread takes tasks from the list. */
  if (!t || (c->settings->hardened ? !t->output.bytes : open_task (t) == -1)
      || buffer_reserve (&t->payload, size) == -1)
    return NULL;
  t->request = *r;
  memcpy (t->payload.bytes, payload, size);
  return t;
}

static void
remove_unused (struct workers *w, const struct task *t)
{
  struct task **link = &w->unused;

  /* Workers may have put back others in front of it. */
  while (*link != t)
    link = &(*link)->next;
  *link = t->next;
}

/* Is a thread free, or can one be started?  The caller has the lock. */
static bool
has_worker (struct connection *c)
{
  struct workers *w = &c->workers;

  if (w->queued >= w->idle && w->threads < WORKERS_MAX
      && !c->settings->hardened && thread_start (worker_thread, c) == 0)
    ++w->threads;
  return w->threads > 0;
}

bool
workers_hand_over (struct connection *c, const struct nbd_request *r,
                   const uint8_t *payload, size_t size)
{
  struct workers *w = &c->workers;
  struct task *t = prepare_task (c, r, payload, size);

  if (!t)
    return false;

  LOCK_FOR_SCOPE (&w->lock);
  if (!has_worker (c))
    return false;
  remove_unused (w, t);
  t->next = NULL;
  *w->last = t;
  w->last = &t->next;
  ++w->queued;
  ++w->unfinished;
  pthread_cond_broadcast (&w->changed);
  return true;
}

int
workers_prepare (struct connection *c)
{
  struct workers *w = &c->workers;
  struct task *t = w->unused;

  LOCK_FOR_SCOPE (&w->lock);
  for (unsigned i = 0; i < WORKERS_PREPARED; ++i, t = t->next) {
    if (open_task (t) == -1 || thread_start (worker_thread, c) == -1)
      return -1;
    ++w->threads;
    buffer_touch (&t->payload);
    buffer_touch (&t->output);
  }
  return 0;
}

/* ---- the end ---- */

void
workers_drain (struct workers *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  while (w->unfinished > 0)
    pthread_cond_wait (&w->changed, &w->lock);
}

void
workers_end (struct workers *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  w->ending = true;
  pthread_cond_broadcast (&w->changed);
  while (w->threads > 0)
    pthread_cond_wait (&w->changed, &w->lock);
  w->ending = false;
  for (unsigned i = 0; i < WORKERS_MAX; ++i) {
    buffer_close (&w->tasks[i].payload);
    buffer_close (&w->tasks[i].output);
  }
}

void
workers_trim (struct workers *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  for (struct task *t = w->unused; t; t = t->next) {
    buffer_trim (&t->payload);
    buffer_trim (&t->output);
  }
}

void
workers_release (struct workers *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  for (struct task *t = w->unused; t; t = t->next) {
    buffer_close (&t->payload);
    buffer_close (&t->output);
  }
}
