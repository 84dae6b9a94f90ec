/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workers: threads of a connection for requests that wait, for the backing
 * file or for memory.  The thread of the connection goes on meanwhile.
 *
 * A worker sends its reply by itself, so a client that does not read its
 * replies holds up its own workers, and no others.
 *
 * Workers start when they are needed, up to WORKERS_MAX, and end after
 * WORKER_IDLE_SECONDS without a request.  If one can't start, or all are
 * busy, the thread of the connection does the request itself and waits: so no
 * memory is needed to make progress.
 */

#ifndef NBDZRAM_SERVER_WORKERS_H
#define NBDZRAM_SERVER_WORKERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/hardening.h"

#include "buffer.h"
#include "nbd-protocol.h"

/* As many requests at once as nbdkit has threads: a disk needs some. */
#define WORKERS_MAX 16
#define WORKER_IDLE_SECONDS 10

/* Workers of a hardened server, which has them and their memory before memory
 * is short, and no others later.  Their buffers hold the largest request of
 * the kernel, and its reply.
 */
#define WORKERS_PREPARED 4
#define TASK_BUFFER_SIZE (192 * 1024)
_Static_assert (TASK_BUFFER_SIZE >= (KERNEL_REQUEST_KIB + HEADERS_KIB) * 1024,
                "a hardened server would need memory for a request");

struct connection;

/* A request for a worker, with all the memory that it needs. */
struct task {
  struct nbd_request request;
  struct buffer payload;        /* a copy */
  struct buffer output;
  struct task *next;
};

struct workers {
  pthread_mutex_t lock;         /* of all that follows */
  pthread_cond_t changed;
  struct task tasks[WORKERS_MAX];
  struct task *unused;
  struct task *first, **last;   /* the queue */
  unsigned threads, idle, queued, unfinished;
  bool ending;
};

void workers_init (struct workers *w);

/* Have a worker of C execute R, whose payload of SIZE bytes is at PAYLOAD.
 * Returns false if none can.
 */
bool workers_hand_over (struct connection *c, const struct nbd_request *r,
                        const uint8_t *payload, size_t size);

/* Start the workers of a hardened server, with all the memory that they need.
 * Returns 0, or -1 with errno.
 */
int workers_prepare (struct connection *c);

/* Wait until all requests are done. */
void workers_drain (struct workers *w);

/* The same; then end the threads, and release all memory. */
void workers_end (struct workers *w);

/* Return what large requests needed.  All requests are done. */
void workers_trim (struct workers *w);

/* Release memory that no request uses at present. */
void workers_release (struct workers *w);

#endif /* NBDZRAM_SERVER_WORKERS_H */
