/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/nbd-device.h"
#include "command/attach/record.h"
#include "service/set-error.h"
#include "service/start-barrier.h"

#include "backoff.h"
#include "supervisor.h"

/* The program of this process, also after an upgrade has replaced its file.
 */
#define OWN_PROGRAM "/proc/self/exe"

int
watcher_process_set_program (const struct supervisor *s,
                             struct watcher_process *w,
                             const char *const argv[])
{
  static const char *const left_out[] = {
    "NOTIFY_SOCKET=", "NBDZRAM_RESUME=", "LISTEN_", START_BARRIER_VARIABLE "=",
    SERVER_VARIABLE "=", NULL,
  };
  char start_barrier[32],
    server[sizeof s->directory + 128] = SERVER_VARIABLE "=";
  const char *const added[] = { start_barrier, server, NULL };
  struct program *p = &w->program;
  size_t count = 0;

  while (argv[count])
    ++count;
  snprintf (start_barrier, sizeof start_barrier, START_BARRIER_VARIABLE "=%d",
            WATCHER_BARRIER_FD);
  supervisor_path (s, server + strlen (server),
                   sizeof server - strlen (server), "");
  p->path = strdup (OWN_PROGRAM);
  p->argv = calloc (count + 1, sizeof *p->argv);
  p->envp = environment_make (left_out, added);
  if (!p->path || !p->argv || !p->envp)
    return -1;
  for (size_t i = 0; i < count; ++i)
    if (!(p->argv[i] = strdup (argv[i])))
      return -1;
  return 0;
}

/* ---- adding a watcher ---- */

static struct watcher_process *
find_watcher (struct supervisor *s, const char *name)
{
  for_each (w, s->watchers)
    if (w->used && strcmp (w->name, name) == 0)
      return w;
  return NULL;
}

/* The first free name of NAME, NAME.1, NAME.2... */
static bool
choose_name (struct supervisor *s, char *name, size_t size)
{
  for (size_t k = 0; k < WATCHERS_MAX; ++k)
    if (!find_watcher (s, attach_name (name, size, s->setup.options.name,
                                       k)))
      return true;
  return false;
}

static struct watcher_process *
find_free_watcher (struct supervisor *s)
{
  for_each (w, s->watchers)
    if (!w->used)
      return w;
  return NULL;
}

/* The '@' is that of the server: see make_process_name in setup.c. */
static const char *
process_name (const struct supervisor *s)
{
  return s->setup.options.swap ? "@nbdzram" : "nbdzram";
}

static int
prepare_program (const struct supervisor *s, struct watcher_process *w,
                 const struct watch_request *r)
{
  char connections[24], timeout[24], dead_timeout[24], block_size[24];
  const char *const argv[] = {
    process_name (s), "watch", w->name,
    "--uri", r->uri,
    "--connections", connections,
    "--timeout", timeout,
    "--dead-timeout", dead_timeout,
    "--block-size", block_size,
    r->mirror ? "--mirror" : NULL,
    "--half-of", s->setup.options.name, NULL,
  };

  snprintf (connections, sizeof connections, "%" PRIu64, r->connections);
  snprintf (timeout, sizeof timeout, "%" PRIu64, r->timeout);
  snprintf (dead_timeout, sizeof dead_timeout, "%" PRIu64, r->dead_timeout);
  snprintf (block_size, sizeof block_size, "%" PRIu64, r->block_size);
  return watcher_process_set_program (s, w, argv);
}

static int
prepare_areas_program (const struct supervisor *s, struct watcher_process *w,
                       int priority, unsigned most)
{
  char number[24], most_text[24];
  const char *const argv[] = {
    process_name (s), "areas", s->setup.options.name, "--most", most_text,
    priority >= 0 ? "--priority" : NULL, number, NULL,
  };

  snprintf (most_text, sizeof most_text, "%u", most);
  snprintf (number, sizeof number, "%d", priority);
  return watcher_process_set_program (s, w, argv);
}

static int start_watcher_process (struct supervisor *s,
                                  struct watcher_process *w);

static void
claim (struct watcher_process *w, const char *name)
{
  *w = NO_WATCHER_PROCESS;
  w->used = true;
  snprintf (w->name, sizeof w->name, "%s", name);
}

/* Starts W, unless PREPARED, which its program is, is -1. */
static int
start_added (struct supervisor *s, struct watcher_process *w, int prepared,
             char *error, size_t size)
{
  if (prepared == 0 && start_watcher_process (s, w) == 0)
    return 0;
  snprintf (error, size, "starting a watcher: %s", strerror (errno));
  watcher_process_close (w);
  return -1;
}

int
watcher_process_add (struct supervisor *s, const struct watch_request *r,
                     struct watcher_process **added, char *error, size_t size)
{
  struct watcher_process *w = find_free_watcher (s);
  char name[sizeof w->name];

  if (s->stop.requested)
    return set_error (error, size, "the supervisor is being stopped");
  if (!r->name && !choose_name (s, name, sizeof name))
    return set_error (error, size, "there are too many watchers");
  if (r->name
      && (strlen (r->name) >= sizeof name
          || !attach_name_belongs (r->name, s->setup.options.name)))
    return set_error (error, size, "the watcher's name must be that of the "
                      "server, or that and a dot and a number");
  if (r->name)
    strcpy (name, r->name);
  if (find_watcher (s, name))
    return set_error (error, size, "a watcher of this name runs already");
  if (!w)
    return set_error (error, size, "there are too many watchers");

  claim (w, name);
  *added = w;
  return start_added (s, w, prepare_program (s, w, r), error, size);
}

int
watcher_process_add_areas (struct supervisor *s, int priority, unsigned most,
                           struct watcher_process **added, char *error,
                           size_t size)
{
  struct watcher_process *w = find_free_watcher (s);
  char name[sizeof w->name];

  snprintf (name, sizeof name, "%s" AREAS_SUFFIX, s->setup.options.name);
  if (s->stop.requested)
    return set_error (error, size, "the supervisor is being stopped");
  *added = find_watcher (s, name);
  if (*added) {
    (*added)->unwanted = false;
    return 0;
  }
  if (!w)
    return set_error (error, size, "there are too many watchers");
  claim (w, name);
  *added = w;
  return start_added (s, w, prepare_areas_program (s, w, priority, most),
                      error, size);
}

void
watcher_process_close (struct watcher_process *w)
{
  process_close (&w->process);
  log_source_close (&w->log);
  program_free (&w->program);
  *w = NO_WATCHER_PROCESS;
}

/* ---- starting, and reaping ---- */

static int
start_watcher_process (struct supervisor *s, struct watcher_process *w)
{
  struct spawn_fds fds = {
    .count = WATCHER_BARRIER_FD + 1, .start_barrier = WATCHER_BARRIER_FD,
  };
  int log_write, r;

  log_source_close (&w->log);
  if (log_source_open (&w->log, &log_write) == -1)
    return -1;
  fds.from[STDIN_FILENO] = s->null;
  fds.from[STDOUT_FILENO] = fds.from[STDERR_FILENO] = log_write;
  fds.from[WATCHER_LOG_FD] = w->log.fd;
  r = spawn (&w->program, &fds, &w->process);
  fd_close (&log_write);
  if (r == 0)
    state_mark_changed (s);
  return r;
}

static void
plan_restart (struct watcher_process *w, const char *why)
{
  log_line ("the watcher of %s %s: it is started again", w->name, why);
  w->next_start = now_ms () + backoff_ms (w->failures);
  ++w->failures;
}

/* Does W manage areas?  Otherwise it watches a device. */
static bool
is_manager (const struct supervisor *s, const struct watcher_process *w)
{
  size_t length = strlen (s->setup.options.name);

  return strncmp (w->name, s->setup.options.name, length) == 0
    && strcmp (w->name + length, AREAS_SUFFIX) == 0;
}

/* The exit status of a watcher that another supervisor started is not known.
 * A watcher that ended with success has disconnected its device and removed
 * NAME.attach.  That file may also have been removed with its directory, so
 * the kernel is asked, too.
 */
static bool
is_attached (const struct supervisor *s, const struct watcher_process *w)
{
  const char *name = is_manager (s, w) ? s->setup.options.name : w->name;
  char path[sizeof s->directory + sizeof w->name + 16];
  char identifier[sizeof w->name + 16];

  snprintf (path, sizeof path, "%s/%s.attach", s->directory, name);
  snprintf (identifier, sizeof identifier, "nbdzram:%s", name);
  return access (path, F_OK) == 0 || nbd_device_find (identifier) != -1;
}

/* May W end for good?  A watcher is needed as long as its device is
 * attached.
 */
static bool
may_end (const struct supervisor *s, const struct watcher_process *w)
{
  return w->unwanted && (is_manager (s, w) || !is_attached (s, w));
}

static void
reap_watcher (struct supervisor *s, struct watcher_process *w)
{
  char how[64];
  int status;

  if (w->process.pid == 0 || !process_ended (&w->process, &status))
    return;
  process_close (&w->process);
  state_mark_changed (s);
  if (status == -1)
    status = is_attached (s, w) ? -1 : 0;
  if (status == 0 || s->stop.requested || may_end (s, w)) {
    watcher_process_close (w);
    return;
  }
  status_text (how, sizeof how, status);
  plan_restart (w, how);
}

void
watcher_process_remove (struct supervisor *s, const char *name)
{
  struct watcher_process *w = find_watcher (s, name);

  if (!w)
    return;
  w->unwanted = true;
  if (w->process.pid != 0)
    process_signal (&w->process, SIGTERM);
  else if (may_end (s, w)) {
    watcher_process_close (w);
    state_mark_changed (s);
  }
}

static void
log_output (struct watcher_process *w)
{
  char line[LOG_LINE];

  while (log_source_next (&w->log, line))
    log_line ("%s", line);
}

static void
restart_watcher (struct supervisor *s, struct watcher_process *w, int64_t now)
{
  if (w->process.pid == 0 && w->next_start <= now
      && start_watcher_process (s, w) == -1)
    plan_restart (w, strerror (errno));
  else if (w->process.pid != 0 && now - w->next_start > STEADY_MS)
    w->failures = 0;
}

int64_t
watchers_poll (struct supervisor *s)
{
  int64_t now = now_ms (), next = 0;

  for_each (w, s->watchers) {
    if (!w->used)
      continue;
    log_output (w);
    reap_watcher (s, w);
    if (w->used && !s->stop.requested)
      restart_watcher (s, w, now);
    if (w->used && w->process.pid == 0)
      next = earlier (next, w->next_start);
  }
  return next;
}

bool
watchers_are_running (const struct supervisor *s)
{
  for_each (w, s->watchers)
    if (w->process.pid != 0)
      return true;
  return false;
}

void
watchers_signal (const struct supervisor *s, int signal)
{
  for_each (w, s->watchers)
    process_signal (&w->process, signal);
}
