/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fake netlink for the watcher: its requests go to nbd-kernel, at the socket
 * $FAKE_KERNEL.
 */

#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "command/attach/nbd-netlink.h"

#include "kernel.h"

int
nbd_open (struct nbd_netlink *nl)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };

  *nl = (struct nbd_netlink) { .index = -1 };
  nl->family = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  strncpy (a.sun_path, getenv ("FAKE_KERNEL"), sizeof a.sun_path - 1);
  if (connect (nl->family, (struct sockaddr *) &a, sizeof a) == 0)
    return 0;
  snprintf (nl->error, sizeof nl->error, "$FAKE_KERNEL does not answer");
  return -1;
}

void
nbd_close_netlink (struct nbd_netlink *nl)
{
  close (nl->family);
}

static int
send_request (struct nbd_netlink *nl, const struct fake_request *r,
              const int *fds, unsigned count)
{
  struct iovec iov = {
    .iov_base = (void *) (uintptr_t) r, .iov_len = sizeof *r,
  };
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE (FAKE_FDS * sizeof (int))];
  } control = { .room = { 0 } };
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
  struct fake_reply reply = { .error = EIO };

  if (count > 0) {
    struct cmsghdr *c = &control.align;

    msg.msg_control = &control;
    msg.msg_controllen = CMSG_SPACE (count * sizeof (int));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN (count * sizeof (int));
    memcpy (CMSG_DATA (c), fds, count * sizeof (int));
  }
  if (sendmsg (nl->family, &msg, MSG_NOSIGNAL) == -1
      || recv (nl->family, &reply, sizeof reply, 0) != sizeof reply)
    reply.error = EIO;
  nl->connected = reply.connected;
  if (reply.error == 0)
    return 0;
  snprintf (nl->error, sizeof nl->error, "the kernel: %s",
            strerror (reply.error));
  errno = reply.error;
  return -1;
}

int
nbd_connect (struct nbd_netlink *nl, const struct nbd_setup *setup,
             const int *fds, unsigned count, int *index)
{
  struct fake_request r = {
    .command = FAKE_CONNECT, .size = setup->size,
    .timeout = setup->timeout,
  };

  snprintf (r.identifier, sizeof r.identifier, "%s", setup->identifier);
  *index = 0;
  return send_request (nl, &r, fds, count);
}

int
nbd_reconfigure (struct nbd_netlink *nl, int index, const char *identifier,
                 int fd)
{
  struct fake_request r = { .command = FAKE_RECONFIGURE };

  (void) index;
  snprintf (r.identifier, sizeof r.identifier, "%s", identifier);
  return send_request (nl, &r, &fd, 1);
}

int
nbd_disconnect (struct nbd_netlink *nl, int index)
{
  const struct fake_request r = { .command = FAKE_DISCONNECT };

  (void) index;
  return send_request (nl, &r, NULL, 0);
}

int
nbd_status (struct nbd_netlink *nl, int index, bool *connected)
{
  const struct fake_request r = { .command = FAKE_STATUS };

  (void) index;
  if (send_request (nl, &r, NULL, 0) == -1)
    return -1;
  *connected = nl->connected;
  return 0;
}
