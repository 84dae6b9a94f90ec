/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "service/log.h"

#include "background.h"
#include "options.h"

/* Makes *PATH absolute, unless it is NULL.  The file may not exist yet. */
static int
make_absolute (const char **path)
{
  char directory[PATH_MAX];
  char *absolute;

  if (!*path || **path == '/')
    return 0;
  if (!getcwd (directory, sizeof directory)
      || asprintf (&absolute, "%s/%s", directory, *path) == -1)
    return -1;
  *path = absolute;
  return 0;
}

/* The parent ends when it has read a byte, or the end of the file. */
static _Noreturn void
wait_for_child (int fd)
{
  char byte;
  ssize_t n;

  do
    n = read (fd, &byte, 1);
  while (n == -1 && errno == EINTR);
  _exit (n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int
background_enter (struct background *b, struct options *o)
{
  int fds[2];
  pid_t pid;

  if (make_absolute (&o->pid_file) == -1
      || pipe2 (fds, O_CLOEXEC) == -1) {
    log_error ("going to the background: %s", strerror (errno));
    return -1;
  }
  pid = fork ();
  if (pid == -1) {
    log_error ("going to the background: fork: %s", strerror (errno));
    return -1;
  }
  if (pid > 0) {
    close (fds[1]);
    wait_for_child (fds[0]);
  }
  close (fds[0]);
  b->parent = fds[1];
  setsid ();
  if (chdir ("/") == 0)
    return 0;
  log_error ("going to the background: /: %s", strerror (errno));
  return -1;
}

void
background_started (struct background *b)
{
  int null;

  if (b->parent == -1)
    return;
  null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; null != -1 && fd <= STDERR_FILENO; ++fd)
    dup2 (null, fd);
  if (write (b->parent, "", 1) == -1)
    log_error ("the parent has ended: %s", strerror (errno));
  close (b->parent);
  b->parent = -1;
}
