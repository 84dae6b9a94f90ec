/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection of nbd-load, and the requests that it has in flight. */

#ifndef NBDZRAM_BENCH_NBD_LOAD_H
#define NBDZRAM_BENCH_NBD_LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libnbd.h>

#include "measure.h"

enum op { OP_NONE, OP_READ, OP_WRITE, OP_TRIM };

struct load {
  char **uris;                  /* for one connection after the other */
  unsigned uri_count;
  enum op op;
  bool sequential;              /* once over the span, without a limit */
  bool batch;                   /* requests are sent together (batch_run) */
  uint32_t size;                /* of a request */
  unsigned depth, connections;  /* the depth is that of all together */
  uint64_t span;                /* bytes of the disk that are used */
  uint64_t count;               /* requests at most ... */
  double seconds;               /* ... and none begun after that */
  uint64_t seed;
  struct data data;
};

struct request {
  struct connection *c;
  uint8_t *buf;
  double start;
  struct request *next;         /* of those that are not in flight */
};

struct connection {
  const struct load *load;
  pthread_t thread;
  struct nbd_handle *nbd;
  struct request *requests, *idle;
  unsigned depth, in_flight;
  uint64_t prng;
  uint64_t count, started;
  double deadline;
  float *latencies;             /* of all requests done, in us */
  size_t done, room;
};

/* May C begin another request?  If so, load_begin takes one that is idle, and
 * tells its OFFSET and SIZE.
 */
bool load_another (const struct connection *c);
struct request *load_begin (struct connection *c, uint64_t *offset,
                            uint32_t *size);

/* What to write at OFFSET. */
const uint8_t *load_data (struct connection *c, uint64_t offset,
                          uint32_t size);

/* R is done. */
void load_done (struct request *r);

/* Load the server by C without libnbd, which has made the connection: all
 * requests that can be begun are sent by one call, and all replies that there
 * are come by one.  So the client takes little processor time.  libnbd has
 * several calls for each request.
 */
void batch_run (struct connection *c);

#endif /* NBDZRAM_BENCH_NBD_LOAD_H */
