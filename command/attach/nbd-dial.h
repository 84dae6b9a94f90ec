/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New connections to an NBD server, negotiated, for the kernel.
 *
 * They are needed when memory is gone: so an address is resolved once,
 * and dialing asks no name server, starts no thread, and waits nowhere
 * but in the caller's poll.
 *
 * At a Unix socket the kernel also says who spoke: the process that sent
 * the greeting, whoever listened.  It is the one that executes the
 * requests of this connection, and the one to kill when that must end.
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

/* Read and resolve URI: nbd://HOST[:PORT]/[EXPORT], or
 * nbd+unix:///[EXPORT]?socket=PATH.  TLS is refused, as this is for swap.
 * 0, or -1 with a line in ERROR.
 */
int nbd_resolve (struct nbd_address *a, const char *uri, char *error,
                 size_t size);

/* A negotiated connection. */
struct nbd_dialed {
  int fd;                       /* the caller's; blocking */
  int pidfd;                    /* the caller's; the server, where the
                                 * address is local, else -1 */
  pid_t pid;                    /* its number, or 0 */
  uint64_t size;                /* of the export, bytes */
  uint64_t block_min;           /* the smallest request it takes, bytes */
  uint64_t flags;               /* NBD_FLAG_*, as the kernel wants them */
  char description[128];        /* of the export: which pool a server of
                                 * ours has; empty where there is none.
                                 * Of others' what is no printable ASCII
                                 * is '?' */
};

struct nbd_handle;

/* One attempt.  Its memory is the caller's. */
struct nbd_dial {
  const struct nbd_address *address;
  unsigned next;                /* of the addresses */
  int64_t deadline;             /* CLOCK_MONOTONIC, ms */
  int fd;                       /* until libnbd has it; -1: none */
  bool connecting;
  struct nbd_handle *nbd;
  struct nbd_dialed result;
  char error[160];
};

/* Begin.  Nothing can fail here that nbd_dial_step does not say. */
void nbd_dial_begin (struct nbd_dial *d, const struct nbd_address *a,
                     int timeout_ms);

/* What to poll for next; also call nbd_dial_step when
 * nbd_dial_left has passed.
 */
int nbd_dial_fd (const struct nbd_dial *d, short *events);
int nbd_dial_left (const struct nbd_dial *d); /* ms */

/* Go on.  1: D->result is the caller's; 0: poll; -1: it failed, with
 * errno and D->error; then there is nothing to end.
 */
int nbd_dial_step (struct nbd_dial *d);

/* Give an attempt up. */
void nbd_dial_end (struct nbd_dial *d);

/* All of it, waiting.  0, or -1 as nbd_dial_step. */
int nbd_dial (struct nbd_dial *d, const struct nbd_address *a,
              int timeout_ms);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_DIAL_H */
