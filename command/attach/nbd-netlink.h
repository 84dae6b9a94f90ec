/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configures /dev/nbdN in the kernel by its generic netlink family "nbd".
 *
 * All functions return 0, or -1 with errno and a message in the netlink's
 * ERROR.  One thread at a time.  The kernel handles a call while it is sent,
 * so a call ends when the kernel is done.  After nbd_open no descriptor is
 * opened any more, and memory comes from malloc in pieces of some pages at
 * most.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_NBD_NETLINK_H
#define NBDZRAM_COMMAND_ATTACH_NBD_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl_sock;

struct nbd_netlink {
  struct nl_sock *socket;
  int family;
  bool answered;                /* the kernel has finished the request */
  int kernel_error;             /* ... with this errno */
  int index;                    /* of the device in its reply, or -1 */
  bool connected;               /* ... and its state */
  char error[160];
};

/* ENOENT where the kernel has no nbd. */
int nbd_open (struct nbd_netlink *nl);
void nbd_close_netlink (struct nbd_netlink *nl);

/* The parameters of a new connection. */
struct nbd_setup {
  int index;                    /* -1: the kernel chooses a free device */
  uint64_t size, block_size;    /* bytes */
  uint64_t timeout;             /* seconds until a request is sent again
                                 * over another connection */
  uint64_t dead_timeout;        /* seconds that a device without any live
                                 * connection keeps its requests */
  uint64_t server_flags;        /* NBD_FLAG_* of the handshake */
  const char *identifier;       /* names the owner; the kernel accepts new
                                 * sockets only with it */
};

/* Connects a device to COUNT sockets, and puts its number in *INDEX.
 * EBUSY: it is in use.  The kernel keeps references of its own to the
 * sockets.
 */
int nbd_connect (struct nbd_netlink *nl, const struct nbd_setup *setup,
                 const int *fds, unsigned count, int *index);

/* Offers a socket in place of a dead one.  Success does not mean that there
 * was a dead one: see watcher.h.
 */
int nbd_reconfigure (struct nbd_netlink *nl, int index,
                     const char *identifier, int fd);

/* Disconnects a device.  Its pending requests fail. */
int nbd_disconnect (struct nbd_netlink *nl, int index);

/* Is the device connected? */
int nbd_status (struct nbd_netlink *nl, int index, bool *connected);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_NETLINK_H */
