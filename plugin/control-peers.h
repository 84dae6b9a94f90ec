/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those who are connected to a control socket, served by one thread
 * that polls them and never waits for one.
 *
 * Whatever a peer does costs only bounded memory: there are PEERS_MAX of
 * them, a request has at most REQUEST_MAX bytes, and nothing more is
 * read from a peer until it has taken its last reply.  When all places
 * are taken, the peer that has been silent for longest loses its own.
 */

#ifndef NBDZRAM_CONTROL_PEERS_H
#define NBDZRAM_CONTROL_PEERS_H

#include "control-verbs.h"

#define PEERS_MAX 16
#define REQUEST_MAX 65536       /* bytes, its newline included */

struct peers;

/* Serve who connects to LISTENER, which is listening, not blocking, and
 * the caller's.  NULL with errno.
 */
struct peers *peers_start (int listener, struct control_context *context);

/* Close all connections and end the thread.  NULL does nothing. */
void peers_stop (struct peers *peers);

#endif /* NBDZRAM_CONTROL_PEERS_H */
