/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All connections, each with a thread of its own.
 *
 * A hardened server keeps some threads and connections ready: a client that
 * connects while memory is short needs none.
 */

#ifndef NBDZRAM_SERVER_CONNECTIONS_H
#define NBDZRAM_SERVER_CONNECTIONS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/store/devices.h"

#include "connection.h"

struct connections_options {
  unsigned max;                 /* connections at a time */
  unsigned max_of_address;      /* of one address; 0: no limit of its own */
};

/* How many threads a hardened server has ready, if requests MAY_WAIT. */
unsigned connections_threads (bool may_wait);

/* When it is known whether the server is hardened, and before any thread is
 * started that may end connections.
 */
void connections_init (void);

/* Prepare, after the fork.  S and O must stay.  Returns 0, or -1 with
 * errno.
 */
int connections_open (const struct connection_settings *s,
                      const struct connections_options *o);

/* Serve the client at the other end of FD, which belongs to this function.
 * Logs why, if it is refused.
 */
void connections_accept (int fd);

/* End the connections that use D, or with NULL all: as soon as the requests
 * that they have begun are done.  Returns at once.
 */
void connections_end (const struct device *d);

/* Wait until there are none.  Returns false after SECONDS. */
bool connections_wait (unsigned seconds);

/* Close what is left, although clients do not read their replies. */
void connections_abort (void);

/* The client of C has chosen D, which the connection detaches at its end. */
void connections_set_device (struct connection *c, struct device *d);

/* What exports need of the connection of this thread (exports.h). */
bool connections_get_peer (struct sockaddr_storage *addr);
void connections_disconnect (void);

#endif /* NBDZRAM_SERVER_CONNECTIONS_H */
