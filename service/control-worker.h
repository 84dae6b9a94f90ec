/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker: a thread that runs the verbs which take long, one after
 * the other, so that the others are answered meanwhile.
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
  json_t *reply;                /* once it is done; NULL: no memory */
  _Atomic bool cancelled;
};

struct worker;

/* EVENT_FD, an eventfd, becomes readable when a task is done.  NULL with
 * errno.
 */
struct worker *worker_start (int event_fd, struct control_context *context);

/* Cancel what runs and forget what waits.  NULL does nothing. */
void worker_stop (struct worker *w);

/* A task that takes over ARGS; NULL with errno ENOMEM, ARGS untouched. */
struct task *task_new (const struct verb *verb, json_t *args);
void task_free (struct task *task);

void worker_add (struct worker *w, struct task *task);

/* Nobody waits for this task any more. */
void worker_cancel (struct worker *w, struct task *task);

/* A task that is done, cancelled ones included, or NULL. */
struct task *worker_done (struct worker *w);

/* For each thread of the control socket to begin with: the one that made
 * it may be scheduled in real time, before those that serve.
 */
void control_thread_begins (const char *name);

#endif /* NBDZRAM_SERVICE_CONTROL_WORKER_H */
