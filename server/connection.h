/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection of a client, from its handshake to its end.
 *
 * A thread serves it (connections.h): handshake.c agrees with the client on
 * an export, then transmission.c serves requests.  Requests that would wait
 * are done by workers (workers.h).  execute.c executes a request in either
 * thread.
 */

#ifndef NBDZRAM_SERVER_CONNECTION_H
#define NBDZRAM_SERVER_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "lib/store/devices.h"

#include "buffer.h"
#include "channel.h"
#include "nbd-protocol.h"
#include "workers.h"

/* The largest read and write.  The specification wants this much. */
#define PAYLOAD_MAX (32 * 1024 * 1024)

/* What all connections have in common; constant while they are served. */
struct connection_settings {
  const char *default_export;   /* that the empty name means; or NULL */
  const struct tls_credentials *tls; /* or NULL */
  bool tls_required;
  bool read_only;
  unsigned handshake_seconds;
  struct busy_poll busy_poll;   /* of requests */
  uint32_t page_size;           /* of the pool */
  bool may_wait;                /* requests: the pool has a backing file */
  bool hardened;
};

struct connection {
  /* Constant while a client is served. */
  const struct connection_settings *settings;
  struct sockaddr_storage peer;

  struct channel channel;
  struct buffer input, output;
  struct workers workers;

  /* What the handshake agreed on. */
  struct device *device;
  enum nbd_style style;
  bool fixed_newstyle;          /* else EXPORT_NAME is the only option */
  bool no_zeroes;               /* after the reply to EXPORT_NAME */
  bool block_status;            /* base:allocation was chosen, ... */
  char block_status_of[NBD_STRING_MAX + 1]; /* ... for this export */

  _Atomic bool ended;           /* serve no further request */

  /* Of connections.c. */
  struct connection *next;
};

/* Wait until INPUT holds SIZE bytes in a row.  Returns 0, or -1 with errno;
 * EPIPE at the end of what the client sends.
 */
int connection_need (struct connection *c, size_t size);

/* Returns true when an export has been chosen, and false when the connection
 * is to be closed: *WHY is the reason, or NULL if the client has closed it.
 */
bool handshake (struct connection *c, const char **why);

/* Serve requests until the connection ends. */
void transmission (struct connection *c);

/* Execute R, whose payload is at PAYLOAD, and append the reply to OUTPUT.
 * Returns false if the request would wait and MAY_WAIT is false; then
 * nothing was appended.  Sets c->ended when the connection must end.
 */
bool execute (struct connection *c, struct buffer *output,
              const struct nbd_request *r, const uint8_t *payload,
              bool may_wait);

/* The connection that this thread serves, or NULL. */
extern _Thread_local struct connection *current_connection;

#endif /* NBDZRAM_SERVER_CONNECTION_H */
