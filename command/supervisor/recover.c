/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "command/attach/in-use.h"
#include "command/base/cleanup.h"
#include "command/base/output.h"
#include "service/set-error.h"

#include "find.h"
#include "recover-processes.h"
#include "recover.h"
#include "state.h"
#include "supervisor.h"

/* ---- what is done ---- */

static void
lose_pages (struct supervisor *s)
{
  s->lost = true;
  /* The next server has another disk than the devices of these watchers. */
  for_each (w, s->watchers)
    if (w->process.pid == 0)
      watcher_process_close (w);
}

static bool
has_same_strings (char *const *a, const char *const *b)
{
  while (*a && *b && strcmp (*a, *b) == 0)
    ++a, ++b;
  return !*a && !*b;
}

/* Servers keep the program that they were started with, whatever NAME.conf
 * says by now, until an upgrade.
 */
static int
recover_program (const struct recovery *r)
{
  struct supervisor *s = r->s;
  struct setup *setup = &s->setup;
  CLEANUP_FREE const char **argv = json_strings_at (r->state, "argv");
  char error[MESSAGE_SIZE];
  struct child_fds fds = child_fds_layout (s->listeners.count);

  if (!argv)
    return -1;
  if (!s->conf_error[0]
      && setup_make_program (setup, &fds, error, sizeof error) == 0
      && !has_same_strings (setup->program.argv, argv))
    log_line ("the settings have changed: they take effect with nbdzram "
              "upgrade");
  argv[0] = json_text (r->state, "program");
  return setup_set_program (setup, argv, &fds);
}

/* NAME.conf has a mistake: whether this supervisor has servers, and the path
 * of their pool, follow from the program that they were started with.
 */
static int
recover_settings (const struct recovery *r)
{
  struct setup *setup = &r->s->setup;
  const json_t *argv = json_object_get (r->state, "argv"), *word;
  size_t i;

  setup->serves = json_array_size (argv) > 0;
  setup->standby = setup->serves
    && (setup->options.swap || setup->options.standby);
  free (setup->conf.pool);
  setup->conf.pool = NULL;
  json_array_foreach (argv, i, word) {
    const char *text = json_string_value (word);

    if (!recovery_has_memfd (r) && text && strncmp (text, "pool=", 5) == 0
        && !setup->conf.pool && !(setup->conf.pool = strdup (text + 5)))
      return -1;
  }
  return 0;
}

static int
take_over (const struct recovery *r, char *error, size_t size)
{
  struct supervisor *s = r->s;

  if ((s->conf_error[0] && recover_settings (r) == -1)
      || (s->listeners.count > 0 && recover_program (r) == -1))
    return set_error (error, size, "%s", strerror (ENOMEM));
  /* The user saw the errors of the first server when it started.  From now
   * on, errors are logged.
   */
  s->servers.served = true;
  return 1;
}

/* ---- what is found ---- */

static bool
has_generation (const struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE)
      return true;
  return false;
}

static int
fail (struct supervisor *s, int exit_code, const char *subject,
      const char *message, char *error, size_t size)
{
  s->exit_code = exit_code;
  return set_error (error, size, "%s%s", subject, message);
}

/* The memfd can't be opened: are its pages lost? */
static int
judge_missing_memfd (struct supervisor *s, char *error, size_t size)
{
  const char *name = s->setup.options.name;
  char device[64], path[CONTROL_PATH_SIZE];

  if (has_generation (s))
    return fail (s, EX_TEMPFAIL, "", "the pool of the servers can't be opened "
                 "(through the lock keeper of a dead server only root can "
                 "open it): they go on without a supervisor", error, size);
  if (is_in_use_as_swap (name, false, device, sizeof device))
    return fail (s, 0, device, " is in use as swap, and the pages swapped out "
                 "to it are lost with the last server", error, size);
  if (control_path (path, s->directory, name) == 0
      && control_socket_is_alive (path) == 1)
    return fail (s, EX_TEMPFAIL, path, ": a process that the search did not "
                 "find listens here, and may have the pages: end it first",
                 error, size);
  lose_pages (s);
  return 0;
}

/* Judges what is found, in the order of recover.h.  Returns what recover
 * returns.
 */
static int
judge (struct recovery *r, char *error, size_t size)
{
  struct supervisor *s = r->s;

  if (r->other_supervisor)
    return fail (s, EX_TEMPFAIL, r->subject, " is another supervisor of this "
                 "name, whose files were removed: it creates them again by "
                 "itself", error, size);
  if (!r->state && !r->subject[0])
    return 0;
  if (!r->state)
    return fail (s, EX_TEMPFAIL, r->subject, "; the search among the "
                 "processes found no server: remove the file to begin anew",
                 error, size);
  recover_processes (r);
  if (r->refused)
    return fail (s, 0, "", "taking over from the running server is not "
                 "permitted: be root, or set kernel.yama.ptrace_scope to 0",
                 error, size);
  if (recovery_has_memfd (r) && s->pool == -1
      && judge_missing_memfd (s, error, size) == -1)
    return -1;
  /* After an upgrade there may be no process, and the sockets still count. */
  if (!r->own && !has_generation (s) && !watchers_are_running (s))
    return 0;
  /* Only NAME.conf says where to listen. */
  if (s->conf_error[0] && s->listeners.count == 0
      && json_array_size (json_object_get (r->state, "argv")) > 0)
    return fail (s, EX_TEMPFAIL, s->conf_error, "", error, size);
  return take_over (r, error, size);
}

/* ---- all of it ---- */

/* Read the state, and search the processes. */
static void
find_state (struct recovery *r, int resume, unsigned *line)
{
  json_t *found;

  /* If it can't be read, the error is the subject of a message. */
  r->state = state_read (r->s, resume, line, r->subject, sizeof r->subject);
  found = r->own ? NULL : find_orphans (r->s);
  if (found && json_object_get (found, "supervisor")) {
    snprintf (r->subject, sizeof r->subject, "process %" PRId64,
              json_integer_at (found, "supervisor", 0));
    r->other_supervisor = true;
    json_decref (found);
    return;
  }
  r->state = find_merge (r->s, r->state, found);
  if (r->state)
    r->subject[0] = '\0';
}

int
recover (struct supervisor *s, int resume, char *error, size_t size)
{
  struct recovery r = { .s = s, .own = resume != -1 };
  unsigned line = UINT_MAX;
  int result;

  find_state (&r, resume, &line);
  result = judge (&r, error, size);
  s->state.is_ours = result == 1;
  if (result == 1 && !r.own)
    state_open (s, line);
  json_decref (r.state);
  return result;
}
