/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connects to an NBD server and negotiates, for the kernel.
 *
 * New connections are needed when memory is short.  So an address is resolved
 * once, and dialing asks no name server, starts no thread, and waits only in
 * the caller's poll.
 *
 * On a Unix socket the kernel also names the process that sent the greeting,
 * which need not be the one that listened.  That process executes the
 * requests of the connection, and is the one to kill to end them.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_NBD_DIAL_H
#define NBDZRAM_COMMAND_ATTACH_NBD_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define NBD_ADDRESSES 8

struct nbd_address {
  struct sockaddr_storage list[NBD_ADDRESSES];
  socklen_t length[NBD_ADDRESSES];
  unsigned count;
  bool local;                   /* a Unix socket */
  char export_name[256];
};

/* Parses URI, nbd://HOST[:PORT]/[EXPORT] or
 * nbd+unix:///[EXPORT]?socket=PATH, and resolves the host.  TLS is refused,
 * since the connection is for swap.  0, or -1 with a line in ERROR.
 */
int nbd_resolve (struct nbd_address *a, const char *uri, char *error,
                 size_t size);

/* A negotiated connection. */
struct nbd_dialed {
  int fd;                       /* the caller's; blocking */
  int pidfd;                    /* the caller's; the server of a local
                                 * address, else -1 */
  pid_t pid;                    /* of the server, or 0 */
  uint64_t size;                /* of the export, bytes */
  uint64_t block_min;           /* the smallest request, bytes */
  uint64_t flags;               /* NBD_FLAG_*, as the kernel wants them */
  char description[128];        /* of the export, "" if it has none.  Our
                                 * servers put the identity of the pool
                                 * there.  Characters that are not printable
                                 * ASCII are '?' */
};

void nbd_dialed_close (struct nbd_dialed *d);

struct nbd_handle;

/* One attempt. */
struct nbd_dial {
  const struct nbd_address *address;
  unsigned next;                /* address to try */
  int64_t deadline;             /* CLOCK_MONOTONIC, ms */
  int fd;                       /* until libnbd takes it over; or -1 */
  bool connecting;
  struct nbd_handle *nbd;
  struct nbd_dialed result;
  char error[160];
};

/* Begins an attempt.  Errors are returned by nbd_dial_step. */
void nbd_dial_begin (struct nbd_dial *d, const struct nbd_address *a,
                     int timeout_ms);

/* What to poll for until nbd_dial_step is called again, at the latest after
 * nbd_dial_left ms.
 */
int nbd_dial_fd (const struct nbd_dial *d, short *events);
int nbd_dial_left (const struct nbd_dial *d); /* ms */

/* Continues the attempt.  1: connected, D->result is the caller's; 0: poll
 * and call it again; -1 with errno and a line in D->error.  After 1 and -1
 * there is nothing to end.
 */
int nbd_dial_step (struct nbd_dial *d);

/* Aborts an attempt. */
void nbd_dial_end (struct nbd_dial *d);

/* The whole attempt, and waits.  0, or -1 as nbd_dial_step. */
int nbd_dial (struct nbd_dial *d, const struct nbd_address *a,
              int timeout_ms);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_DIAL_H */
