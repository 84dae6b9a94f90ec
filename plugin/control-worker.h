/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker: a thread that runs the verbs which take long, one after
 * the other, so that the others are answered meanwhile.
 *
 * A job belongs to the worker from worker_add on, until worker_done
 * returns it or worker_cancel takes it back.  All functions are called
 * by one thread.
 */

#ifndef NBDZRAM_CONTROL_WORKER_H
#define NBDZRAM_CONTROL_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include "control-verbs.h"

struct job {
  struct job *next;
  const struct verb *verb;
  json_t *args;
  json_t *reply;                /* once it is done; NULL: no memory */
  _Atomic bool cancelled;
};

struct worker;

/* EVENT_FD, an eventfd, becomes readable when a job is done.  NULL with
 * errno.
 */
struct worker *worker_start (int event_fd, struct control_context *context);

/* Cancel what runs and forget what waits.  NULL does nothing. */
void worker_stop (struct worker *w);

/* A job that takes over ARGS; NULL with errno ENOMEM, ARGS untouched. */
struct job *job_new (const struct verb *verb, json_t *args);
void job_free (struct job *job);

void worker_add (struct worker *w, struct job *job);

/* Nobody waits for this job any more. */
void worker_cancel (struct worker *w, struct job *job);

/* A job that is done, cancelled ones included, or NULL. */
struct job *worker_done (struct worker *w);

#endif /* NBDZRAM_CONTROL_WORKER_H */
