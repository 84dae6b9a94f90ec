/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection whose client sends arbitrary bytes.
 *
 * The server's own code reads them from a socket pair, in a thread of its
 * own, and its replies are read to the end.  The input is the style of the
 * negotiation, then either bytes from the beginning of the handshake on, or
 * bytes after a valid handshake.
 */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "server/connections.h"
#include "server/transmission.h"
#include "service/exports.h"
#include "service/server.h"

#include "fuzz.h"

#define DISK "192K"
#define DISK_PAGES 48

/* The server is stuck if it neither replies nor closes for so long. */
#define HANG_MSEC 120000

const unsigned fuzz_inputs = 3000;

#define REQUIRE(cond)                                                   \
  do {                                                                  \
    if (!(cond)) {                                                      \
      fprintf (stderr, "line %d: %s\n", __LINE__, #cond);               \
      abort ();                                                         \
    }                                                                   \
  } while (0)

/* ---- the server ---- */

static struct server_settings settings;
static struct connection_settings connection = { .handshake_seconds = 60 };
static struct connections_options limits = { .max = 16 };

static void
ignore_line (const char *line)
{
  (void) line;
}

static const struct exports_host host = {
  .log = ignore_line, .debug = ignore_line, .get_peer = connections_get_peer,
  .sleep = connection_sleep, .disconnect = connections_disconnect,
  .disconnect_export = connections_end,
};

/* No memory of the server is left: a tool that looks for leaks would read the
 * whole address space of the pool, and so fill it.
 */
static void
end_server (void)
{
  server_stop ();
  server_close (&settings);
}

static void
start_server (void)
{
  static const char *const words[][2] = {
    { "size", DISK }, { "control", "off" }, { "policy", "off" },
    { "export", "other:size=64K" },
  };
  char error[SERVER_SETTINGS_ERROR];

  server_settings_init (&settings);
  for (size_t i = 0; i < ARRAY_SIZE (words); ++i)
    REQUIRE (server_settings_set (&settings, words[i][0], words[i][1], error,
                                  sizeof error) == 0);
  REQUIRE (server_settings_check (&settings, error, sizeof error) == 0);
  REQUIRE (server_open (&settings, &host) == 0);
  connections_init ();
  REQUIRE (server_start () == 0);
  connection.page_size = settings.pool.geometry.page_size;
  REQUIRE (connections_open (&connection, &limits) == 0);
  REQUIRE (atexit (end_server) == 0);
}

/* ---- the client ---- */

static uint8_t *
put_option (uint8_t *p, uint32_t type, const void *data, uint32_t length)
{
  p = nbd_put64 (p, NBD_OPTION_MAGIC);
  p = nbd_put32 (nbd_put32 (p, type), length);
  return mempcpy (p, data, length);
}

/* A valid handshake, which ends with GO. */
static uint8_t *
put_handshake (uint8_t *p, enum nbd_style style)
{
  uint8_t context[4 + 4 + 4 + 15], *c = nbd_put32 (context, 0);
  static const uint8_t go[4 + 2];

  p = nbd_put32 (p, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
  if (style != NBD_SIMPLE) {
    p = put_option (p, style == NBD_EXTENDED ? NBD_OPT_EXTENDED_HEADERS
                                             : NBD_OPT_STRUCTURED_REPLY,
                    "", 0);
    c = nbd_put32 (nbd_put32 (c, 1), 15);
    memcpy (c, "base:allocation", 15);
    p = put_option (p, NBD_OPT_SET_META_CONTEXT, context, sizeof context);
  }
  return put_option (p, NBD_OPT_GO, go, sizeof go);
}

/* Reads replies until nothing more comes at once.  Returns false at the
 * end.
 */
static bool
drain (int fd, int timeout)
{
  static uint8_t replies[64 * KIB];
  struct pollfd pfd = { .fd = fd, .events = POLLIN };

  while (poll (&pfd, 1, timeout) == 1) {
    ssize_t n = recv (fd, replies, sizeof replies, MSG_DONTWAIT);

    if (n == 0 || (n == -1 && errno != EAGAIN))
      return false;
  }
  return true;
}

/* Sends SIZE bytes, in pieces, and reads what the server replies. */
static void
converse (int fd, const uint8_t *data, size_t size)
{
  bool open = true;

  while (open && size > 0) {
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };
    ssize_t n;

    REQUIRE (poll (&pfd, 1, HANG_MSEC) == 1);
    n = send (fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n == -1)
      REQUIRE (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET);
    else {
      data += n;
      size -= (size_t) n;
    }
    open = (n != -1 || errno == EAGAIN) && drain (fd, 0);
  }
  shutdown (fd, SHUT_WR);
  REQUIRE (!drain (fd, HANG_MSEC));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static bool started;
  uint8_t valid[512], *end = valid;
  uint8_t *bytes;
  int fds[2];

  if (!started)
    start_server ();
  started = true;
  if (size == 0)
    return 0;
  if (data[0] % 4 != 3)
    end = put_handshake (valid, data[0] % 4);
  bytes = malloc ((size_t) (end - valid) + size);
  REQUIRE (bytes);
  memcpy (mempcpy (bytes, valid, (size_t) (end - valid)), data + 1, size - 1);
  REQUIRE (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  connections_accept (fds[1]);
  converse (fds[0], bytes, (size_t) (end - valid) + size - 1);
  close (fds[0]);
  REQUIRE (connections_wait (HANG_MSEC / 1000));
  free (bytes);
  return 0;
}

/* ---- examples ---- */

static uint8_t *
put_request (uint8_t *p, struct rng *rng, enum nbd_style style)
{
  uint16_t type = (uint16_t) rng_below (rng, 9), flags = 0;
  uint64_t offset = rng_below (rng, DISK_PAGES) * 4096 + rng_below (rng, 2);
  uint32_t length = type == NBD_CMD_WRITE
    ? (uint32_t) rng_below (rng, 600)
    : (uint32_t) rng_below (rng, rng_below (rng, 2) ? 5000 : 250000);

  /* The end of a connection comes by chance, too. */
  if (type == NBD_CMD_DISC && rng_below (rng, 8) != 0)
    type = NBD_CMD_READ;
  if (type == NBD_CMD_WRITE && style == NBD_EXTENDED)
    flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
  p = nbd_put32 (p, style == NBD_EXTENDED ? NBD_EXTENDED_REQUEST_MAGIC
                                          : NBD_REQUEST_MAGIC);
  p = nbd_put16 (nbd_put16 (p, flags), type);
  p = nbd_put64 (nbd_put64 (p, rng_next (rng)), offset);
  p = style == NBD_EXTENDED ? nbd_put64 (p, length) : nbd_put32 (p, length);
  if (type != NBD_CMD_WRITE)
    return p;
  memset (p, (int) rng_below (rng, 256), length);
  return p + length;
}

size_t
fuzz_example (uint8_t *buf, size_t size, struct rng *rng)
{
  enum nbd_style style = (enum nbd_style) rng_below (rng, 3);
  uint8_t *p = buf;
  bool whole = rng_below (rng, 3) == 0;

  *p++ = (uint8_t) (whole ? 3 : style);
  if (whole)
    p = put_handshake (p, style);
  while ((size_t) (p - buf) + 700 < size && rng_below (rng, 20) != 0)
    p = put_request (p, rng, style);
  return (size_t) (p - buf);
}
