/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the far end's requests and its connections. */

#ifndef NBDZRAM_BACKING_NBD_CLIENT_INTERNAL_H
#define NBDZRAM_BACKING_NBD_CLIENT_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "nbd-client.h"

struct nbd_handle;

enum nbd_request_op { FAR_READ, FAR_WRITE, FAR_TRIM };

/* Where a request is. */
enum nbd_request_place {
  FAR_DONE,
  FAR_WAITING,                  /* for a connection */
  FAR_QUEUED,                   /* with one */
  FAR_SENT,                     /* ... whose library has it */
};

/* Who waits, for one request or several. */
struct nbd_waiter {
  pthread_cond_t changed;
  unsigned pending;
  int error;                    /* the first errno, or 0 */
  bool unsure;
};

/* It and its buffer are the caller's, until it is done. */
struct nbd_request {
  TAILQ_ENTRY (nbd_request) link;
  struct nbd_waiter *waiter;
  struct connection *connection; /* of one that is queued or sent */
  enum nbd_request_place place;
  enum nbd_request_op op;
  bool patient;
  bool given_up;
  void *buf;
  size_t len;
  uint64_t offset;
};

TAILQ_HEAD (nbd_requests, nbd_request);

struct connection {
  struct nbd_client *far;
  unsigned number;
  pthread_t thread;
  bool has_thread;
  int wake;                     /* eventfd */
  struct nbd_handle *nbd;       /* its thread's alone, as is the next */
  bool can_fua;

  /* Under far->lock: */
  bool ready;                   /* takes requests */
  bool was_ready;               /* ever */
  bool has_answered;            /* since it was ready */
  bool drop;                    /* is to be left */
  bool is_mute;                 /* ... since it does not answer */
  struct nbd_requests queued, sent;
  unsigned load;                /* requests in both */
  uint64_t progress;            /* milliseconds: of the last answer, or of
                                 * the first request since there were none */
};

struct nbd_client {
  char *uri;
  uint64_t timeout, stall;      /* milliseconds */
  void (*log) (const char *text);
  bool (*is_right) (void *opaque, const void *block);
  void *opaque;

  pthread_mutex_t lock;         /* of all that follows; taken last */
  bool is_known;                /* what the next three say, by the right one;
                                 * else they are of who was asked last */
  uint64_t size;
  bool can_trim;
  unsigned count;               /* of connections to have */
  bool started, stop;
  bool is_wrong;                /* the last that answered was not it */
  unsigned wrongs;              /* how many did so */
  bool was_there;               /* as the log says */
  unsigned ready;               /* connections */
  uint64_t reconnects;
  struct nbd_requests waiting;
  struct connection connections[FAR_END_CONNECTIONS];
};

/* ---- nbd-client.c; far->lock is held ---- */

/* Give a request to a connection, or let it wait, or fail. */
void nbd_request_submit (struct nbd_client *f, struct nbd_request *r);

/* The server does not answer C: leave that, and those on which nothing is
 * under way, since they are no better.
 */
void nbd_request_abandon (struct connection *c);

/* A request that is in no list any more has ended, with ERR or 0. */
void nbd_request_finish (struct nbd_request *r, int err, bool unsure);

/* ---- nbd-client-connection.c ---- */

/* Connect; then the connection is not ready yet.  0, or -1 with what is
 * wrong in ERROR, and errno ENOTCONN when that is that it can't be reached.
 */
int connection_open (struct connection *c, char *error, size_t size);

/* Send what is queued, and receive what there is, waiting for up to
 * a second.  False when it is over.
 */
bool connection_step (struct connection *c);

/* Its requests go elsewhere, or fail.  Safe on one that is closed. */
void connection_close (struct connection *c);

/* What its thread does. */
void *connection_run (void *opaque);

#endif /* NBDZRAM_BACKING_NBD_CLIENT_INTERNAL_H */
