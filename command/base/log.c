/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "process.h"

#define NOTICE "<5>"            /* as syslog(3) numbers it */

static int log_fd = STDERR_FILENO;
static bool kernel;
static char name[80];
static unsigned long dropped;

void
log_open (const char *server)
{
  snprintf (name, sizeof name, "%s", server);
}

void
log_to_kernel (void)
{
  kernel = true;
  log_fd = fd_keep (open ("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NONBLOCK));
}

/* A pipe that is writable according to poll takes PIPE_BUF bytes, and so do
 * other kinds of files; a socket gets MSG_DONTWAIT as well.  The kernel's log
 * never blocks, and poll on it only works for readers.
 */
bool
log_write (const char *text, size_t length)
{
  struct pollfd p = { .fd = log_fd, .events = POLLOUT };
  ssize_t n;

  if (log_fd == -1)
    return false;
  if (kernel)
    return write (log_fd, text, length) > 0;
  if (poll (&p, 1, 0) != 1 || !(p.revents & POLLOUT))
    return false;
  n = send (log_fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n == -1 && errno == ENOTSOCK)
    n = write (log_fd, text, length);
  return n > 0;
}

static void
write_line (const char *line)
{
  char text[LOG_LINE + 160];
  int len;

  if (dropped > 0) {
    len = snprintf (text, sizeof text, "%snbdzram: %s: %lu lines were lost\n",
                    kernel ? NOTICE : "", name, dropped);
    if (log_write (text, (size_t) len))
      dropped = 0;
  }
  len = snprintf (text, sizeof text, "%snbdzram: %s: %s\n",
                  kernel ? NOTICE : "", name, line);
  if (!log_write (text, (size_t) len))
    ++dropped;
}

void
log_line (const char *format, ...)
{
  char line[LOG_LINE];
  va_list ap;

  va_start (ap, format);
  vsnprintf (line, sizeof line, format, ap);
  va_end (ap);
  write_line (line);
}

/* ---- output of children ---- */

int
log_source_open (struct log_source *s, int *write_fd)
{
  int fds[2];

  s->length = 0;
  s->fd = *write_fd = -1;
  if (pipe2 (fds, O_CLOEXEC | O_NONBLOCK) == -1)
    return -1;
  s->fd = fd_keep (fds[0]);
  *write_fd = fd_keep (fds[1]);
  if (s->fd != -1 && *write_fd != -1)
    return 0;
  log_source_close (s);
  fd_close (write_fd);
  return -1;
}

/* Moves LENGTH bytes of the text to LINE, and drops SKIP more. */
static void
extract_text (struct log_source *s, char *line, size_t length, size_t skip)
{
  memcpy (line, s->text, length);
  line[length] = '\0';
  for (char *c = line; *c; ++c)
    if ((unsigned char) *c < ' ' || *c == 0x7f)
      *c = ' ';
  s->length -= length + skip;
  memmove (s->text, s->text + length + skip, s->length);
}

static bool
extract_line (struct log_source *s, char *line)
{
  char *end = memchr (s->text, '\n', s->length);

  if (end)
    extract_text (s, line, (size_t) (end - s->text), 1);
  else if (s->length == LOG_LINE - 1)
    extract_text (s, line, s->length, 0);
  else
    return false;
  return true;
}

bool
log_source_next (struct log_source *s, char *line)
{
  ssize_t n;

  while (!extract_line (s, line)) {
    n = s->fd == -1
      ? 0 : read (s->fd, s->text + s->length, LOG_LINE - 1 - s->length);
    if (n <= 0)
      return false;
    s->length += (size_t) n;
  }
  return true;
}

void
log_source_close (struct log_source *s)
{
  fd_close (&s->fd);
  s->length = 0;
}
