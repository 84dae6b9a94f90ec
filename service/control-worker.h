/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker: a thread that runs the verbs that take long, one after the
 * other, while the control thread replies to the others.
 *
 * A task belongs to the worker from worker_add on, until worker_done
 * returns it or worker_cancel takes it back.  All functions are called
 * by one thread.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_WORKER_H
#define NBDZRAM_SERVICE_CONTROL_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include "control-verbs.h"

struct task {
  struct task *next;
  const struct verb *verb;
  json_t *args;
  json_t *reply;                /* when it is done; NULL: no memory */
  _Atomic bool cancelled;
};

struct worker;

/* Start the thread.  EVENT_FD, an eventfd, becomes readable when a task is
 * done.  Returns NULL with errno on an error.
 */
struct worker *worker_start (int event_fd, struct control_context *context);

/* Cancel the running task and free the waiting ones.  NULL does nothing. */
void worker_stop (struct worker *w);

/* A task that takes over ARGS; NULL with errno ENOMEM, ARGS untouched. */
struct task *task_new (const struct verb *verb, json_t *args);
void task_free (struct task *task);

void worker_add (struct worker *w, struct task *task);

/* Cancel a task whose peer has disconnected. */
void worker_cancel (struct worker *w, struct task *task);

/* Returns a task that is done, perhaps a cancelled one, or NULL. */
struct task *worker_done (struct worker *w);

/* Each thread of the control socket calls this first: it inherits the
 * real-time priority of the thread that started it, and must not have it.
 */
void control_thread_begins (const char *name);

#endif /* NBDZRAM_SERVICE_CONTROL_WORKER_H */
