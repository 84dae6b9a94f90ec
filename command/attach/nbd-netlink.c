/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/nbd-netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "lib/base/util.h"
#include "service/set-error.h"

#include "nbd-netlink.h"

static int
set_netlink_error (struct nbd_netlink *nl, int err, const char *what)
{
  if (err == EPERM || err == EACCES)
    snprintf (nl->error, sizeof nl->error,
              "%s: this needs root (CAP_SYS_ADMIN)", what);
  else
    snprintf (nl->error, sizeof nl->error, "%s: %s", what, strerror (err));
  return fail_with (err);
}

/* ---- replies ---- */

/* Reads the kernel's errno: libnl has fewer error codes. */
static int
on_error (struct sockaddr_nl *from, struct nlmsgerr *reply, void *opaque)
{
  struct nbd_netlink *nl = opaque;

  (void) from;
  nl->answered = true;
  nl->kernel_error = -reply->error;
  return NL_STOP;
}

static int
on_ack (struct nl_msg *msg, void *opaque)
{
  struct nbd_netlink *nl = opaque;

  (void) msg;
  nl->answered = true;
  return NL_STOP;
}

static void
parse_device_list (struct nbd_netlink *nl, struct nlattr *list)
{
  static struct nla_policy items[NBD_DEVICE_ITEM_MAX + 1] = {
    [NBD_DEVICE_ITEM] = { .type = NLA_NESTED },
  };
  static struct nla_policy policy[NBD_DEVICE_ATTR_MAX + 1] = {
    [NBD_DEVICE_INDEX] = { .type = NLA_U32 },
    [NBD_DEVICE_CONNECTED] = { .type = NLA_U8 },
  };
  struct nlattr *item[NBD_DEVICE_ITEM_MAX + 1];
  struct nlattr *device[NBD_DEVICE_ATTR_MAX + 1];

  if (nla_parse_nested (item, NBD_DEVICE_ITEM_MAX, list, items) < 0
      || !item[NBD_DEVICE_ITEM]
      || nla_parse_nested (device, NBD_DEVICE_ATTR_MAX,
                           item[NBD_DEVICE_ITEM], policy) < 0)
    return;
  if (device[NBD_DEVICE_INDEX])
    nl->index = (int) nla_get_u32 (device[NBD_DEVICE_INDEX]);
  if (device[NBD_DEVICE_CONNECTED])
    nl->connected = nla_get_u8 (device[NBD_DEVICE_CONNECTED]) != 0;
}

static int
on_reply (struct nl_msg *msg, void *opaque)
{
  static struct nla_policy policy[NBD_ATTR_MAX + 1] = {
    [NBD_ATTR_INDEX] = { .type = NLA_U32 },
    [NBD_ATTR_DEVICE_LIST] = { .type = NLA_NESTED },
  };
  struct nbd_netlink *nl = opaque;
  struct nlattr *attrs[NBD_ATTR_MAX + 1];

  if (genlmsg_parse (nlmsg_hdr (msg), 0, attrs, NBD_ATTR_MAX, policy) < 0)
    return NL_SKIP;
  if (attrs[NBD_ATTR_INDEX])
    nl->index = (int) nla_get_u32 (attrs[NBD_ATTR_INDEX]);
  if (attrs[NBD_ATTR_DEVICE_LIST])
    parse_device_list (nl, attrs[NBD_ATTR_DEVICE_LIST]);
  return NL_OK;
}

/* ---- requests ---- */

/* A message about /dev/nbdINDEX or, for -1, about none.  NULL: no memory. */
static struct nl_msg *
new_message (struct nbd_netlink *nl, uint8_t command, int index)
{
  struct nl_msg *msg = nlmsg_alloc ();

  if (msg && genlmsg_put (msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0, 0,
                          command, NBD_GENL_VERSION)
      && (index < 0
          || nla_put_u32 (msg, NBD_ATTR_INDEX, (uint32_t) index) == 0))
    return msg;
  if (msg)
    nlmsg_free (msg);
  return NULL;
}

static int
append_sockets (struct nl_msg *msg, const int *fds, unsigned count)
{
  struct nlattr *list = nla_nest_start (msg, NBD_ATTR_SOCKETS);

  if (!list)
    return -1;
  for (unsigned i = 0; i < count; ++i) {
    struct nlattr *item = nla_nest_start (msg, NBD_SOCK_ITEM);

    if (!item || nla_put_u32 (msg, NBD_SOCK_FD, (uint32_t) fds[i]) < 0)
      return -1;
    nla_nest_end (msg, item);
  }
  nla_nest_end (msg, list);
  return 0;
}

/* Sends MSG, which is freed, and waits for the ack of the kernel.  A reply
 * is a message before the ack.  Errors begin with DEVICE and, unless it is -1,
 * INDEX.
 */
static int
send_message (struct nbd_netlink *nl, struct nl_msg *msg, const char *device,
              int index)
{
  char what[48];
  int r;

  nl->answered = false;
  nl->kernel_error = 0;
  r = nl_send_auto (nl->socket, msg);
  nlmsg_free (msg);
  while (r >= 0 && !nl->answered)
    r = nl_recvmsgs_default (nl->socket);
  snprintf (what, sizeof what, index < 0 ? "%s" : "%s%d", device, index);
  if (nl->kernel_error != 0)
    return set_netlink_error (nl, nl->kernel_error, what);
  if (r >= 0)
    return 0;
  errno = r == -NLE_NOMEM ? ENOMEM : EIO;
  return set_error (nl->error, sizeof nl->error, "%s: netlink: %s", what,
                    nl_geterror (r));
}

/* MSG could not be built, and is freed. */
static int
message_no_memory (struct nbd_netlink *nl, struct nl_msg *msg)
{
  if (msg)
    nlmsg_free (msg);
  return set_netlink_error (nl, ENOMEM, "netlink");
}

int
nbd_connect (struct nbd_netlink *nl, const struct nbd_setup *setup,
             const int *fds, unsigned count, int *index)
{
  struct nl_msg *msg = new_message (nl, NBD_CMD_CONNECT, setup->index);

  if (!msg
      || nla_put_u64 (msg, NBD_ATTR_SIZE_BYTES, setup->size) < 0
      || nla_put_u64 (msg, NBD_ATTR_BLOCK_SIZE_BYTES, setup->block_size) < 0
      || nla_put_u64 (msg, NBD_ATTR_TIMEOUT, setup->timeout) < 0
      || nla_put_u64 (msg, NBD_ATTR_DEAD_CONN_TIMEOUT,
                      setup->dead_timeout) < 0
      || nla_put_u64 (msg, NBD_ATTR_SERVER_FLAGS, setup->server_flags) < 0
      || nla_put_string (msg, NBD_ATTR_BACKEND_IDENTIFIER,
                         setup->identifier) < 0
      || append_sockets (msg, fds, count) == -1)
    return message_no_memory (nl, msg);
  nl->index = -1;
  if (send_message (nl, msg, "connecting /dev/nbd", -1) == -1) {
    if (errno == EBUSY)
      snprintf (nl->error, sizeof nl->error, "/dev/nbd%d is in use",
                setup->index);
    return -1;
  }
  if (nl->index < 0)
    return set_netlink_error (nl, EPROTO, "the kernel did not return the "
                              "number of the device");
  *index = nl->index;
  return 0;
}

int
nbd_reconfigure (struct nbd_netlink *nl, int index, const char *identifier,
                 int fd)
{
  struct nl_msg *msg = new_message (nl, NBD_CMD_RECONFIGURE, index);

  if (!msg
      || nla_put_string (msg, NBD_ATTR_BACKEND_IDENTIFIER, identifier) < 0
      || append_sockets (msg, &fd, 1) == -1)
    return message_no_memory (nl, msg);
  return send_message (nl, msg, "a new socket for /dev/nbd", index);
}

int
nbd_disconnect (struct nbd_netlink *nl, int index)
{
  struct nl_msg *msg = new_message (nl, NBD_CMD_DISCONNECT, index);

  return msg ? send_message (nl, msg, "disconnecting /dev/nbd", index)
    : message_no_memory (nl, msg);
}

int
nbd_status (struct nbd_netlink *nl, int index, bool *connected)
{
  struct nl_msg *msg = new_message (nl, NBD_CMD_STATUS, index);

  if (!msg)
    return message_no_memory (nl, msg);
  nl->connected = false;
  if (send_message (nl, msg, "the state of /dev/nbd", index) == -1)
    return -1;
  *connected = nl->connected;
  return 0;
}

/* ---- opening ---- */

static int
find_family (struct nbd_netlink *nl)
{
  nl->family = genl_ctrl_resolve (nl->socket, NBD_GENL_FAMILY_NAME);
  if (nl->family >= 0)
    return 0;
  if (nl->family != -NLE_OBJ_NOTFOUND)
    return set_netlink_error (nl, EIO, nl_geterror (nl->family));
  errno = ENOENT;
  return set_error (nl->error, sizeof nl->error,
                    "this kernel has no nbd: modprobe nbd");
}

int
nbd_open (struct nbd_netlink *nl)
{
  int err;

  *nl = (struct nbd_netlink) { .index = -1 };
  nl->socket = nl_socket_alloc ();
  if (!nl->socket)
    return set_netlink_error (nl, ENOMEM, "netlink");
  if (genl_connect (nl->socket) < 0) {
    set_netlink_error (nl, EPROTONOSUPPORT, "netlink");
    goto failed;
  }
  if (find_family (nl) == -1)
    goto failed;
  if (nl_socket_modify_cb (nl->socket, NL_CB_VALID, NL_CB_CUSTOM, on_reply,
                           nl) == 0
      && nl_socket_modify_cb (nl->socket, NL_CB_ACK, NL_CB_CUSTOM, on_ack,
                              nl) == 0
      && nl_socket_modify_err_cb (nl->socket, NL_CB_CUSTOM, on_error,
                                  nl) == 0)
    return 0;
  set_netlink_error (nl, EINVAL, "netlink");
 failed:
  err = errno;
  nbd_close_netlink (nl);
  return fail_with (err);
}

void
nbd_close_netlink (struct nbd_netlink *nl)
{
  if (nl->socket)
    nl_socket_free (nl->socket);
  nl->socket = NULL;
}
