/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those who are connected to a control socket, served by one thread
 * that polls them and never waits for one.
 *
 * Whatever a peer does costs only bounded memory: there are PEERS_MAX of
 * them, a request has at most REQUEST_MAX bytes, and nothing more is
 * read from a peer until it has taken its last reply.  When all places
 * are taken, the peer that has been silent for longest loses its own.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_PEERS_H
#define NBDZRAM_SERVICE_CONTROL_PEERS_H

#include "control-verbs.h"

#define PEERS_MAX 16
#define REQUEST_MAX 65536       /* bytes, its newline included */

struct peers;

/* The socket to listen on, which is not blocking and the caller's, or -1
 * when there is none; and in how many milliseconds to ask again.
 */
typedef int (*peers_listener) (void *opaque, int *next_ms);

/* Serve all that connect to LISTENER, which is called from the thread.  NULL
 * with errno.
 */
struct peers *peers_start (peers_listener listener, void *opaque,
                           struct control_context *context);

/* Close all connections and end the thread.  NULL does nothing. */
void peers_stop (struct peers *peers);

#endif /* NBDZRAM_SERVICE_CONTROL_PEERS_H */
