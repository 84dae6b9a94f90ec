/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the NBD client share.  Each of them uses only those that
 * come before it here:
 *
 *   nbd-client-queue.c       where requests wait
 *   nbd-client-connection.c  a libnbd handle
 *   nbd-client-thread.c      the thread of a connection
 *   nbd-client-requests.c    reads, writes and trims
 *   nbd-client.c             the client's life
 */

#ifndef NBDZRAM_BACKING_NBD_CLIENT_INTERNAL_H
#define NBDZRAM_BACKING_NBD_CLIENT_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "nbd-client.h"

/* Bytes of the largest request: servers accept more. */
#define NBD_REQUEST_MAX (128 * KIB)

struct nbd_handle;

enum nbd_request_op { NBD_OP_READ, NBD_OP_WRITE, NBD_OP_TRIM };

enum nbd_request_place {
  NBD_REQUEST_DONE,
  NBD_REQUEST_WAITING,          /* for a connection */
  NBD_REQUEST_QUEUED,           /* at a connection */
  NBD_REQUEST_SENT,             /* passed to libnbd */
};

/* A thread that waits for one request or several. */
struct nbd_waiter {
  pthread_cond_t changed;
  unsigned pending;
  int error;                    /* the first errno, or 0 */
  bool unsure;
};

/* The caller's, with its buffer, until it is done. */
struct nbd_request {
  TAILQ_ENTRY (nbd_request) link;
  struct nbd_waiter *waiter;
  struct nbd_connection *connection; /* if it is queued or sent */
  enum nbd_request_place place;
  enum nbd_request_op op;
  bool patient;
  bool given_up;                /* its timeout is over */
  union {
    void *buf;                  /* of a read */
    const void *data;           /* of a write */
  };
  size_t len;
  uint64_t offset;
};

TAILQ_HEAD (nbd_requests, nbd_request);

struct nbd_connection {
  struct nbd_client *client;
  unsigned number;
  pthread_t thread;
  bool has_thread;
  int wake;                     /* eventfd */
  struct nbd_handle *nbd;       /* only its thread uses this and the next */
  bool can_fua;

  /* Under client->lock: */
  bool ready;                   /* takes requests */
  bool was_ready;               /* ever */
  bool has_answered;            /* since it was ready */
  bool drop;                    /* its thread is to close it */
  bool is_mute;                 /* ... since it does not answer */
  struct nbd_requests queued, sent;
  unsigned load;                /* requests in both */
  uint64_t progress;            /* milliseconds: time of the last answer, or
                                 * of the first request sent after idling */
};

struct nbd_client {
  char *uri;
  uint64_t timeout, stall;      /* milliseconds */
  void (*log) (const char *text);
  bool (*is_right) (void *opaque, const void *block);
  void *opaque;

  pthread_mutex_t lock;         /* of all that follows; taken last */
  bool is_known;                /* the right disk said the next three; else
                                 * the last one that was connected to did */
  uint64_t size;
  bool can_trim;
  unsigned count;               /* of connections to make */
  bool started, stop;
  bool is_wrong;                /* the last first block was not right */
  unsigned wrongs;              /* how often that happened */
  bool reported_connected;      /* what the log said last */
  unsigned ready;               /* connections */
  uint64_t reconnects;
  struct nbd_requests waiting;
  struct nbd_connection connections[NBD_CONNECTIONS_MAX];
};

static inline bool
nbd_client_is_stopped (struct nbd_client *f)
{
  LOCK_FOR_SCOPE (&f->lock);
  return f->stop;
}

/* ---- nbd-client-queue.c; client->lock is held ---- */

/* Queue a request at a connection, or let it wait, or fail it. */
void nbd_request_submit (struct nbd_client *f, struct nbd_request *r);

/* The server does not answer C: drop that connection, and those that have no
 * requests, since they lead to the same server.
 */
void nbd_request_abandon (struct nbd_connection *c);

/* End a request, which is in no list, with the errno ERR or 0. */
void nbd_request_finish (struct nbd_request *r, int err, bool unsure);

/* ---- nbd-client-connection.c ---- */

enum nbd_connect_result {
  NBD_CONNECTED,
  NBD_UNREACHABLE,              /* the server may be away */
  NBD_UNSUITABLE,               /* the export can't be used as it is */
};

/* Connect; then the connection is not ready yet.  What is wrong is put in
 * ERROR of SIZE bytes.
 */
enum nbd_connect_result nbd_connection_open (struct nbd_connection *c,
                                             char *error, size_t size);

/* Send what is queued, and receive replies, waiting for them for up to a
 * second, or without a limit if nothing is sent.  Returns false when the
 * caller must close the connection.
 */
bool nbd_connection_step (struct nbd_connection *c);

/* Close it: its requests are submitted again, or fail.  Safe on a connection
 * that is closed.
 */
void nbd_connection_close (struct nbd_connection *c);

/* ---- nbd-client-thread.c ---- */

/* The thread of the connection OPAQUE. */
void *nbd_connection_run (void *opaque);

#endif /* NBDZRAM_BACKING_NBD_CLIENT_INTERNAL_H */
