/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command/base/log.h"

#include "watch-process.h"

/* ---- signals ---- */

static volatile sig_atomic_t stopping;

static void
on_stop_signal (int signal)
{
  (void) signal;
  stopping = 1;
}

void
watch_catch_signals (sigset_t *unblocked)
{
  struct sigaction action = { .sa_handler = on_stop_signal };
  sigset_t block;

  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGHUP, SIG_IGN);
  sigemptyset (&block);
  sigaddset (&block, SIGTERM);
  sigaddset (&block, SIGINT);
  sigprocmask (SIG_BLOCK, &block, unblocked);
  sigdelset (unblocked, SIGTERM);
  sigdelset (unblocked, SIGINT);
}

bool
watch_is_stopping (void)
{
  return stopping;
}

void
watch_clear_stop (void)
{
  stopping = 0;
}

/* ---- the log ---- */

void
watch_log (struct watching *w, const char *format, ...)
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
  if (strcmp (line, w->last_message) == 0)
    return;
  strcpy (w->last_message, line);
  /* The line is dropped if standard error does not take it at once: its
   * reader may wait for the device that we are about to repair.
   */
  log_write (line, strlen (line));
}

int
watch_log_error (struct watching *w, const char *message)
{
  watch_log (w, "%s", message);
  return -1;
}
