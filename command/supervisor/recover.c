/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking over what a supervisor left that was killed: from NAME.run it is
 * known which processes there were, and from those that live all
 * descriptors are taken.  What may be found:
 *
 *   the server lives (and perhaps a standby)   all goes on
 *   only the standby lives     it is the server by now, or will be: it
 *                              has all descriptors, too, and its word of
 *                              being ready still waits to be read
 *   only a holder lives        it maps the pool: the kernel lets us open a
 *                              file by a mapping; clients reconnect to
 *                              sockets that are new, but called the same
 *   nothing lives              a memfd is gone; a new disk begins, but
 *                              where the kernel swaps to the old one
 *
 * NAME.run may be missing or out of date, where it could not be written: what
 * lives is also looked for among the processes (find.c).
 *
 * An upgraded supervisor takes over from itself in the same way, but that
 * it has the descriptors.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "command/attach/in-use.h"
#include "command/base/output.h"
#include "lib/base/util.h"

#include "find.h"
#include "recover.h"
#include "state.h"
#include "supervisor.h"

#define ENDING_MS 200

struct source {
  json_t *state;
  bool own;                     /* numbers are ours */
  bool refused;                 /* some descriptor, by the kernel */
};

/* ---- JSON ---- */

/* A list of strings, as argv; to be freed, but not what it holds. */
static char **
strings_at (const json_t *o, const char *key)
{
  const json_t *list = json_object_get (o, key), *item;
  char **strings = calloc (json_array_size (list) + 1, sizeof *strings);
  size_t i;

  if (strings)
    json_array_foreach (list, i, item)
      strings[i] = (char *) (json_string_value (item)
                             ? json_string_value (item) : "");
  return strings;
}

/* ---- descriptors ---- */

/* Number NUMBER, of process P or, after an exec, our own. */
static int
take (struct source *from, const struct process *p, int64_t number)
{
  int fd;

  if (number < 0)
    return -1;
  if (from->own) {
    fcntl ((int) number, F_SETFD, FD_CLOEXEC);
    return (int) number;
  }
  fd = process_take_fd (p, (int) number);
  if (fd == -1 && (errno == EPERM || errno == EACCES))
    from->refused = true;
  return fd;
}

static void
open_process (struct process *p, const json_t *o)
{
  process_open (p, (pid_t) json_integer_at (o, "pid", 0),
                (uint64_t) json_integer_at (o, "start", 1));
}

/* ---- generations ---- */

static enum generation_state
state_of (const char *name)
{
  if (strcmp (name, "ready") == 0)
    return GENERATION_READY;
  if (strcmp (name, "waiting") == 0)
    return GENERATION_WAITING;
  return strcmp (name, "gone") == 0 ? GENERATION_GONE : GENERATION_STARTING;
}

static void
take_channels (struct source *from, struct generation *g, const json_t *fds)
{
  g->ready = take (from, &g->process, json_integer_at (fds, "ready", -1));
  g->hold = take (from, &g->process, json_integer_at (fds, "hold", -1));
  g->log.fd = take (from, &g->process, json_integer_at (fds, "log", -1));
}

/* Its process is dead: there may be a holder, or nothing. */
static void
recover_dead (struct supervisor *s, struct generation *g)
{
  if (g->state == GENERATION_READY)
    snprintf (s->servers.last_exit, sizeof s->servers.last_exit, "ended");
  if (g->lock_keeper.pid == 0) {
    generation_close (g);
    return;
  }
  process_close (&g->process);
  g->state = GENERATION_GONE;
  g->ended = true;
}

/* What it has said is still to be heard. */
static bool
has_words (const struct generation *g)
{
  struct pollfd p = { .fd = g->ready, .events = POLLIN };

  return g->ready != -1 && poll (&p, 1, 0) == 1;
}

static void
attach_generation (struct supervisor *s, struct source *from,
                   struct generation *g, const json_t *o)
{
  const json_t *fds = json_object_get (o, "fds");

  *g = NO_GENERATION;
  g->since = now_ms ();
  snprintf (g->version, sizeof g->version, "%s", json_text (o, "version"));
  open_process (&g->process, o);
  open_process (&g->lock_keeper, json_object_get (o, "holder"));
  g->state = state_of (json_text (o, "state"));
  /* Which sockets one has that is not in NAME.run is not known. */
  g->renewals = (uint64_t) json_integer_at (o, "sockets",
                                            (int64_t) s->listeners.renewals);
  if (g->process.pid == 0) {
    if (from->own)
      take_channels (from, g, fds); /* to be closed */
    else if (g->lock_keeper.pid != 0) /* which has the eventfd, too */
      g->hold
        = take (from, &g->lock_keeper, json_integer_at (fds, "hold", -1));
    recover_dead (s, g);
    return;
  }
  g->paused = json_is_true (json_object_get (o, "paused"));
  take_channels (from, g, fds);
  /* An upgrade may have come to its last step, and won't be finished; that
   * it had stopped a standby may not have come to be written.
   */
  process_signal (&g->process, SIGCONT);
  g->paused = false;
  if (json_is_true (json_object_get (o, "found")) && has_words (g))
    g->state = GENERATION_STARTING;
}

static void
attach_generations (struct supervisor *s, struct source *from)
{
  const json_t *list = json_object_get (from->state, "generations"), *o;
  size_t i;

  json_array_foreach (list, i, o) {
    struct generation *g = generation_find (s, GENERATION_FREE);

    if (g)
      attach_generation (s, from, g, o);
  }
}

/* ---- the pool and the sockets ---- */

/* Open the memfd that process P maps: a line of its maps begins with the
 * addresses by which map_files has it.
 */
static int
pool_of_mapping (const struct process *p)
{
  char line[512], path[128], range[64], file[64];
  int fd = -1;
  FILE *f;

  snprintf (path, sizeof path, "/proc/%d/maps", (int) p->pid);
  f = fopen (path, "re");
  while (f && fd == -1 && fgets (line, sizeof line, f))
    if (sscanf (line, "%63s %*s %*s %*s %*s %63s", range, file) == 2
        && strcmp (file, "/memfd:nbdzram") == 0) {
      snprintf (path, sizeof path, "/proc/%d/map_files/%s", (int) p->pid,
                range);
      fd = open (path, O_RDWR | O_CLOEXEC);
      if (fd == -1)
        break;
      fd = fd_keep (fd);
    }
  if (f)
    fclose (f);
  return fd;
}

/* All sockets that process P has, or none: it may end meanwhile. */
static void
recover_sockets (struct supervisor *s, struct source *from,
                 const struct process *p)
{
  const json_t *list = json_object_get (from->state, "listen"), *o;
  size_t i;

  json_array_foreach (list, i, o) {
    struct listener *l = &s->listeners.list[s->listeners.count];

    if (s->listeners.count == LISTENERS_MAX)
      break;
    l->fd = take (from, p, json_integer_at (o, "fd", -1));
    if (l->fd == -1)
      break;
    listener_describe (l);
    /* What is not from NAME.run may have been made anew since. */
    if (!json_object_get (from->state, "serial") && l->path[0]
        && control_socket_is_alive (l->path) != 1)
      l->ino = 0;
    ++s->listeners.count;
  }
  if (i < json_array_size (list))
    while (s->listeners.count > 0)
      fd_close (&s->listeners.list[--s->listeners.count].fd);
}

/* What generation G has, of that which is missing yet. */
static void
recover_shared (struct supervisor *s, struct source *from,
                const struct generation *g)
{
  if (s->listeners.count == 0)
    recover_sockets (s, from, &g->process);
  if (s->pool == -1)
    s->pool = take (from, &g->process,
                    json_integer_at (from->state, "pool", -1));
}

/* The pool, where nobody is left who has more than it in memory. */
static void
recover_from_lock_keepers (struct supervisor *s)
{
  for (unsigned i = 0; i < GENERATIONS_MAX && s->pool == -1; ++i)
    if (s->servers.list[i].lock_keeper.pid != 0)
      s->pool = pool_of_mapping (&s->servers.list[i].lock_keeper);
  if (s->pool != -1)
    log_line ("no server is left, but what held its memory: the pages are "
              "there");
}

static bool
had_memfd (const struct source *from)
{
  return json_integer_at (from->state, "pool", -1) != -1;
}

/* Those that are about to end: what they had may be gone already.  One at
 * its gate ends with its supervisor.
 */
static void
forget_ending (struct supervisor *s)
{
  for (unsigned i = 0; i < GENERATIONS_MAX; ++i) {
    struct generation *g = &s->servers.list[i];
    struct pollfd end = { .fd = g->process.fd, .events = POLLIN };

    if (g->process.pid != 0 && poll (&end, 1, ENDING_MS) == 1)
      recover_dead (s, g);
  }
}

/* Any of them may be ending at this very moment, so all are asked; those
 * first that have the sockets which were made last.
 */
static void
recover_pool_and_sockets (struct supervisor *s, struct source *from)
{
  const struct generation none = { .process = NO_PROCESS };

  if (from->own)
    recover_shared (s, from, &none);
  for (int stale = 0; stale < 2; ++stale)
    for (unsigned i = 0; i < GENERATIONS_MAX; ++i) {
      const struct generation *g = &s->servers.list[i];
      unsigned before = s->listeners.count;

      if (g->process.pid == 0
          || (g->renewals != s->listeners.renewals) != stale)
        continue;
      recover_shared (s, from, g);
      /* They are made anew, where they have a path. */
      for (unsigned k = before; stale && k < s->listeners.count; ++k)
        s->listeners.list[k].ino = 0;
    }
  if (had_memfd (from) && s->pool == -1) {
    forget_ending (s);
    recover_from_lock_keepers (s);
  }
}

static bool
same_strings (char *const *a, char *const *b)
{
  while (*a && *b && strcmp (*a, *b) == 0)
    ++a, ++b;
  return !*a && !*b;
}

/* Servers go on as they were started, whatever the file says by now. */
static int
recover_program (struct supervisor *s, const struct source *from)
{
  struct setup *setup = &s->setup;
  char **argv = strings_at (from->state, "argv"), error[MESSAGE_SIZE];
  struct child_fds fds = child_fds_layout (s->listeners.count);
  bool changed;
  int r;

  if (!argv)
    return -1;
  changed = !s->conf_error[0]
            && setup_program (setup, &fds, error, sizeof error) == 0
            && !same_strings (setup->program.argv, argv);
  if (changed)
    log_line ("the settings have changed: they take effect with nbdzram "
              "upgrade");
  argv[0] = (char *) json_text (from->state, "program");
  r = setup_program_of (setup, argv, &fds);
  free (argv);
  return r;
}

/* What NAME.conf can't be asked for: it has a mistake.  That the program
 * of the servers serves, and the path of its pool, can be seen from it.
 */
static int
recover_settings (struct supervisor *s, const struct source *from)
{
  struct setup *setup = &s->setup;
  const json_t *argv = json_object_get (from->state, "argv"), *word;
  size_t i;

  setup->serves = json_array_size (argv) > 0;
  setup->standby = setup->serves
    && (setup->options.swap || setup->options.standby);
  free (setup->conf.pool);
  setup->conf.pool = NULL;
  json_array_foreach (argv, i, word) {
    const char *text = json_string_value (word);

    if (!had_memfd (from) && text && strncmp (text, "pool=", 5) == 0
        && !setup->conf.pool && !(setup->conf.pool = strdup (text + 5)))
      return -1;
  }
  return 0;
}

/* ---- watchers ---- */

static void
recover_watcher (struct supervisor *s, struct source *from,
                 struct watcher_process *w, const json_t *o)
{
  const json_t *fds = json_object_get (o, "fds");
  char **argv = strings_at (o, "argv");

  *w = NO_WATCHER_PROCESS;
  w->used = true;
  snprintf (w->name, sizeof w->name, "%s", json_text (o, "name"));
  open_process (&w->process, o);
  if (w->process.pid != 0 || from->own)
    w->log.fd = take (from, &w->process, json_integer_at (fds, "log", -1));
  if (!argv || watcher_process_set_program (s, w, argv) == -1)
    watcher_process_close (w);
  free (argv);
  state_mark_changed (s);
}

static void
recover_watchers (struct supervisor *s, struct source *from)
{
  const json_t *list = json_object_get (from->state, "watchers"), *o;
  size_t i;

  json_array_foreach (list, i, o)
    if (i < WATCHERS_MAX)
      recover_watcher (s, from, &s->watchers[i], o);
}

/* ---- all of it ---- */

static int
refuse (char *error, size_t size)
{
  snprintf (error, size, "taking over from its running server is not "
            "permitted: be root, or set kernel.yama.ptrace_scope to 0");
  return -1;
}

static bool
server_lives (const struct supervisor *s)
{
  for (unsigned i = 0; i < GENERATIONS_MAX; ++i)
    if (s->servers.list[i].state != GENERATION_FREE)
      return true;
  return false;
}

/* The memfd could not be had.  An empty one in its place would have the
 * last who hold the pages released as soon as it is served; and the
 * kernel would take what it swapped out for zeroes.
 */
static int
without_pool (struct supervisor *s, char *error, size_t size)
{
  char device[64], path[CONTROL_PATH_SIZE];

  if (server_lives (s)) {
    s->exit_code = EX_TEMPFAIL;
    snprintf (error, size, "the pool of its servers can't be opened (by "
              "what holds the memory of a dead one, only root can): they "
              "are let alone");
    return -1;
  }
  if (in_use_as_swap (s->setup.options.name, false, device, sizeof device)) {
    snprintf (error, size, "%s is in use as swap, and what was swapped out "
              "is lost with the last server", device);
    return -1;
  }
  if (control_path (path, s->directory, s->setup.options.name) == 0
      && control_socket_is_alive (path) == 1) {
    s->exit_code = EX_TEMPFAIL;
    snprintf (error, size, "a server that was not found among the processes "
              "listens at %s, and may have the pages: end it first", path);
    return -1;
  }
  /* Not before it is known that no other process listens there. */
  s->lost = true;
  /* Their devices have another disk than the next server. */
  for (unsigned i = 0; i < WATCHERS_MAX; ++i)
    if (s->watchers[i].process.pid == 0)
      watcher_process_close (&s->watchers[i]);
  return 0;
}

static int
recover_all (struct supervisor *s, struct source *from, char *error,
             size_t size)
{
  attach_generations (s, from);
  recover_pool_and_sockets (s, from);
  /* Whether they were told is not known. */
  if (generation_find (s, GENERATION_READY))
    servers_release_gone (s);
  recover_watchers (s, from);
  if (!s->servers.last_exit[0])
    snprintf (s->servers.last_exit, sizeof s->servers.last_exit, "%s",
              json_text (from->state, "last_exit"));
  s->servers.restarts
    = (uint64_t) json_integer_at (from->state, "restarts", 0);
  if (from->refused)
    return refuse (error, size);
  if (had_memfd (from) && s->pool == -1
      && without_pool (s, error, size) == -1)
    return -1;
  if (!from->own && !server_lives (s) && !watchers_are_running (s))
    return 0;
  if (s->conf_error[0] && s->listeners.count == 0
      && json_array_size (json_object_get (from->state, "argv")) > 0) {
    /* Where to listen anew, only NAME.conf says. */
    s->exit_code = EX_TEMPFAIL;
    snprintf (error, size, "%s", s->conf_error);
    return -1;
  }
  if ((s->conf_error[0] && recover_settings (s, from) == -1)
      || (s->listeners.count > 0 && recover_program (s, from) == -1)) {
    snprintf (error, size, "%s", strerror (ENOMEM));
    return -1;
  }
  /* If not: whom the mistakes of a first start were for is gone. */
  s->servers.served = true;
  return 1;
}

/* One of the same name has not been killed: its directory was removed. */
static int
other_runs (struct supervisor *s, json_t *found, char *error, size_t size)
{
  snprintf (error, size, "another supervisor runs, process %" PRId64 ", "
            "whose files are gone: it makes them anew by itself",
            json_integer_at (found, "supervisor", 0));
  s->exit_code = EX_TEMPFAIL;
  json_decref (found);
  return -1;
}

int
recover (struct supervisor *s, int resume, char *error, size_t size)
{
  unsigned line = UINT_MAX;
  json_t *state = state_read (s, resume, &line, error, size), *found = NULL;
  struct source from = { .own = resume != -1 };
  int r;

  if (!from.own)
    found = find_orphans (s);
  if (found && json_object_get (found, "supervisor")) {
    json_decref (state);
    return other_runs (s, found, error, size);
  }
  from.state = state = find_merge (s, state, found);
  if (!state && !error[0])
    return 0;
  if (!state) {
    size_t length = strlen (error);

    snprintf (error + length, size - length, "; no server of %s was found "
              "among the processes: remove the file to begin anew",
              s->setup.options.name);
    s->exit_code = EX_TEMPFAIL;
    return -1;
  }
  s->state.serial = (uint64_t) json_integer_at (state, "serial", 0);
  s->listeners.renewals = (uint64_t) json_integer_at (state, "sockets", 0);
  r = recover_all (s, &from, error, size);
  s->state.is_ours = r == 1;
  if (r == 1 && !from.own)
    state_open (s, line);
  json_decref (state);
  return r;
}
