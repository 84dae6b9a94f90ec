/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "control-worker.h"

struct worker {
  struct control_context *context;
  int event_fd;
  pthread_t thread;

  pthread_mutex_t lock;         /* of what follows */
  pthread_cond_t changed;
  struct task *waiting, *running, *done;
  bool stop;
};

struct task *
task_new (const struct verb *verb, json_t *args)
{
  struct task *task = calloc (1, sizeof *task);

  if (!task)
    return NULL;
  task->verb = verb;
  task->args = args;
  return task;
}

void
task_free (struct task *task)
{
  json_decref (task->args);
  json_decref (task->reply);
  free (task);
}

static void
list_append (struct task **list, struct task *task)
{
  while (*list)
    list = &(*list)->next;
  task->next = NULL;
  *list = task;
}

static bool
list_remove (struct task **list, struct task *task)
{
  for (; *list; list = &(*list)->next)
    if (*list == task) {
      *list = task->next;
      return true;
    }
  return false;
}

static struct task *
list_take_first (struct task **list)
{
  struct task *task = *list;

  if (task)
    *list = task->next;
  return task;
}

/* ---- the thread ---- */

/* Waits for the next task.  Returns NULL when the worker ends. */
static struct task *
next_task (struct worker *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  while (!w->waiting && !w->stop)
    pthread_cond_wait (&w->changed, &w->lock);
  w->running = w->stop ? NULL : list_take_first (&w->waiting);
  return w->running;
}

static void
finish_task (struct worker *w, struct task *task)
{
  LOCK_FOR_SCOPE (&w->lock);
  w->running = NULL;
  list_append (&w->done, task);
  eventfd_write (w->event_fd, 1);
}

void
control_thread_begins (const char *name)
{
  const struct sched_param none = { 0 };

  pthread_setname_np (pthread_self (), name);
  pthread_setschedparam (pthread_self (), SCHED_OTHER, &none);
}

static void *
run_worker (void *arg)
{
  struct worker *w = arg;
  struct task *task;

  control_thread_begins ("zram-worker");
  while ((task = next_task (w)) != NULL) {
    task->reply = task->verb->run (w->context, task->args, &task->cancelled);
    finish_task (w, task);
  }
  return NULL;
}

/* ---- called by the control thread ---- */

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
  if (os_start_thread (&w->thread, run_worker, w) == 0)
    return w;
  free (w);
  return NULL;
}

static void
free_all (struct task **list)
{
  struct task *task;

  while ((task = list_take_first (list)) != NULL)
    task_free (task);
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
worker_add (struct worker *w, struct task *task)
{
  LOCK_FOR_SCOPE (&w->lock);
  list_append (&w->waiting, task);
  pthread_cond_signal (&w->changed);
}

void
worker_cancel (struct worker *w, struct task *task)
{
  LOCK_FOR_SCOPE (&w->lock);
  task->cancelled = true;
  if (list_remove (&w->waiting, task))
    task_free (task);
}

struct task *
worker_done (struct worker *w)
{
  LOCK_FOR_SCOPE (&w->lock);
  return list_take_first (&w->done);
}
