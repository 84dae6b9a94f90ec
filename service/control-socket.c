/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "control-socket.h"

#define BACKLOG 16
#define LOCK_TRIES 50           /* of a tenth of a second */

static int
address_of (struct sockaddr_un *addr, const char *path)
{
  if (strlen (path) >= sizeof addr->sun_path)
    return fail_with (ENAMETOOLONG);
  *addr = (struct sockaddr_un) { .sun_family = AF_UNIX };
  strcpy (addr->sun_path, path);
  return 0;
}

/* Locks the directory of PATH: checking that no server runs and replacing its
 * socket must be one step.  Returns a descriptor to close.
 */
static int
lock_directory_of (const char *path, int tries)
{
  static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
  char dir[CONTROL_PATH_SIZE], *slash;
  int fd;

  strcpy (dir, path);
  slash = strrchr (dir, '/');
  slash[slash == dir] = '\0';
  fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1)
    return -1;
  for (int i = 0; i < tries; ++i) {
    if (i > 0)
      nanosleep (&pause, NULL);
    if (flock (fd, LOCK_EX | LOCK_NB) == 0)
      return fd;
  }
  close (fd);
  return fail_with (EBUSY);
}

static int
new_socket (void)
{
  return socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Does a process listen at ADDR? */
static int
is_alive (const struct sockaddr_un *addr)
{
  int fd = new_socket (), r, err;

  if (fd == -1)
    return -1;
  r = connect (fd, (const struct sockaddr *) addr, sizeof *addr);
  err = errno;
  close (fd);
  errno = err;
  if (r == 0 || err == EAGAIN)
    return 1;
  return err == ECONNREFUSED ? 0 : -1;
}

/* Removes the socket of a dead server at ADDR, in a locked directory. */
static int
remove_dead (const struct sockaddr_un *addr)
{
  struct stat st;

  if (lstat (addr->sun_path, &st) == -1)
    return errno == ENOENT ? 0 : -1;
  if (!S_ISSOCK (st.st_mode))
    return fail_with (EEXIST);
  switch (is_alive (addr)) {
  case 0: return unlink (addr->sun_path);
  case 1: errno = EADDRINUSE; /* fallthrough */
  default: return -1;
  }
}

static int
bind_and_listen (struct control_socket *s, const struct sockaddr_un *addr)
{
  struct stat st;

  s->fd = new_socket ();
  /* Linux takes the mode of the file from the socket, so there is no
   * moment at which others could connect.
   */
  if (s->fd == -1 || fchmod (s->fd, S_IRUSR | S_IWUSR) == -1
      || bind (s->fd, (const struct sockaddr *) addr, sizeof *addr) == -1)
    return -1;
  if (listen (s->fd, BACKLOG) == -1 || lstat (addr->sun_path, &st) == -1) {
    unlink (addr->sun_path);
    return -1;
  }
  strcpy (s->path, addr->sun_path);
  s->dev = st.st_dev;
  s->ino = st.st_ino;
  return 0;
}

static int
open_socket (struct control_socket *s, const char *path, int lock_tries)
{
  struct sockaddr_un addr;
  int lock, r, err;

  *s = (struct control_socket) { .fd = -1 };
  if (address_of (&addr, path) == -1)
    return -1;
  lock = lock_directory_of (path, lock_tries);
  if (lock == -1)
    return -1;
  r = remove_dead (&addr);
  if (r == 0)
    r = bind_and_listen (s, &addr);
  err = errno;
  close (lock);
  if (r == -1 && s->fd != -1) {
    close (s->fd);
    s->fd = -1;
  }
  errno = err;
  return r;
}

int
control_socket_is_alive (const char *path)
{
  struct sockaddr_un addr;

  return address_of (&addr, path) == -1 ? -1 : is_alive (&addr);
}

int
control_socket_open (struct control_socket *s, const char *path)
{
  return open_socket (s, path, LOCK_TRIES);
}

bool
control_socket_is_bound (const struct control_socket *s)
{
  struct stat st;

  return s->fd != -1 && lstat (s->path, &st) == 0
    && st.st_dev == s->dev && st.st_ino == s->ino;
}

int
control_socket_renew (struct control_socket *s, const char *path)
{
  struct control_socket new;

  if (open_socket (&new, path, 1) == -1)
    return -1;
  if (s->fd != -1)
    close (s->fd);
  *s = new;
  return 0;
}

bool
control_socket_error_may_pass (int err)
{
  switch (err) {
  case ENOSPC: case EDQUOT: case EROFS: case EIO: case EBUSY: case EAGAIN:
  case EMFILE: case ENFILE: case ENOMEM: case ENOBUFS:
    return true;
  default:
    return false;
  }
}

void
control_socket_close (struct control_socket *s)
{
  if (s->fd == -1)
    return;
  /* The file is removed first: while the socket still listens, no other
   * server takes it for dead.
   */
  if (control_socket_is_bound (s))
    unlink (s->path);
  close (s->fd);
  s->fd = -1;
}
