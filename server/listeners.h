/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets to which clients connect. */

#ifndef NBDZRAM_SERVER_LISTENERS_H
#define NBDZRAM_SERVER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#define LISTENERS_MAX 16

/* Where to listen. */
struct listen_options {
  const char *socket;           /* path of a Unix socket; "-" for one in a
                                 * directory of its own; or NULL */
  const char *port;             /* NULL: NBD's own */
  const char *addresses[LISTENERS_MAX]; /* all zero: all addresses */
  unsigned address_count;
  bool vsock;
};

struct listeners {
  int fds[LISTENERS_MAX];
  unsigned count;
  char *path;                   /* of the Unix socket, which this process
                                 * removes at the end; or NULL */
  char directory[64];           /* for "-"; removed, too */
  char uri[512];                /* of the first one, without an export */
};

/* Listen where O says, unless the service manager has passed sockets
 * (LISTEN_FDS).  Returns 0, or -1 with a line in ERROR.
 */
int listeners_open (struct listeners *l, const struct listen_options *o,
                    char *error, size_t size);

/* Stop listening. */
void listeners_close (struct listeners *l);

#endif /* NBDZRAM_SERVER_LISTENERS_H */
