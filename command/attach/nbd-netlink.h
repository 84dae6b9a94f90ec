/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's side of /dev/nbdN, by its generic netlink family "nbd".
 *
 * All functions return 0, or -1 with errno and a line for people in the
 * netlink's ERROR.  One thread at a time.  Calls run in the kernel while
 * they are sent, so they end when the kernel is done; after nbd_open no
 * descriptor is opened any more, and memory comes from malloc in pieces of
 * some pages at most.
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
  bool answered;                /* the kernel is done with a request */
  int kernel_error;             /* ... and this is what it says, an errno */
  int index;                    /* which it named; -1: none */
  bool connected;               /* ... and of what state */
  char error[160];
};

/* ENOENT where the kernel has no nbd. */
int nbd_open (struct nbd_netlink *nl);
void nbd_close_netlink (struct nbd_netlink *nl);

/* What a device is set to when it is connected. */
struct nbd_setup {
  int index;                    /* -1: the kernel chooses a free one */
  uint64_t size, block_size;    /* bytes */
  uint64_t timeout;             /* seconds until a request is given up and
                                 * sent again */
  uint64_t dead_timeout;        /* seconds that a device without any live
                                 * connection keeps its requests */
  uint64_t server_flags;        /* NBD_FLAG_* of the handshake */
  const char *identifier;       /* whose device it is; the kernel takes no
                                 * sockets from those who don't know it */
};

/* Connect a device to COUNT sockets, and put its number in *INDEX.
 * EBUSY: it is in use.  The kernel keeps references of its own.
 */
int nbd_connect (struct nbd_netlink *nl, const struct nbd_setup *setup,
                 const int *fds, unsigned count, int *index);

/* Offer a socket in place of a dead one.  That it worked does not mean
 * that there was one: see watcher.h.
 */
int nbd_reconfigure (struct nbd_netlink *nl, int index,
                     const char *identifier, int fd);

/* Requests in flight fail. */
int nbd_disconnect (struct nbd_netlink *nl, int index);

int nbd_status (struct nbd_netlink *nl, int index, bool *connected);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_NETLINK_H */
