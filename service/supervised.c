/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "parse-number.h"
#include "supervised.h"

#define VARIABLE "NBDZRAM_SUPERVISED"

static int
set_close_on_exec (int fd)
{
  int flags = fcntl (fd, F_GETFD);

  return flags == -1 ? -1 : fcntl (fd, F_SETFD, flags | FD_CLOEXEC);
}

int
supervised_init (struct supervised *s)
{
  const char *value = getenv (VARIABLE);
  int fds[2];

  *s = (struct supervised) { .ready = -1, .hold = -1 };
  if (!value)
    return 0;
  if (!parse_descriptors (value, fds, 2))
    return fail_with (EINVAL);
  s->ready = fds[0];
  s->hold = fds[1];
  unsetenv (VARIABLE);
  if (set_close_on_exec (s->ready) == -1 || set_close_on_exec (s->hold) == -1)
    return -1;
  s->on = true;
  return 0;
}

/* The line is short enough for the socket to take it whole. */
static int
write_ready (const struct supervised *s, const char *line)
{
  size_t length = strlen (line);
  ssize_t n;

  do
    n = write (s->ready, line, length);
  while (n == -1 && errno == EINTR);
  return n == (ssize_t) length ? 0 : -1;
}

int
supervised_wait (const struct supervised *s, const char *path)
{
  int fd = open (path, O_RDWR | O_CLOEXEC), r, err;

  if (fd == -1)
    return -1;
  r = write_ready (s, "waiting\n");
  if (r == 0)
    r = flock (fd, LOCK_EX);
  err = errno;
  /* Opening the pool takes a lock of its own.  This one is given up before,
   * so another process may be faster: then the caller waits again.
   */
  close (fd);
  errno = err;
  return r;
}

int
supervised_ready (const struct supervised *s, pid_t lock_keeper)
{
  char line[128];

  snprintf (line, sizeof line, "ready %s %d\n", PACKAGE_VERSION,
            (int) lock_keeper);
  return write_ready (s, line);
}
