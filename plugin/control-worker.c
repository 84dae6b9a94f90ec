/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "control-worker.h"
#include "util.h"

struct worker {
  struct control_context *context;
  int event_fd;
  pthread_t thread;

  pthread_mutex_t lock;         /* of what follows */
  pthread_cond_t changed;
  struct job *waiting, *running, *done;
  bool stop;
};

struct job *
job_new (const struct verb *verb, json_t *args)
{
  struct job *job = calloc (1, sizeof *job);

  if (!job)
    return NULL;
  job->verb = verb;
  job->args = args;
  return job;
}

void
job_free (struct job *job)
{
  json_decref (job->args);
  json_decref (job->reply);
  free (job);
}

static void
append (struct job **list, struct job *job)
{
  while (*list)
    list = &(*list)->next;
  job->next = NULL;
  *list = job;
}

static bool
take_out (struct job **list, struct job *job)
{
  for (; *list; list = &(*list)->next)
    if (*list == job) {
      *list = job->next;
      return true;
    }
  return false;
}

static struct job *
take_first (struct job **list)
{
  struct job *job = *list;

  if (job)
    *list = job->next;
  return job;
}

/* ---- the thread ---- */

/* The next job, or NULL at the end. */
static struct job *
next_job (struct worker *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  while (!w->waiting && !w->stop)
    pthread_cond_wait (&w->changed, &w->lock);
  w->running = w->stop ? NULL : take_first (&w->waiting);
  return w->running;
}

static void
job_is_done (struct worker *w, struct job *job)
{
  LOCK_FOR_SCOPE (&w->lock);
  w->running = NULL;
  append (&w->done, job);
  eventfd_write (w->event_fd, 1);
}

static void *
work (void *arg)
{
  struct worker *w = arg;
  struct job *job;

  pthread_setname_np (pthread_self (), "control-worker");
  while ((job = next_job (w)) != NULL) {
    job->reply = verb_run (job->verb, w->context, job->args,
                           &job->cancelled);
    job_is_done (w, job);
  }
  return NULL;
}

/* ---- for the other thread ---- */

struct worker *
worker_start (int event_fd, struct control_context *context)
{
  struct worker *w = calloc (1, sizeof *w);

  if (!w)
    return NULL;
  w->context = context;
  w->event_fd = event_fd;
  pthread_mutex_init (&w->lock, NULL);
  pthread_cond_init (&w->changed, NULL);
  errno = pthread_create (&w->thread, NULL, work, w);
  if (errno == 0)
    return w;
  free (w);
  return NULL;
}

static void
free_all (struct job **list)
{
  struct job *job;

  while ((job = take_first (list)) != NULL)
    job_free (job);
}

void
worker_stop (struct worker *w)
{
  if (!w)
    return;
  {
    LOCK_FOR_SCOPE (&w->lock);

    w->stop = true;
    if (w->running)
      w->running->cancelled = true;
    pthread_cond_signal (&w->changed);
  }
  pthread_join (w->thread, NULL);
  free_all (&w->waiting);
  free_all (&w->done);
  pthread_cond_destroy (&w->changed);
  pthread_mutex_destroy (&w->lock);
  free (w);
}

void
worker_add (struct worker *w, struct job *job)
{
  LOCK_FOR_SCOPE (&w->lock);
  append (&w->waiting, job);
  pthread_cond_signal (&w->changed);
}

void
worker_cancel (struct worker *w, struct job *job)
{
  LOCK_FOR_SCOPE (&w->lock);
  job->cancelled = true;
  if (take_out (&w->waiting, job))
    job_free (job);
}

struct job *
worker_done (struct worker *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  return take_first (&w->done);
}
