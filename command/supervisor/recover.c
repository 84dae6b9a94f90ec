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
#include "lib/base/util.h"
#include "service/set-error.h"

#include "find.h"
#include "recover-processes.h"
#include "recover.h"
#include "state.h"
#include "supervisor.h"

/* ---- what is found ---- */

static bool
has_other_supervisor (struct recovery *r)
{
  return r->other_supervisor;
}

static bool
has_nothing (struct recovery *r)
{
  return !r->state && !r->subject[0];
}

static bool
has_damaged_file_only (struct recovery *r)
{
  return !r->state;
}

static bool
has_refused_descriptor (struct recovery *r)
{
  return r->refused;
}

static bool
lacks_memfd (struct recovery *r)
{
  return recovery_has_memfd (r) && r->s->pool == -1;
}

static bool
has_generation (const struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE)
      return true;
  return false;
}

static bool
lacks_memfd_of_servers (struct recovery *r)
{
  return lacks_memfd (r) && has_generation (r->s);
}

static bool
lacks_memfd_of_swap (struct recovery *r)
{
  char device[64];

  if (!lacks_memfd (r)
      || !is_in_use_as_swap (r->s->setup.options.name, false, device,
                          sizeof device))
    return false;
  snprintf (r->subject, sizeof r->subject, "%s", device);
  return true;
}

static bool
lacks_memfd_of_unknown_server (struct recovery *r)
{
  char path[CONTROL_PATH_SIZE];

  if (!lacks_memfd (r)
      || control_path (path, r->s->directory, r->s->setup.options.name) == -1
      || control_socket_is_alive (path) != 1)
    return false;
  snprintf (r->subject, sizeof r->subject, "%s", path);
  return true;
}

/* After an upgrade there may be no process, and the sockets still count. */
static bool
has_no_process (struct recovery *r)
{
  return !r->own && !has_generation (r->s) && !watchers_are_running (r->s);
}

/* Only NAME.conf says where to listen. */
static bool
lacks_address (struct recovery *r)
{
  if (!r->s->conf_error[0] || r->s->listeners.count > 0
      || json_array_size (json_object_get (r->state, "argv")) == 0)
    return false;
  snprintf (r->subject, sizeof r->subject, "%s", r->s->conf_error);
  return true;
}

static bool
is_any (struct recovery *r)
{
  (void) r;
  return true;
}

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

/* ---- the table ---- */

enum action { FAIL, BEGIN_ANEW, RECOVER_PROCESSES, LOSE_PAGES, TAKE_OVER };

/* See recover.h.  The actions RECOVER_PROCESSES and LOSE_PAGES go on with
 * the next line.
 */
static const struct rule {
  bool (*applies) (struct recovery *r); /* may set r->subject */
  enum action action;
  int exit_code;                /* 0: the general one */
  const char *message;          /* after r->subject */
} rules[] = {
  { has_other_supervisor, FAIL, EX_TEMPFAIL,
    " is another supervisor of this name, whose files were removed: it "
    "creates them again by itself" },
  { has_nothing, BEGIN_ANEW, 0, NULL },
  { has_damaged_file_only, FAIL, EX_TEMPFAIL,
    "; the search among the processes found no server: remove the file to "
    "begin anew" },
  { is_any, RECOVER_PROCESSES, 0, NULL },
  { has_refused_descriptor, FAIL, 0,
    "taking over from the running server is not permitted: be root, or set "
    "kernel.yama.ptrace_scope to 0" },
  { lacks_memfd_of_servers, FAIL, EX_TEMPFAIL,
    "the pool of the servers can't be opened (through the lock keeper of a "
    "dead server only root can open it): they go on without a supervisor" },
  { lacks_memfd_of_swap, FAIL, 0,
    " is in use as swap, and the pages swapped out to it are lost with the "
    "last server" },
  { lacks_memfd_of_unknown_server, FAIL, EX_TEMPFAIL,
    ": a process that the search did not find listens here, and may have the "
    "pages: end it first" },
  { lacks_memfd, LOSE_PAGES, 0, NULL },
  { has_no_process, BEGIN_ANEW, 0, NULL },
  { lacks_address, FAIL, EX_TEMPFAIL, "" },
  { is_any, TAKE_OVER, 0, NULL },
};

static int
apply_rules (struct recovery *r, char *error, size_t size)
{
  for (const struct rule *rule = rules;; ++rule) {
    if (!rule->applies (r))
      continue;
    switch (rule->action) {
    case FAIL:
      snprintf (error, size, "%s%s", r->subject, rule->message);
      r->s->exit_code = rule->exit_code;
      return -1;
    case BEGIN_ANEW: return 0;
    case RECOVER_PROCESSES: recover_processes (r); break;
    case LOSE_PAGES: lose_pages (r->s); break;
    case TAKE_OVER: return take_over (r, error, size);
    }
  }
}

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
  result = apply_rules (&r, error, size);
  s->state.is_ours = result == 1;
  if (result == 1 && !r.own)
    state_open (s, line);
  json_decref (r.state);
  return result;
}
