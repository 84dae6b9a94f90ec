/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "renew.h"
#include "request.h"
#include "supervisor.h"

/* Milliseconds between checks, and between tries to create what is missing. */
#define CHECK_EVERY_MS 5000
#define TRY_EVERY_MS 1000

/* Log a message, unless it was the last one. */
static void __attribute__ ((format (printf, 2, 3)))
report_once (struct supervisor *s, const char *format, ...)
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

enum file_state {
  FILE_PRESENT,
  FILE_CREATED,
  FILE_MISSING,                 /* it can't be created */
  FILE_OTHERS,                  /* it is another supervisor's */
};

static enum file_state
check_control (struct supervisor *s)
{
  char path[SUPERVISOR_PATH_SIZE];

  if (control_socket_is_bound (&s->control.socket))
    return FILE_PRESENT;
  supervisor_path (s, path, sizeof path, SUPERVISOR_SUFFIX);
  if (control_socket_renew (&s->control.socket, path) == 0) {
    s->control.socket.fd = fd_keep (s->control.socket.fd);
    return FILE_CREATED;
  }
  if (errno == EADDRINUSE) {
    report_once (s, "%s: another supervisor has this name now: this one goes "
                 "on with its servers, and only SIGTERM ends it", path);
    return FILE_OTHERS;
  }
  report_once (s,
               "%s: %s: nbdzram stop and upgrade can't reach this supervisor; "
               "trying again",
               path, strerror (errno));
  return FILE_MISSING;
}

/* The servers that run have the old socket: servers_renew replaces them. */
static enum file_state
check_listeners (struct supervisor *s)
{
  enum file_state result = FILE_PRESENT;

  for (unsigned i = 0; i < s->listeners.count; ++i) {
    struct listener *l = &s->listeners.list[i];

    if (listener_is_linked (l))
      continue;
    if (listener_renew (l) == -1) {
      report_once (s, "%s: %s: no client can connect there; trying again",
                   l->path, strerror (errno));
      return FILE_MISSING;
    }
    log_line ("%s was removed and is created again", l->path);
    ++s->listeners.renewals;
    state_mark_changed (s);
    result = FILE_CREATED;
  }
  return result;
}

/* Returns whether nothing is missing. */
static bool
check_all (struct supervisor *s)
{
  enum file_state control, listeners;

  /* If it can't be created, the next step reports why. */
  mkdir (s->directory, S_IRWXU);
  control = check_control (s);
  if (control == FILE_OTHERS)
    return false;
  listeners = check_listeners (s);
  if (!state_file_is_linked (s))
    state_mark_changed (s);
  if (control == FILE_MISSING || listeners == FILE_MISSING)
    return false;
  if (control == FILE_CREATED)
    log_line ("%s was missing and is created again", s->control.socket.path);
  s->files.reported[0] = '\0';
  return true;
}

int64_t
files_poll (struct supervisor *s)
{
  bool all, stale;

  /* stop_remove_files removes them. */
  if (s->stop.requested)
    return 0;
  if (now_ms () < s->files.next_check)
    return s->files.next_check;
  all = check_all (s);
  stale = servers_renew (s);
  s->files.next_check = now_ms ()
    + (all && !stale && !s->state.failure_reported ? CHECK_EVERY_MS
                                                   : TRY_EVERY_MS);
  return s->files.next_check;
}
