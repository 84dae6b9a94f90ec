/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peers: programs that are connected to the control socket.  One thread
 * polls them and never waits for a single peer.
 *
 * Peers use bounded memory: there are at most PEERS_MAX, a request has at most
 * REQUEST_MAX bytes, and the thread reads nothing more from a peer until it
 * has taken its last reply.  When there are PEERS_MAX, a new peer replaces the
 * one that has been silent for longest.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_PEERS_H
#define NBDZRAM_SERVICE_CONTROL_PEERS_H

#include "control-verbs.h"

#define PEERS_MAX 16
#define REQUEST_MAX 65536       /* bytes, its newline included */

struct peers;

/* Returns the socket to listen on, which does not block and belongs to the
 * callee, or -1 while it is missing.  *NEXT_MS is the time in milliseconds
 * until the next call.
 */
typedef int (*peers_listener) (void *opaque, int *next_ms);

/* Serve the peers that connect to the socket that LISTENER returns; the thread
 * calls it.  Returns NULL with errno on an error.
 */
struct peers *peers_start (peers_listener listener, void *opaque,
                           struct control_context *context);

/* Close all connections and end the thread.  NULL does nothing. */
void peers_stop (struct peers *peers);

#endif /* NBDZRAM_SERVICE_CONTROL_PEERS_H */
