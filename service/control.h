/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket of a server: requests and replies, a line of JSON
 * each, as nbdzram-control(7) describes them.
 *
 *   control-path    the paths of sockets; shared with the command nbdzram
 *   control-socket  a listening socket
 *   control-peers   the connected clients: a thread that polls them
 *   control-worker  a thread for verbs that take long
 *   control-verbs   the table of verbs, and the check of requests
 *   control-status  ... and the replies, a file for each group of verbs
 *
 * Nothing here is on the path of an NBD request.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_H
#define NBDZRAM_SERVICE_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/maintenance/maintainer.h"
#include "lib/store/pool.h"

struct control;

struct control_options {
  bool off;
  const char *path;             /* absolute; NULL: by name */
  const char *name;             /* valid; NULL: the first free zramN */
  bool late;                    /* clients wait for this server: it serves
                                 * whether it can have a socket or not */
  void (*log) (const char *text); /* of a thread: a sentence */
};

/* Bind the socket; before a fork.  Returns 0, or -1 with a sentence in ERROR.
 * O must stay until control_close.
 *
 * A server must serve also without a control socket, so this fails only if the
 * user has to change something: another server has the name, or the directory
 * does not exist.  If the directory is full or read-only, or O->late, *C has
 * no socket yet, and ERROR has the reason or is empty; the thread tries again,
 * also when the file has been removed.  *C is NULL if neither a path nor a
 * name was given and the default directory can't be used.
 */
int control_open (struct control **c, const struct control_options *o,
                  char *error, size_t size);

/* The name of the server and the path of its socket; both are "" while they
 * are not known.
 */
const char *control_name (const struct control *c);
const char *control_socket_path (const struct control *c);

/* Added to the number of clients while no client may connect. */
#define CLIENTS_BARRED (UINT32_C (1) << 31)

/* Start the threads, with all signals blocked; after the fork.  The pool and
 * its maintainer have been started, and stay until control_close.  CLIENTS is
 * the number of connected clients.  Returns 0, or -1 with errno.
 */
int control_start (struct control *c, struct pool *pool,
                   struct maintainer *maintainer,
                   _Atomic unsigned *clients);

/* Cancel running verbs, end the threads and remove the socket.  NULL does
 * nothing.
 */
void control_close (struct control *c);

#endif /* NBDZRAM_SERVICE_CONTROL_H */
