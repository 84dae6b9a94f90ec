/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

static const char *
socket_path (void)
{
  return getenv ("NOTIFY_SOCKET");
}

bool
notify_is_wanted (void)
{
  return socket_path () != NULL;
}

void
notify (const char *state)
{
  const char *path = socket_path ();
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  size_t len = path ? strlen (path) : 0;
  int fd;

  if (len < 2 || len >= sizeof addr.sun_path
      || (path[0] != '/' && path[0] != '@'))
    return;
  memcpy (addr.sun_path, path, len);
  if (path[0] == '@')           /* an abstract socket address */
    addr.sun_path[0] = '\0';
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd == -1)
    return;
  sendto (fd, state, strlen (state), MSG_NOSIGNAL | MSG_DONTWAIT,
          (const struct sockaddr *) &addr,
          (socklen_t) (offsetof (struct sockaddr_un, sun_path) + len));
  close (fd);
}
