/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "service/parse-number.h"
#include "service/set-error.h"

#include "listeners.h"
#include "nbd-protocol.h"

/* Many clients may connect at once. */
#define BACKLOG SOMAXCONN

/* The first descriptor that a service manager passes. */
#define LISTEN_FDS_START 3

#define SOCKET_PATH_SIZE sizeof (((struct sockaddr_un *) NULL)->sun_path)

static int
add_listener (struct listeners *l, int fd, char *error, size_t size)
{
  if (l->count < LISTENERS_MAX) {
    l->fds[l->count++] = fd;
    return 0;
  }
  close (fd);
  return set_error (error, size, "there are more than %d sockets to listen "
                    "at", LISTENERS_MAX);
}

/* ---- from the service manager ---- */

/* The number in the environment variable NAME, or 0. */
static unsigned
environment_number (const char *name)
{
  const char *text = getenv (name);
  uint64_t n;

  return text && parse_number (text, &n) && n <= INT_MAX ? (unsigned) n : 0;
}

/* How many sockets the service manager has passed to this process. */
static unsigned
passed_count (void)
{
  unsigned count = 0;

  if (environment_number ("LISTEN_PID") == (unsigned) getpid ())
    count = environment_number ("LISTEN_FDS");
  unsetenv ("LISTEN_PID");
  unsetenv ("LISTEN_FDS");
  unsetenv ("LISTEN_FDNAMES");
  return count;
}

static int
use_passed (struct listeners *l, unsigned count, char *error, size_t size)
{
  for (unsigned i = 0; i < count; ++i) {
    int fd = LISTEN_FDS_START + (int) i, flags = fcntl (fd, F_GETFD);

    if (flags == -1)
      return set_error (error, size, "LISTEN_FDS: descriptor %d: %s", fd,
                        strerror (errno));
    fcntl (fd, F_SETFD, flags | FD_CLOEXEC);
    if (add_listener (l, fd, error, size) == -1)
      return -1;
  }
  return 0;
}

/* ---- Unix sockets ---- */

/* Listens at the socket FD once it is bound to ADDRESS.  Returns 0, or -1
 * with errno; then FD is closed.
 */
static int
bind_and_listen (int fd, const void *address, socklen_t length)
{
  if (fd == -1)
    return -1;
  if (bind (fd, address, length) == 0 && listen (fd, BACKLOG) == 0)
    return 0;
  close (fd);
  return -1;
}

/* Makes a directory that only this user can enter, and puts into PATH where a
 * socket in it is.
 */
static int
make_directory (struct listeners *l, char path[SOCKET_PATH_SIZE], char *error,
                size_t size)
{
  snprintf (l->directory, sizeof l->directory, "/tmp/nbdzramd.XXXXXX");
  if (!mkdtemp (l->directory)) {
    l->directory[0] = '\0';
    return set_error (error, size, "-U -: %s", strerror (errno));
  }
  snprintf (path, SOCKET_PATH_SIZE, "%s/socket", l->directory);
  return 0;
}

static int
listen_unix (struct listeners *l, const char *path, char *error, size_t size)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char own[SOCKET_PATH_SIZE];
  int fd;

  if (strcmp (path, "-") == 0) {
    if (make_directory (l, own, error, size) == -1)
      return -1;
    path = own;
  }
  if (strlen (path) >= sizeof address.sun_path)
    return set_error (error, size, "-U %.200s: the path is too long", path);
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind_and_listen (fd, &address, sizeof address) == -1)
    return set_error (error, size, "-U %s: %s", path, strerror (errno));
  l->path = realpath (path, NULL);
  snprintf (l->uri, sizeof l->uri, "nbd+unix:///?socket=%s",
            l->path ? l->path : path);
  return add_listener (l, fd, error, size);
}

/* ---- TCP and vsock ---- */

static int
listen_tcp_at (struct listeners *l, const struct addrinfo *a, char *error,
               size_t size)
{
  static const int on = 1;
  int fd = socket (a->ai_family, a->ai_socktype | SOCK_CLOEXEC,
                   a->ai_protocol);

  if (fd == -1)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (a->ai_family == AF_INET6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind_and_listen (fd, a->ai_addr, a->ai_addrlen) == -1)
    return -1;
  return add_listener (l, fd, error, size);
}

/* Listens at all addresses that HOST has; NULL means all of this machine.
 * One that does not work, such as IPv6 where it is off, is no error as long
 * as another one does.
 */
static int
listen_tcp (struct listeners *l, const char *host, const char *port,
            char *error, size_t size)
{
  struct addrinfo hints = {
    .ai_flags = AI_PASSIVE | AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM,
  };
  struct addrinfo *list;
  unsigned before = l->count;
  int r = getaddrinfo (host, port, &hints, &list), err = 0;

  if (r != 0)
    return set_error (error, size, "%s%sport %s: %s", host ? host : "",
                      host ? " " : "", port, gai_strerror (r));
  for (const struct addrinfo *a = list; a; a = a->ai_next)
    if (listen_tcp_at (l, a, error, size) == -1)
      err = errno;
  freeaddrinfo (list);
  if (l->count == before)
    return set_error (error, size, "%s%sport %s: %s", host ? host : "",
                      host ? " " : "", port, strerror (err));
  if (l->uri[0] == '\0')
    snprintf (l->uri, sizeof l->uri, host && strchr (host, ':')
              ? "nbd://[%s]:%s" : "nbd://%s:%s", host ? host : "localhost",
              port);
  return 0;
}

static int
listen_vsock (struct listeners *l, const char *port, char *error, size_t size)
{
  struct sockaddr_vm address = {
    .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
  };
  uint64_t number;
  int fd;

  if (!parse_number (port, &number) || number > UINT32_MAX)
    return set_error (error, size, "--vsock: the port must be a number");
  address.svm_port = (unsigned) number;
  fd = socket (AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind_and_listen (fd, &address, sizeof address) == -1)
    return set_error (error, size, "--vsock: port %s: %s", port,
                      strerror (errno));
  snprintf (l->uri, sizeof l->uri, "nbd+vsock://2:%s", port);
  return add_listener (l, fd, error, size);
}

/* ---- all ---- */

static int
listen_as_told (struct listeners *l, const struct listen_options *o,
                char *error, size_t size)
{
  const char *port = o->port ? o->port : NBD_DEFAULT_PORT;

  if (o->socket && listen_unix (l, o->socket, error, size) == -1)
    return -1;
  if (o->vsock)
    return listen_vsock (l, port, error, size);
  for (unsigned i = 0; i < o->address_count; ++i)
    if (listen_tcp (l, o->addresses[i], port, error, size) == -1)
      return -1;
  if (o->socket || o->address_count > 0)
    return 0;
  return listen_tcp (l, NULL, port, error, size);
}

int
listeners_open (struct listeners *l, const struct listen_options *o,
                char *error, size_t size)
{
  unsigned passed = passed_count ();
  int r;

  *l = (struct listeners) { .count = 0 };
  r = passed > 0 ? use_passed (l, passed, error, size)
                 : listen_as_told (l, o, error, size);
  if (r == -1)
    listeners_close (l);
  return r;
}

void
listeners_close (struct listeners *l)
{
  for (unsigned i = 0; i < l->count; ++i)
    close (l->fds[i]);
  l->count = 0;
  if (l->path)
    unlink (l->path);
  if (l->directory[0] != '\0')
    rmdir (l->directory);
  free (l->path);
  l->path = NULL;
}
