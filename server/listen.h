/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets at which clients connect.  They are the supervisor's and
 * outlive its servers: who connects while there is none waits in the
 * queue of the socket, and is not refused.
 */

#ifndef NBDZRAM_SERVER_LISTEN_H
#define NBDZRAM_SERVER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "control-path.h"

#define LISTENERS_MAX 8
#define LISTEN_URI_SIZE 512

struct listener {
  int fd;                       /* at KEPT_FD_MIN or beyond */
  char path[CONTROL_PATH_SIZE]; /* of a Unix socket, or "" */
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

/* Can other machines connect to it? */
bool listener_is_public (const struct listener *l);

/* Close it, and remove its file. */
void listener_close (struct listener *l);

#endif /* NBDZRAM_SERVER_LISTEN_H */
