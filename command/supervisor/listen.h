/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets at which clients connect.  They are the supervisor's and
 * outlive its servers: who connects while there is none waits in the
 * queue of the socket, and is not refused.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_LISTEN_H
#define NBDZRAM_COMMAND_SUPERVISOR_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "service/control-path.h"

#define LISTENERS_MAX 8
#define LISTEN_URI_SIZE 512

struct listener {
  int fd;                       /* at KEPT_FD_MIN or beyond */
  char path[CONTROL_PATH_SIZE]; /* of a Unix socket, or "" */
  dev_t dev;                    /* what was bound there */
  ino_t ino;
  unsigned mode;                /* its permissions */
  char uri[LISTEN_URI_SIZE];    /* for clients */
};

/* Listen at ADDRESS: a path that begins with a slash, of a Unix socket
 * with the permissions MODE, or HOST:PORT, where the host may be missing
 * (all addresses), or in brackets (IPv6).  A name may mean several
 * addresses, so the list L, of which *COUNT are taken, may get several.
 * 0, or -1 with a line in ERROR.
 */
int listen_at (struct listener *l, unsigned *count, const char *address,
               unsigned mode, char *error, size_t size);

/* Can clients find it?  A Unix socket may have been removed. */
bool listener_is_there (const struct listener *l);

/* Listen at the same path with a new socket.  The old one is closed when
 * that succeeds.  0, or -1 with errno.
 */
int listener_renew (struct listener *l);

/* Fill in the address of L, of which only the descriptor is known.  A file
 * at its path is taken for its own.
 */
void listener_describe (struct listener *l);

/* Can other machines connect to it? */
bool listener_is_public (const struct listener *l);

/* Close it, and remove its file, if that is still the one that was bound. */
void listener_close (struct listener *l);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_LISTEN_H */
