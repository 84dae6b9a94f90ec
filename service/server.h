/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a server: its pool, backing file, exports, maintenance,
 * control socket and hardening.  A process has one server.  The program
 * around it, such as nbdkit's plugin, speaks the protocol.
 *
 * In this order: server_open, where errors can still be shown to the user;
 * perhaps a fork into the background; server_start; server_stop; and
 * server_close.
 */

#ifndef NBDZRAM_SERVICE_SERVER_H
#define NBDZRAM_SERVICE_SERVER_H

#include <stdbool.h>

#include "exports.h"
#include "server-settings.h"

/* Open what S names: pool, backing file and control socket.  Nothing large
 * is mapped yet.  S, which has been checked, and HOST must stay.  Returns 0,
 * or -1 after an error in the log.
 */
int server_open (struct server_settings *s, const struct exports_host *host);

/* Start to serve, with threads, after the fork.  The calling thread, and the
 * threads that it makes afterwards, are the ones that serve requests.
 * Returns 0, or -1 after an error in the log.
 */
int server_start (void);

/* Is the server hardened for swap?  Then each thread that serves requests
 * calls hardening_thread first.
 */
bool server_is_hardened (void);

/* May a client with the address PEER connect (allow=)?  If not, returns false
 * after a line in the log.
 */
bool server_permits (const struct sockaddr *peer);

/* Count a client, and let it use the export called NAME;
 * server_detach_client undoes both.  Returns NULL after an error in the log:
 * as exports_use, and while the disk is being reset.
 */
struct device *server_attach_client (const char *name);
void server_detach_client (struct device *d);

/* End the threads.  May be called at any time, and more than once. */
void server_stop (void);

/* Release everything, and S.  The server may not have been opened, or not
 * have started.
 */
void server_close (struct server_settings *s);

#endif /* NBDZRAM_SERVICE_SERVER_H */
