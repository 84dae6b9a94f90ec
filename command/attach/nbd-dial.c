/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <libnbd.h>
#include <linux/nbd.h>

#include "command/base/clock.h"
#include "command/base/process.h"
#include "lib/base/util.h"
#include "service/parse-number.h"
#include "service/set-error.h"

#include "nbd-dial.h"

/* Missing in older headers. */
#ifndef NBD_FLAG_SEND_FUA
#define NBD_FLAG_SEND_FUA (1 << 3)
#endif

/* ---- addresses ---- */

static int
bad_uri (const char *uri, const char *why, char *error, size_t size)
{
  errno = EINVAL;
  return set_error (error, size, "%s: %s", uri, why);
}

static int
hex_digit_value (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copies the text between FROM and END, and decodes %41 in it. */
static int
decode_percent (char *to, size_t size, const char *from, const char *end)
{
  for (; from < end; ++from) {
    char c = *from;

    if (c == '%') {
      int high = end - from < 3 ? -1 : hex_digit_value (from[1]);
      int low = high < 0 ? -1 : hex_digit_value (from[2]);

      if (low < 0)
        return -1;
      c = (char) (high << 4 | low);
      from += 2;
    }
    if (size < 2 || c == '\0')
      return -1;
    *to++ = c;
    --size;
  }
  *to = '\0';
  return 0;
}

/* REST is [EXPORT]?socket=PATH. */
static int
resolve_unix (struct nbd_address *a, const char *uri, const char *rest,
              char *error, size_t size)
{
  struct sockaddr_un *address = (struct sockaddr_un *) &a->list[0];
  const char *query = strstr (rest, "?socket=");
  const char *path = query ? query + strlen ("?socket=") : NULL;

  if (!path)
    return bad_uri (uri, "?socket=PATH is missing", error, size);
  if (decode_percent (a->export_name, sizeof a->export_name, rest, query) == -1
      || decode_percent (address->sun_path, sizeof address->sun_path, path,
                 path + strcspn (path, "&#")) == -1
      || address->sun_path[0] != '/')
    return bad_uri (uri, "the socket's path must begin with a slash and "
                    "be shorter than 108 bytes", error, size);
  address->sun_family = AF_UNIX;
  a->length[0] = sizeof *address;
  a->count = 1;
  a->local = true;
  return 0;
}

static int
resolve_host (struct nbd_address *a, const char *host, const char *port,
              char *error, size_t size)
{
  const struct addrinfo hints = {
    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
  };
  struct addrinfo *list;
  int r = getaddrinfo (host, port, &hints, &list);

  if (r != 0) {
    snprintf (error, size, "%s: %s", host,
              r == EAI_SYSTEM ? strerror (errno) : gai_strerror (r));
    return fail_with (EHOSTUNREACH);
  }
  for (const struct addrinfo *i = list; i && a->count < NBD_ADDRESSES;
       i = i->ai_next) {
    memcpy (&a->list[a->count], i->ai_addr, i->ai_addrlen);
    a->length[a->count++] = i->ai_addrlen;
  }
  freeaddrinfo (list);
  return 0;
}

/* REST is HOST[:PORT]/[EXPORT], where the host may be [::1]. */
static int
resolve_tcp (struct nbd_address *a, const char *uri, const char *rest,
             char *error, size_t size)
{
  char host[256], port[8] = "10809";
  uint64_t number;
  const char *end = rest + strcspn (rest, "/?#"), *name = rest;
  const char *name_end = *rest == '[' ? memchr (rest, ']', end - rest)
                                      : memchr (rest, ':', end - rest);
  const char *after = name_end ? name_end : end;

  if (*rest == '[' && name_end) {
    name++;
    after++;
  }
  else if (*rest == '[')
    return bad_uri (uri, "']' is missing", error, size);
  if (after < end
      && (*after != ':'
          || decode_percent (port, sizeof port, after + 1, end) == -1
          || !parse_port (port, &number) || number == 0))
    return bad_uri (uri, "the port must be from 1 to 65535", error, size);
  if (decode_percent (host, sizeof host, name, name_end ? name_end : end) == -1
      || host[0] == '\0')
    return bad_uri (uri, "the host is missing", error, size);
  if (*end == '?' || *end == '#'
      || (*end == '/'
          && decode_percent (a->export_name, sizeof a->export_name, end + 1,
                     end + 1 + strcspn (end + 1, "?#")) == -1))
    return bad_uri (uri, "the export name is not valid", error, size);
  return resolve_host (a, host, port, error, size);
}

static const char *
after_prefix (const char *s, const char *prefix)
{
  size_t length = strlen (prefix);

  return strncmp (s, prefix, length) == 0 ? s + length : NULL;
}

int
nbd_resolve (struct nbd_address *a, const char *uri, char *error, size_t size)
{
  const char *rest;

  memset (a, 0, sizeof *a);
  if ((rest = after_prefix (uri, "nbd://")) != NULL)
    return resolve_tcp (a, uri, rest, error, size);
  if ((rest = after_prefix (uri, "nbd+unix:///")) != NULL)
    return resolve_unix (a, uri, rest, error, size);
  if (after_prefix (uri, "nbds"))
    return bad_uri (uri, "no TLS for swap: TLS needs a relay process, "
                    "which may itself wait for memory; use WireGuard or "
                    "IPsec", error, size);
  return bad_uri (uri, "not nbd://HOST[:PORT] or nbd+unix:///?socket=PATH",
                  error, size);
}

/* ---- one attempt ---- */

void
nbd_dial_end (struct nbd_dial *d)
{
  if (d->nbd)
    nbd_close (d->nbd);
  d->nbd = NULL;
  fd_close (&d->fd);
  fd_close (&d->result.pidfd);
}

void
nbd_dialed_close (struct nbd_dialed *d)
{
  fd_close (&d->fd);
  fd_close (&d->pidfd);
}

/* Ends the attempt with an error. */
static int
dial_failed (struct nbd_dial *d, int err, const char *what)
{
  nbd_dial_end (d);
  snprintf (d->error, sizeof d->error, "%s: %s", what, strerror (err));
  return fail_with (err);
}

/* The same with libnbd's message, without the function that it begins with. */
static int
handshake_failed (struct nbd_dial *d)
{
  int err = nbd_get_errno ();
  const char *message = nbd_get_error ();
  const char *colon = message ? strstr (message, ": ") : NULL;

  snprintf (d->error, sizeof d->error, "the handshake failed: %s",
            colon ? colon + 2 : message ? message : "unknown error");
  nbd_dial_end (d);
  return fail_with (err ? err : EPROTO);
}

void
nbd_dial_begin (struct nbd_dial *d, const struct nbd_address *a,
                int timeout_ms)
{
  *d = (struct nbd_dial) {
    .address = a, .fd = -1, .deadline = now_ms () + timeout_ms,
    .result = { .fd = -1, .pidfd = -1 },
  };
}

/* Keepalive finds out about a host that disappeared without closing the
 * connection, also while the device is idle.
 */
static void
set_tcp_options (int fd)
{
  const int on = 1, idle = 5, interval = 2, probes = 3;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

/* Connects to the next address that does not refuse at once. */
static int
connect_next (struct nbd_dial *d)
{
  const struct nbd_address *a = d->address;
  const int on = 1;
  int err = EHOSTUNREACH;

  fd_close (&d->fd);
  while (d->next < a->count) {
    unsigned i = d->next++;

    d->fd = socket (a->list[i].ss_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->fd == -1)
      return dial_failed (d, errno, "socket");
    if (a->local)
      setsockopt (d->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    else
      set_tcp_options (d->fd);
    d->connecting = true;
    if (connect (d->fd, (const struct sockaddr *) &a->list[i],
                 a->length[i]) == 0 || errno == EINPROGRESS)
      return 0;
    err = errno;
    fd_close (&d->fd);
  }
  return dial_failed (d, err, "connect");
}

/* 1: connected, 0: not yet, or -1. */
static int
finish_connect (struct nbd_dial *d)
{
  socklen_t length = sizeof (int);
  int err = 0;

  if (!fd_has_event (d->fd, POLLOUT))
    return 0;
  if (getsockopt (d->fd, SOL_SOCKET, SO_ERROR, &err, &length) == -1)
    err = errno;
  if (err == 0) {
    d->connecting = false;
    return 1;
  }
  if (d->next < d->address->count)
    return connect_next (d);
  return dial_failed (d, err, "connect");
}

/* Returns the process that sent the pending data, or 0. */
static pid_t
peek_sender (int fd)
{
  char byte;
  struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE (sizeof (struct ucred))];
  } control;
  struct msghdr msg = {
    .msg_iov = &iov, .msg_iovlen = 1,
    .msg_control = &control, .msg_controllen = sizeof control,
  };
  struct cmsghdr *c;
  struct ucred credentials;

  if (recvmsg (fd, &msg, MSG_PEEK | MSG_DONTWAIT) <= 0)
    return 0;
  c = CMSG_FIRSTHDR (&msg);
  if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
    return 0;
  memcpy (&credentials, CMSG_DATA (c), sizeof credentials);
  return credentials.pid;
}

/* Finds out which process sent the greeting.  The pidfd is opened while the
 * connection exists, so the number can't belong to a later process yet.
 */
static int
identify_server (struct nbd_dial *d)
{
  const int off = 0;
  struct nbd_dialed *r = &d->result;

  r->pid = peek_sender (d->fd);
  if (r->pid > 0)
    r->pidfd = (int) syscall (SYS_pidfd_open, r->pid, 0);
  if (fd_has_event (d->fd, POLLRDHUP))
    return dial_failed (d, ECONNRESET, "the server hung up");
  if (r->pidfd == -1)
    return dial_failed (d, r->pid > 0 ? errno : ESRCH,
                        "finding the process of the server");
  setsockopt (d->fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof off);
  return 0;
}

static int
start_handshake (struct nbd_dial *d)
{
  d->nbd = nbd_create ();
  if (!d->nbd)
    return handshake_failed (d);
  /* The kernel supports neither structured replies nor contexts. */
  if (nbd_set_request_structured_replies (d->nbd, false) == -1
      || nbd_set_full_info (d->nbd, true) == -1
      || nbd_set_export_name (d->nbd, d->address->export_name) == -1)
    return handshake_failed (d);
  if (nbd_aio_connect_socket (d->nbd, d->fd) == -1) {
    d->fd = -1;
    return handshake_failed (d);
  }
  d->fd = -1;
  return 0;
}

static uint64_t
kernel_flags (struct nbd_handle *nbd)
{
  uint64_t flags = NBD_FLAG_HAS_FLAGS;

  if (nbd_is_read_only (nbd) > 0)
    flags |= NBD_FLAG_READ_ONLY;
  if (nbd_can_flush (nbd) > 0)
    flags |= NBD_FLAG_SEND_FLUSH;
  if (nbd_can_fua (nbd) > 0)
    flags |= NBD_FLAG_SEND_FUA;
  if (nbd_can_trim (nbd) > 0)
    flags |= NBD_FLAG_SEND_TRIM;
  if (nbd_can_multi_conn (nbd) > 0)
    flags |= NBD_FLAG_CAN_MULTI_CONN;
  return flags;
}

/* It is written to a file and, in messages, to terminals. */
static void
copy_description (struct nbd_dial *d)
{
  char *text = nbd_get_export_description (d->nbd);
  char *c = d->result.description;

  snprintf (c, sizeof d->result.description, "%s", text ? text : "");
  for (; *c; ++c)
    if (*c < ' ' || *c > '~')
      *c = '?';
  free (text);
}

/* The connection is for the kernel from here on.  Closing libnbd's handle
 * sends nothing to the server.
 */
static int
take_connection (struct nbd_dial *d)
{
  int64_t size = nbd_get_size (d->nbd);
  int64_t least = nbd_get_block_size (d->nbd, LIBNBD_SIZE_MINIMUM);
  int fd, flags;

  if (size == -1)
    return handshake_failed (d);
  fd = fcntl (nbd_aio_get_fd (d->nbd), F_DUPFD_CLOEXEC, 0);
  if (fd == -1)
    return dial_failed (d, errno, "dup");
  flags = fcntl (fd, F_GETFL);
  fcntl (fd, F_SETFL, flags & ~O_NONBLOCK);
  d->result.fd = fd;
  d->result.size = (uint64_t) size;
  d->result.block_min = least > 0 ? (uint64_t) least : 1;
  d->result.flags = kernel_flags (d->nbd);
  copy_description (d);
  nbd_close (d->nbd);
  d->nbd = NULL;
  return 1;
}

static int
continue_handshake (struct nbd_dial *d)
{
  if (nbd_poll (d->nbd, 0) == -1)
    return handshake_failed (d);
  if (nbd_aio_is_ready (d->nbd))
    return take_connection (d);
  if (nbd_aio_is_dead (d->nbd) || nbd_aio_is_closed (d->nbd))
    return handshake_failed (d);
  return 0;
}

int
nbd_dial_step (struct nbd_dial *d)
{
  int r = 0;

  if (!d->nbd && d->fd == -1)
    r = connect_next (d);
  if (r == 0 && d->fd != -1 && d->connecting)
    r = finish_connect (d) == -1 ? -1 : 0;
  if (r == 0 && d->fd != -1 && !d->connecting
      && fd_has_event (d->fd, POLLIN)) {
    if (d->address->local)
      r = identify_server (d);
    if (r == 0)
      r = start_handshake (d);
  }
  if (r == 0 && d->nbd)
    r = continue_handshake (d);
  if (r == 0 && nbd_dial_left (d) == 0)
    return dial_failed (d, ETIMEDOUT, "the server does not answer");
  return r;
}

int
nbd_dial_fd (const struct nbd_dial *d, short *events)
{
  if (!d->nbd) {
    *events = d->connecting ? POLLOUT : POLLIN;
    return d->fd;
  }
  *events = nbd_aio_get_direction (d->nbd) & LIBNBD_AIO_DIRECTION_WRITE
            ? POLLIN | POLLOUT : POLLIN;
  return nbd_aio_get_fd (d->nbd);
}

int
nbd_dial_left (const struct nbd_dial *d)
{
  int64_t left = d->deadline - now_ms ();

  return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int) left;
}

int
nbd_dial (struct nbd_dial *d, const struct nbd_address *a, int timeout_ms)
{
  int r;

  nbd_dial_begin (d, a, timeout_ms);
  while ((r = nbd_dial_step (d)) == 0) {
    struct pollfd p = { .fd = -1 };

    p.fd = nbd_dial_fd (d, &p.events);
    poll (&p, 1, nbd_dial_left (d));
  }
  return r == 1 ? 0 : -1;
}
