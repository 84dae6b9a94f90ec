/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket of a server: requests and replies, a line of JSON
 * each, as nbdzram-control(7) describes them.
 *
 *   control-path    where sockets are; shared with the command nbdzram
 *   control-socket  one that is listened at
 *   control-peers   those who are connected: a thread that polls them
 *   control-worker  a thread for verbs that take long
 *   control-verbs   what can be asked, and whether it was asked properly
 *   control-status  ... and the answers, a file for each group of verbs
 *
 * Nothing here is on the path of an NBD request.  Nothing here knows
 * nbdkit either: errors come back as sentences.
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

/* What the server that has the control socket can do with its exports.
 * Functions return -1 with a sentence in ERROR.
 */
struct control_export {
  unsigned connections;
  uint64_t bandwidth;           /* bytes a second; 0: no limit */
  char algorithm[ALGORITHM_NAME_SIZE]; /* "": the pool's */
  char allow[DEVICE_SETTINGS_MAX + 1]; /* "": everybody */
};

struct control_exports {
  int (*add) (const char *name, const char *settings, char *error,
              size_t size);
  /* How many connections are cut, or -1. */
  int (*remove) (const char *name, bool force, char *error, size_t size);
  int (*resize) (const char *name, uint64_t bytes, char *error, size_t size);
  void (*look) (const struct device *d, struct control_export *view);
};

struct control_options {
  bool off;
  const char *path;             /* absolute; NULL: by name */
  const char *name;             /* valid; NULL: the first free zramN */
  bool late;                    /* clients wait for this server: it serves
                                 * whether it can have a socket or not */
  void (*log) (const char *text); /* of a thread: a sentence */
};

/* Bind the socket; before a fork.  0, or -1 with a sentence in ERROR.
 * OPTIONS stay until control_close.
 *
 * A server must serve where it can't be watched, so this fails only for
 * what a user has to change: another server has the name, there is no such
 * directory.  Where the directory is full or read-only, or OPTIONS are
 * late, *C has no socket yet, and the sentence says why, or is empty; its
 * thread tries again, also when the file has been removed.  Where nothing
 * was asked for and the default directory can't be used, *C is NULL.
 */
int control_open (struct control **c, const struct control_options *o,
                  char *error, size_t size);

/* What the server is called, and where its socket is; both are "" as long
 * as that is not known.
 */
const char *control_name (const struct control *c);
const char *control_socket_path (const struct control *c);

/* Added to the number of clients while there may be none. */
#define CLIENTS_BARRED (UINT32_C (1) << 31)

/* Serve, with threads that no signal wakes; after the fork.  The pool and
 * its maintainer have been started, and stay until control_close; CLIENTS
 * is how many use its disks at the moment.  0, or -1 with errno.
 */
int control_start (struct control *c, struct pool *pool,
                   struct maintainer *maintainer,
                   _Atomic unsigned *clients,
                   const struct control_exports *exports);

/* Interrupt what is going on, and remove the socket.  NULL does
 * nothing.
 */
void control_close (struct control *c);

#endif /* NBDZRAM_SERVICE_CONTROL_H */
