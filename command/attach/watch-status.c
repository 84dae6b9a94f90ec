/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watch-process.h"

/* To standard error, if it takes it at once: who reads there may itself
 * be waiting for what we are about to repair.
 */
static void
put_line (const char *line)
{
  struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
  size_t length = strlen (line);

  if (poll (&p, 1, 0) <= 0)
    return;
  if (send (STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) == -1
      && errno == ENOTSOCK && write (STDERR_FILENO, line, length) == -1)
    return;
}

/* Not the same twice in a row. */
void
watch_say (struct watching *w, const char *format, ...)
{
  char line[256];
  size_t length;
  va_list ap;

  snprintf (line, sizeof line, "nbdzram watch: %s: ", w->a.name);
  length = strlen (line);
  va_start (ap, format);
  vsnprintf (line + length, sizeof line - length - 1, format, ap);
  va_end (ap);
  strcat (line, "\n");
  if (strcmp (line, w->said) == 0)
    return;
  strcpy (w->said, line);
  put_line (line);
}

int
watch_refuse (struct watching *w, const char *why)
{
  watch_say (w, "%s", why);
  return -1;
}
