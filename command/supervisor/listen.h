/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets to which clients connect.  They belong to the supervisor and
 * outlive its servers: a client that connects while no server runs waits in
 * the queue of the socket, and is not refused.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_LISTEN_H
#define NBDZRAM_COMMAND_SUPERVISOR_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/control-path.h"

#define LISTENERS_MAX 8
#define LISTEN_URI_SIZE 512

struct listener {
  int fd;                       /* at KEPT_FD_MIN or above */
  char path[CONTROL_PATH_SIZE]; /* of a Unix socket, or "" */
  dev_t dev;                    /* the file that was bound there */
  ino_t ino;                    /* 0: not known, it must be renewed */
  unsigned mode;                /* permissions of the file */
  char uri[LISTEN_URI_SIZE];    /* for clients */
};

struct listeners {
  struct listener list[LISTENERS_MAX];
  unsigned count;
  uint64_t renewals;            /* how often a socket was created again */
};

/* Listen at ADDRESS: an absolute path, of a Unix socket with the permissions
 * MODE; or HOST:PORT, where the host may be missing (all addresses) or in
 * brackets (IPv6).  A host name may have several addresses, so this may add
 * several listeners.  Returns 0, or -1 with a message in ERROR.
 */
int listeners_open (struct listeners *l, const char *address, unsigned mode,
                    char *error, size_t size);

/* Can clients find the socket?  Its file may have been removed. */
bool listener_is_linked (const struct listener *l);

/* Listen at the same path with a new socket, and close the old one.  Returns
 * 0, or -1 with errno; then L has not changed.
 */
int listener_renew (struct listener *l);

/* Set path, mode and URI of L from its descriptor.  If there is a file at
 * the path, it is taken for the socket's own.
 */
void listener_describe (struct listener *l);

/* Can other machines connect? */
bool listener_is_public (const struct listener *l);

/* Close the socket, and remove its file, unless it was replaced. */
void listener_close (struct listener *l);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_LISTEN_H */
