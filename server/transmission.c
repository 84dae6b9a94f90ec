/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transmission phase: one thread receives as many requests as there are,
 * executes them in order, and sends their replies together.
 *
 * nbdkit's threads take turns at the socket, and wake each other for each
 * request.  Here a request that comes alone costs one recv and one send, and
 * requests that come together share them.
 */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "lib/base/util.h"
#include "service/exports.h"
#include "service/hardening.h"
#include "service/log.h"
#include "service/requests.h"

#include "connection.h"
#include "transmission.h"

/* Replies are sent when there is so much of them, so that the client can work
 * on them meanwhile.
 */
#define SEND_AT (128 * 1024)

/* One more reply comes after those. */
_Static_assert (BUFFER_SIZE >= SEND_AT
                               + (KERNEL_REQUEST_KIB + HEADERS_KIB) * 1024,
                "a hardened server would need memory for a reply");

/* The payload of a request that is too large is skipped up to this length.
 * A client that sends more can't be trusted.
 */
#define SKIP_MAX (2 * (uint64_t) PAYLOAD_MAX)

int
connection_need (struct connection *c, size_t size)
{
  struct buffer *in = &c->input;

  while (buffer_used (in) < size) {
    ssize_t n;

    if (buffer_reserve (in, size) == -1)
      return -1;
    n = channel_receive (&c->channel, in->bytes + in->end, buffer_room (in));
    if (n == 0)
      errno = EPIPE;
    if (n == -1 && errno == EAGAIN && !c->ended)
      continue;
    if (n <= 0)
      return -1;
    in->end += (size_t) n;
  }
  return 0;
}

/* Sends the replies that there are. */
static void
send_replies (struct connection *c)
{
  struct buffer *out = &c->output;

  if (buffer_used (out) > 0
      && channel_send (&c->channel, out->bytes, out->end) == -1)
    c->ended = true;
  buffer_clear (out);
}

/* Waits for the next bytes.  Returns 0, or -1 when the connection ends. */
static int
receive (struct connection *c)
{
  struct buffer *in = &c->input;
  ssize_t n;

  /* At most the beginning of a header is moved. */
  buffer_reserve (in, in->size);
  for (;;) {
    n = channel_receive (&c->channel, in->bytes + in->end, buffer_room (in));
    if (n != -1 || errno != EAGAIN || c->ended)
      break;
    /* The client has been idle for some time. */
    if (!c->settings->hardened) {
      buffer_release (in);
      buffer_release (&c->output);
      workers_release (&c->workers);
    }
  }
  if (n <= 0)
    return -1;
  in->end += (size_t) n;
  return 0;
}

/* ---- one request ---- */

/* Skips the payload of a request that is refused. */
static int
skip_payload (struct connection *c, uint64_t length)
{
  struct buffer *in = &c->input;

  while (length > 0) {
    size_t now = MIN (length, buffer_used (in));

    in->start += now;
    length -= now;
    if (length > 0 && (buffer_clear (in), receive (c) == -1))
      return -1;
  }
  return 0;
}

static void
serve (struct connection *c, const struct nbd_request *r, size_t payload)
{
  const uint8_t *bytes = c->input.bytes + c->input.start;
  bool may_wait = !c->settings->may_wait;

  if (exports_begin_request (c->device,
                             r->type == NBD_CMD_READ
                             || r->type == NBD_CMD_WRITE
                             ? (uint32_t) r->length : 0) == -1)
    c->ended = true;
  else if (!execute (c, &c->output, r, bytes, may_wait)
           && !workers_hand_over (c, r, bytes, payload)) {
    /* It may take long: other replies don't wait for it. */
    send_replies (c);
    execute (c, &c->output, r, bytes, true);
  }
}

/* Refuses R, for which the specification has an error, or serves it. */
static int
check_and_serve (struct connection *c, const struct nbd_request *r,
                 uint64_t payload)
{
  const struct nbd_limits limits = {
    .size = c->device->size, .payload_max = PAYLOAD_MAX, .style = c->style,
    .read_only = c->settings->read_only, .block_status = c->block_status,
  };
  const char *why;
  enum nbd_error error = nbd_request_check (r, &limits, &why);

  if (error != 0) {
    if (payload > SKIP_MAX || skip_payload (c, payload) == -1)
      return -1;
    reply_error (&c->output, c->style, r, error, why);
    return 0;
  }
  if (connection_need (c, payload) == -1)
    return -1;
  serve (c, r, (size_t) payload);
  c->input.start += payload;
  return 0;
}

/* Serves the request whose header INPUT holds.  Returns -1 when the
 * connection is to end.
 */
static int
next_request (struct connection *c)
{
  struct buffer *in = &c->input;
  struct nbd_request r;
  uint64_t payload;

  if (!nbd_request_decode (in->bytes + in->start, c->style, &r)) {
    log_debug ("a client sent what is not a request");
    return -1;
  }
  in->start += nbd_request_size (c->style);
  if (r.type == NBD_CMD_DISC)
    return -1;
  payload = nbd_request_payload (&r, c->style);
  /* The rest of a large request may take a while. */
  if (payload > buffer_used (in))
    send_replies (c);
  return check_and_serve (c, &r, payload);
}

void
transmission (struct connection *c)
{
  size_t header = nbd_request_size (c->style);
  bool going_on = true;

  while (going_on && !c->ended) {
    if (buffer_used (&c->input) < header) {
      send_replies (c);
      going_on = !c->ended && receive (c) == 0;
    }
    else {
      going_on = next_request (c) == 0;
      if (buffer_used (&c->output) >= SEND_AT)
        send_replies (c);
    }
  }
  /* What was begun is done and answered, also when the server ends. */
  send_replies (c);
  if (c->settings->hardened)
    workers_drain (&c->workers);
  else
    workers_end (&c->workers);
}

/* ---- for exports ---- */

int
connection_sleep (unsigned nanoseconds)
{
  struct connection *c = current_connection;
  struct pollfd pfd = { .fd = c->channel.fd, .events = POLLRDHUP };
  struct timespec t = { .tv_nsec = nanoseconds };

  send_replies (c);
  return c->ended || ppoll (&pfd, 1, &t, NULL) != 0 ? -1 : 0;
}
