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

#define REQUEST_MAX 8192
#define REPLY_MAX 16384

enum awaited { AWAIT_NOTHING, AWAIT_UPGRADE, AWAIT_STOP };

struct supervisor_peer {
  int fd;                       /* -1: this entry is free */
  char request[REQUEST_MAX];
  size_t length;
  char reply[REPLY_MAX];
  size_t reply_length, sent;
  enum awaited awaited;
};

struct supervisor_control {
  struct control_socket socket; /* fd -1: it could not be bound yet */
  struct supervisor_peer peers[PEERS_MAX];
  int64_t accept_next;          /* milliseconds: no accept until then */
};

void supervisor_control_init (struct supervisor_control *c);

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
