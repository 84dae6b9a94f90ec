/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is between transmission.c and execute.c, and what exports need of a
 * connection.
 */

#ifndef NBDZRAM_SERVER_TRANSMISSION_H
#define NBDZRAM_SERVER_TRANSMISSION_H

#include "buffer.h"
#include "nbd-protocol.h"

/* Append to OUTPUT the reply to R that it failed with ERROR, because of WHY.
 * A buffer always has room for it.
 */
void reply_error (struct buffer *output, enum nbd_style style,
                  const struct nbd_request *r, enum nbd_error error,
                  const char *why);

/* Sleep in a request of the current connection.  Returns -1 if its client has
 * disconnected.
 */
int connection_sleep (unsigned nanoseconds);

#endif /* NBDZRAM_SERVER_TRANSMISSION_H */
