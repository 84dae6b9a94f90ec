/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/base/process.h"
#include "lib/base/util.h"
#include "service/control-socket.h"
#include "service/parse-number.h"

#include "listen.h"

/* When a server has died, all connections of all clients may come at once. */
#define BACKLOG 1024

static int
fail_listen (const char *address, const char *why, char *error, size_t size)
{
  snprintf (error, size, "listen=%s: %s", address, why);
  return -1;
}

/* ---- Unix ---- */

/* Remove the socket at PATH if no process listens there. */
static int
remove_dead_socket (const char *path)
{
  struct stat st;
  int alive;

  if (lstat (path, &st) == -1)
    return errno == ENOENT ? 0 : -1;
  if (!S_ISSOCK (st.st_mode))
    return fail_with (EEXIST);
  alive = control_socket_is_alive (path);
  if (alive == 0)
    return unlink (path);
  if (alive == 1 || !control_socket_error_may_pass (errno))
    errno = EADDRINUSE;
  return -1;
}

/* A path may have characters that a URI must escape. */
static void
make_unix_uri (char *uri, const char *path)
{
  int n = sprintf (uri, "nbd+unix:///?socket=");

  for (; *path && n < LISTEN_URI_SIZE - 4; ++path)
    if (strchr ("%#&+ ?\"", *path) || (unsigned char) *path <= ' ')
      n += sprintf (uri + n, "%%%02X", (unsigned char) *path);
    else
      uri[n++] = *path;
  uri[n] = '\0';
}

static int
listen_unix (struct listener *l, const char *path, unsigned mode)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  struct stat st;

  if (strlen (path) >= sizeof addr.sun_path)
    return fail_with (ENAMETOOLONG);
  strcpy (addr.sun_path, path);
  if (remove_dead_socket (path) == -1)
    return -1;
  l->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (l->fd == -1 || (l->fd = fd_keep (l->fd)) == -1)
    return -1;
  /* The file takes its mode from the socket. */
  if (fchmod (l->fd, mode) == -1
      || bind (l->fd, (const struct sockaddr *) &addr, sizeof addr) == -1)
    return -1;
  strcpy (l->path, path);
  make_unix_uri (l->uri, path);
  l->mode = mode;
  if (listen (l->fd, BACKLOG) == -1 || lstat (path, &st) == -1) {
    unlink (path);
    return -1;
  }
  l->dev = st.st_dev;
  l->ino = st.st_ino;
  return 0;
}

/* ---- TCP ---- */

/* Split "HOST:PORT"; *HOST is NULL if it is missing. */
static int
split_address (char *text, const char **host, const char **port)
{
  char *colon = strrchr (text, ':'), *end;

  if (!colon || colon[1] == '\0')
    return -1;
  *colon = '\0';
  *port = colon + 1;
  *host = text;
  if (text[0] == '[') {
    end = strchr (text, ']');
    if (!end || end[1] != '\0')
      return -1;
    *end = '\0';
    *host = text + 1;
  }
  else if (strchr (text, ':'))
    return -1;
  if ((*host)[0] == '\0')
    *host = NULL;
  return 0;
}

/* Is PORT the name of a service, or the number of a port?  For port 0 the
 * kernel chooses one.
 */
static bool
is_valid_port (const char *port)
{
  uint64_t number;

  for (const char *p = port; *p; ++p)
    if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')
      return true;
  return parse_port (port, &number);
}

static int
listen_tcp (struct listener *l, const struct addrinfo *a)
{
  const int on = 1;

  l->fd = socket (a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (l->fd == -1 || (l->fd = fd_keep (l->fd)) == -1)
    return -1;
  if (setsockopt (l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1
      || (a->ai_family == AF_INET6
          && setsockopt (l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)
             == -1)
      || bind (l->fd, a->ai_addr, a->ai_addrlen) == -1)
    return -1;
  return listen (l->fd, BACKLOG);
}

static void
make_tcp_uri (struct listener *l)
{
  struct sockaddr_storage addr;
  socklen_t len = sizeof addr;
  char host[256], port[32];

  if (getsockname (l->fd, (struct sockaddr *) &addr, &len) == -1
      || getnameinfo ((struct sockaddr *) &addr, len, host, sizeof host, port,
                      sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    strcpy (host, strcpy (port, "?"));
  snprintf (l->uri, sizeof l->uri,
            strchr (host, ':') ? "nbd://[%s]:%s" : "nbd://%s:%s", host, port);
}

static int
listen_addresses (struct listeners *listeners, const struct addrinfo *a)
{
  unsigned first = listeners->count;

  errno = EADDRNOTAVAIL;
  for (; a && listeners->count < LISTENERS_MAX; a = a->ai_next) {
    struct listener *l = &listeners->list[listeners->count];

    *l = (struct listener) { .fd = -1 };
    if (listen_tcp (l, a) == 0) {
      make_tcp_uri (l);
      ++listeners->count;
      continue;
    }
    fd_close (&l->fd);
    /* A machine may have no IPv6, though its libraries do. */
    if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
      return -1;
  }
  return listeners->count > first ? 0 : -1;
}

static int
listen_host (struct listeners *listeners, const char *address, char *error,
             size_t size)
{
  const struct addrinfo hints = {
    .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE,
  };
  const char *host, *port;
  struct addrinfo *found;
  char text[512];
  int r;

  snprintf (text, sizeof text, "%s", address);
  if (strlen (address) >= sizeof text
      || split_address (text, &host, &port) == -1)
    return fail_listen (address,
                        "must be HOST:PORT, or a path that begins with a "
                        "slash",
                        error, size);
  if (!is_valid_port (port))
    return fail_listen (address, "the port must be from 0 to 65535", error,
                        size);
  r = getaddrinfo (host, port, &hints, &found);
  if (r != 0)
    return fail_listen (address, gai_strerror (r), error, size);
  r = listen_addresses (listeners, found);
  freeaddrinfo (found);
  return r == 0 ? 0 : fail_listen (address, strerror (errno), error, size);
}

/* ---- any ---- */

int
listeners_open (struct listeners *listeners, const char *address,
                unsigned mode, char *error, size_t size)
{
  struct listener *l = &listeners->list[listeners->count];

  if (listeners->count == LISTENERS_MAX)
    return fail_listen (address, "too many addresses", error, size);
  if (address[0] != '/')
    return listen_host (listeners, address, error, size);
  *l = (struct listener) { .fd = -1 };
  if (listen_unix (l, address, mode) == 0) {
    ++listeners->count;
    return 0;
  }
  fail_listen (address, errno == EEXIST ? "this is not a socket"
                                   : strerror (errno), error, size);
  listener_close (l);
  return -1;
}

bool
listener_is_public (const struct listener *l)
{
  struct sockaddr_storage addr = { .ss_family = AF_UNSPEC };
  const struct sockaddr_in *in = (const void *) &addr;
  const struct sockaddr_in6 *in6 = (const void *) &addr;
  socklen_t len = sizeof addr;

  getsockname (l->fd, (struct sockaddr *) &addr, &len);
  switch (addr.ss_family) {
  case AF_INET: return ntohl (in->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
  case AF_INET6: return !IN6_IS_ADDR_LOOPBACK (&in6->sin6_addr);
  default: return false;
  }
}

bool
listener_is_linked (const struct listener *l)
{
  struct stat st;

  return l->path[0] == '\0'
    || (lstat (l->path, &st) == 0
        && st.st_dev == l->dev && st.st_ino == l->ino);
}

int
listener_renew (struct listener *l)
{
  struct listener new = { .fd = -1 };
  int err;

  if (listen_unix (&new, l->path, l->mode) == 0) {
    fd_close (&l->fd);
    *l = new;
    return 0;
  }
  err = errno;
  fd_close (&new.fd);
  return fail_with (err);
}

void
listener_describe (struct listener *l)
{
  struct sockaddr_un addr = { .sun_family = AF_UNSPEC };
  socklen_t len = sizeof addr - 1;
  struct stat st;

  if (getsockname (l->fd, (struct sockaddr *) &addr, &len) == -1
      || addr.sun_family != AF_UNIX) {
    make_tcp_uri (l);
    return;
  }
  l->ino = 0;
  snprintf (l->path, sizeof l->path, "%s", addr.sun_path);
  make_unix_uri (l->uri, l->path);
  /* The file got its mode from the socket. */
  l->mode = fstat (l->fd, &st) == 0 ? st.st_mode & 0777 : 0600;
  if (lstat (l->path, &st) == 0) {
    l->dev = st.st_dev;
    l->ino = st.st_ino;
  }
}

void
listener_close (struct listener *l)
{
  if (l->path[0] && listener_is_linked (l))
    unlink (l->path);
  l->path[0] = '\0';
  fd_close (&l->fd);
}
