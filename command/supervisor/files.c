/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "renew.h"
#include "request.h"
#include "supervisor.h"

/* Milliseconds between looks, where all is there and where it is not. */
#define LOOK_EVERY 5000
#define TRY_EVERY 1000

/* A line, once. */
static void __attribute__ ((format (printf, 2, 3)))
say (struct supervisor *s, const char *format, ...)
{
  char line[sizeof s->files.reported];
  va_list ap;

  va_start (ap, format);
  vsnprintf (line, sizeof line, format, ap);
  va_end (ap);
  if (strcmp (line, s->files.reported) != 0)
    log_line ("%s", line);
  strcpy (s->files.reported, line);
}

enum result {
  THERE,
  MADE,                         /* anew */
  MISSING,
  TAKEN,                        /* by another supervisor */
};

static enum result
keep_control (struct supervisor *s)
{
  char path[sizeof s->directory + 128];

  if (control_socket_is_bound (&s->control.socket))
    return THERE;
  supervisor_path (s, path, sizeof path, SUPERVISOR_SUFFIX);
  if (control_socket_renew (&s->control.socket, path) == 0) {
    s->control.socket.fd = fd_keep (s->control.socket.fd);
    return MADE;
  }
  if (errno == EADDRINUSE) {
    say (s, "%s: another supervisor has this name by now: this one goes on "
         "with its servers, and can only be ended by SIGTERM", path);
    return TAKEN;
  }
  say (s, "%s: %s: nbdzram stop and upgrade do not find this supervisor; "
       "trying again", path, strerror (errno));
  return MISSING;
}

/* Servers that are there have the old socket; see servers_renew. */
static enum result
keep_listeners (struct supervisor *s)
{
  enum result result = THERE;

  for (unsigned i = 0; i < s->listeners.count; ++i) {
    struct listener *l = &s->listeners.list[i];

    if (listener_is_linked (l))
      continue;
    if (listener_renew (l) == -1) {
      say (s, "%s: %s: no client can connect there; trying again", l->path,
           strerror (errno));
      return MISSING;
    }
    log_line ("%s was removed, and is there again", l->path);
    ++s->listeners.renewals;
    state_mark_changed (s);
    result = MADE;
  }
  return result;
}

/* Returns whether all is there. */
static bool
keep_all (struct supervisor *s)
{
  enum result control, listeners;

  /* It may be there; if it can't be made, what follows says why. */
  mkdir (s->directory, S_IRWXU);
  control = keep_control (s);
  if (control == TAKEN)
    return false;
  listeners = keep_listeners (s);
  if (!state_file_is_linked (s))
    state_mark_changed (s);
  if (control == MISSING || listeners == MISSING)
    return false;
  if (control == MADE)
    log_line ("%s is there again", s->control.socket.path);
  s->files.reported[0] = '\0';
  return true;
}

int64_t
files_poll (struct supervisor *s)
{
  bool all, stale;

  /* At the end they are removed, and stay so. */
  if (s->stop.requested)
    return 0;
  if (now_ms () < s->files.next_check)
    return s->files.next_check;
  all = keep_all (s);
  stale = servers_renew (s);
  s->files.next_check = now_ms ()
    + (all && !stale && !s->state.failure_reported ? LOOK_EVERY : TRY_EVERY);
  return s->files.next_check;
}
