/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files in the runtime directory.  It may be removed, as logind removes
 * /run/user/UID at logout, or become full or read-only; what is missing is
 * made anew as soon as that is possible.  NAME.sup comes first: if another
 * supervisor has it, the other files are that one's, too.
 */

#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"
#include "supervisor.h"

/* Milliseconds between looks, where all is there and where it is not. */
#define LOOK_EVERY 5000
#define TRY_EVERY 1000

/* A line, once. */
static void __attribute__ ((format (printf, 2, 3)))
say (struct supervisor *s, const char *format, ...)
{
  char line[sizeof s->said_of_files];
  va_list ap;

  va_start (ap, format);
  vsnprintf (line, sizeof line, format, ap);
  va_end (ap);
  if (strcmp (line, s->said_of_files) != 0)
    log_line ("%s", line);
  strcpy (s->said_of_files, line);
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

  if (control_socket_is_bound (&s->control))
    return THERE;
  supervisor_path (s, path, sizeof path, SUPERVISOR_SUFFIX);
  if (control_socket_renew (&s->control, path) == 0) {
    s->control.fd = fd_keep (s->control.fd);
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

  for (unsigned i = 0; i < s->listener_count; ++i) {
    struct listener *l = &s->listeners[i];

    if (listener_is_there (l))
      continue;
    if (listener_renew (l) == -1) {
      say (s, "%s: %s: no client can connect there; trying again", l->path,
           strerror (errno));
      return MISSING;
    }
    log_line ("%s was removed, and is there again", l->path);
    ++s->sockets;
    s->changed = true;
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
  if (!state_is_there (s))
    s->changed = true;
  if (control == MISSING || listeners == MISSING)
    return false;
  if (control == MADE)
    log_line ("%s is there again", s->control.path);
  s->said_of_files[0] = '\0';
  return true;
}

int64_t
files_look (struct supervisor *s)
{
  bool all, stale;

  /* At the end they are removed, and stay so. */
  if (s->stop.asked)
    return 0;
  if (now_ms () < s->files_next)
    return s->files_next;
  all = keep_all (s);
  stale = servers_renew (s);
  s->files_next = now_ms () + (all && !stale && !s->said_not_saved
                               ? LOOK_EVERY : TRY_EVERY);
  return s->files_next;
}
