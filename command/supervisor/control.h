/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.sup, the supervisor's control socket: one JSON object a line, as at
 * the server's NAME.ctl; nbdzram-serve(8) describes the verbs.
 *
 * A client that waits for an upgrade or for the end gets its reply when that
 * is over; until then none of its further requests is read.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_CONTROL_H
#define NBDZRAM_COMMAND_SUPERVISOR_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "service/control-socket.h"

/* Further clients wait in the queue of the socket. */
#define PEERS_MAX 16

struct pollfd;
struct supervisor;

struct supervisor_control {
  struct control_socket socket; /* fd -1: it could not be bound yet */
  struct supervisor_peer *peers; /* control.c */
  int64_t accept_next;          /* milliseconds: no accept until then */
};

/* Allocate what connections need; the socket is bound already.  Returns 0,
 * or -1 with errno.
 */
int supervisor_control_start (struct supervisor *s);

/* Store the descriptors to wait for in POLLS, which has room for
 * PEERS_MAX + 1.  Returns how many there are.
 */
unsigned supervisor_control_get_polls (const struct supervisor *s,
                                       struct pollfd *polls);

/* Accept clients, and execute the requests that have come. */
void supervisor_control_receive (struct supervisor *s);

/* Reply to the clients whose upgrade or stop is over, and send what can be
 * sent.  Returns when to receive again, in milliseconds, or 0: when
 * something comes.
 */
int64_t supervisor_control_reply (struct supervisor *s);

/* Is there a reply that has not been sent whole? */
bool supervisor_control_has_replies (const struct supervisor *s);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_CONTROL_H */
