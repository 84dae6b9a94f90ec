/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "server/nbd-protocol.h"

#include "nbd-load.h"

struct batch {
  struct connection *c;
  int fd;
  uint8_t *out, *in;
  size_t in_size, have;         /* received, and not read yet */
};

/* ---- requests ---- */

static uint8_t *
put_request (struct connection *c, uint8_t *p)
{
  enum op op = c->load->op;
  uint64_t offset;
  uint32_t size;
  struct request *r = load_begin (c, &offset, &size);

  p = nbd_put32 (p, NBD_REQUEST_MAGIC);
  p = nbd_put16 (p, 0);
  p = nbd_put16 (p, op == OP_READ ? NBD_CMD_READ : NBD_CMD_WRITE);
  p = nbd_put64 (p, (uint64_t) (r - c->requests));
  p = nbd_put64 (p, offset);
  p = nbd_put32 (p, size);
  return op == OP_READ ? p : mempcpy (p, load_data (c, offset, size), size);
}

static void
send_requests (struct batch *b)
{
  uint8_t *end = b->out;

  while (load_another (b->c))
    end = put_request (b->c, end);
  for (const uint8_t *p = b->out; p < end;) {
    ssize_t n = send (b->fd, p, (size_t) (end - p), MSG_NOSIGNAL);

    if (n == -1)
      err (EXIT_FAILURE, "send");
    p += n;
  }
}

/* ---- replies ---- */

static void
receive_replies (struct batch *b)
{
  struct connection *c = b->c;
  size_t size = NBD_SIMPLE_REPLY_SIZE
    + (c->load->op == OP_READ ? c->load->size : 0);
  ssize_t n = recv (b->fd, b->in + b->have, b->in_size - b->have, 0);
  const uint8_t *p = b->in;

  if (n <= 0)
    err (EXIT_FAILURE, "recv");
  for (b->have += (size_t) n; b->have >= size; b->have -= size) {
    uint64_t cookie = nbd_get64 (p + 8);

    if (nbd_get32 (p) != NBD_SIMPLE_REPLY_MAGIC || nbd_get32 (p + 4) != 0
        || cookie >= c->depth)
      errx (EXIT_FAILURE, "the server failed a request");
    load_done (&c->requests[cookie]);
    p += size;
  }
  memmove (b->in, p, b->have);
}

static void
make_blocking (int fd)
{
  int flags = fcntl (fd, F_GETFL);

  if (flags == -1 || fcntl (fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
    err (EXIT_FAILURE, "fcntl");
}

void
batch_run (struct connection *c)
{
  size_t most = c->depth * (NBD_REQUEST_SIZE + (size_t) c->load->size);
  struct batch b = {
    .c = c, .fd = nbd_aio_get_fd (c->nbd), .out = must_alloc (most),
    .in = must_alloc (most), .in_size = most,
  };

  make_blocking (b.fd);
  for (;;) {
    send_requests (&b);
    if (c->in_flight == 0)
      break;
    receive_replies (&b);
  }
  free (b.out);
  free (b.in);
}
