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

/* The file may not exist yet, but its directory does. */
static const char *
absolute_path (const char *path)
{
  char directory[PATH_MAX];
  char *absolute;

  if (!path || path[0] == '/')
    return path;
  if (!getcwd (directory, sizeof directory)
      || asprintf (&absolute, "%s/%s", directory, path) == -1)
    return NULL;
  return absolute;
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
  const char *pid_file = absolute_path (o->pid_file);
  int fds[2];
  pid_t pid;

  if ((o->pid_file && !pid_file) || pipe2 (fds, O_CLOEXEC) == -1) {
    log_error ("going to the background: %s", strerror (errno));
    return -1;
  }
  o->pid_file = pid_file;
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
  return chdir ("/");
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
