/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "command/base/cleanup.h"
#include "command/base/output.h"

#include "recover-processes.h"
#include "state.h"
#include "supervisor.h"

/* A generation at its start barrier ends with its supervisor, within this. */
#define ENDING_MS 200

/* ---- JSON ---- */

const char **
json_strings_at (const json_t *o, const char *key)
{
  const json_t *list = json_object_get (o, key), *item;
  const char **strings = calloc (json_array_size (list) + 1, sizeof *strings);
  size_t i;

  if (strings)
    json_array_foreach (list, i, item)
      strings[i] = json_string_value (item) ? json_string_value (item) : "";
  return strings;
}

/* ---- processes and descriptors ---- */

static void
open_process (struct process *p, const json_t *o)
{
  process_open (p, (pid_t) json_integer_at (o, "pid", 0),
                (uint64_t) json_integer_at (o, "start", 1));
}

/* The descriptor number KEY of FDS: a copy of that of process P or, after an
 * upgrade, this process's own.  -1: it could not be had.
 */
static int
recover_fd (struct recovery *r, const struct process *p, const json_t *fds,
            const char *key)
{
  int64_t number = json_integer_at (fds, key, -1);
  int fd;

  if (number < 0)
    return -1;
  if (r->own) {
    fcntl ((int) number, F_SETFD, FD_CLOEXEC);
    return (int) number;
  }
  fd = process_take_fd (p, (int) number);
  if (fd == -1 && (errno == EPERM || errno == EACCES))
    r->refused = true;
  return fd;
}

/* ---- generations ---- */

static enum generation_state
parse_generation_state (const char *name)
{
  if (strcmp (name, "ready") == 0)
    return GENERATION_READY;
  if (strcmp (name, "waiting") == 0)
    return GENERATION_WAITING;
  return strcmp (name, "gone") == 0 ? GENERATION_GONE : GENERATION_STARTING;
}

static void
recover_channels (struct recovery *r, struct generation *g, const json_t *fds)
{
  g->ready = recover_fd (r, &g->process, fds, "ready");
  g->hold = recover_fd (r, &g->process, fds, "hold");
  g->log.fd = recover_fd (r, &g->process, fds, "log");
}

static void
recover_dead_generation (struct supervisor *s, struct generation *g)
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

static void
recover_generation (struct recovery *r, struct generation *g, const json_t *o)
{
  const json_t *fds = json_object_get (o, "fds");

  *g = NO_GENERATION;
  g->since = now_ms ();
  snprintf (g->version, sizeof g->version, "%s", json_text (o, "version"));
  open_process (&g->process, o);
  open_process (&g->lock_keeper, json_object_get (o, "holder"));
  g->state = parse_generation_state (json_text (o, "state"));
  /* Of one that the search found it is not known which sockets it has. */
  g->renewals
    = (uint64_t) json_integer_at (o, "sockets",
                                  (int64_t) r->s->listeners.renewals);
  if (g->process.pid == 0) {
    if (r->own)
      recover_channels (r, g, fds); /* to close them */
    else if (g->lock_keeper.pid != 0) /* which has the eventfd, too */
      g->hold = recover_fd (r, &g->lock_keeper, fds, "hold");
    recover_dead_generation (r->s, g);
    return;
  }
  recover_channels (r, g, fds);
  /* An upgrade that had stopped it may not have come to record that. */
  process_signal (&g->process, SIGCONT);
  if (json_is_true (json_object_get (o, "found"))
      && fd_has_event (g->ready, POLLIN))
    g->state = GENERATION_STARTING;
}

static void
recover_generations (struct recovery *r)
{
  const json_t *list = json_object_get (r->state, "generations"), *o;
  size_t i;

  json_array_foreach (list, i, o) {
    struct generation *g = generation_find (r->s, GENERATION_FREE);

    if (g)
      recover_generation (r, g, o);
  }
}

/* ---- the pool and the sockets ---- */

/* Open the memfd that process P maps.  A line of its maps begins with the
 * addresses that are the name of the mapping in map_files.
 */
static int
open_mapped_memfd (const struct process *p)
{
  char line[512], path[128], range[64], file[64];
  CLEANUP_FCLOSE FILE *f = NULL;

  snprintf (path, sizeof path, "/proc/%d/maps", (int) p->pid);
  f = fopen (path, "re");
  while (f && fgets (line, sizeof line, f))
    if (sscanf (line, "%63s %*s %*s %*s %*s %63s", range, file) == 2
        && strcmp (file, "/memfd:nbdzram") == 0) {
      snprintf (path, sizeof path, "/proc/%d/map_files/%s", (int) p->pid,
                range);
      return fd_keep (open (path, O_RDWR | O_CLOEXEC));
    }
  return -1;
}

/* All sockets of process P, or none: it may be ending. */
static void
recover_sockets (struct recovery *r, const struct process *p)
{
  struct listeners *listeners = &r->s->listeners;
  const json_t *list = json_object_get (r->state, "listen"), *o;
  size_t i;

  json_array_foreach (list, i, o) {
    struct listener *l = &listeners->list[listeners->count];

    if (listeners->count == LISTENERS_MAX)
      break;
    l->fd = recover_fd (r, p, o, "fd");
    if (l->fd == -1)
      break;
    listener_describe (l);
    /* Without NAME.run it is not known whether the socket is the newest. */
    if (!json_object_get (r->state, "serial") && l->path[0]
        && control_socket_is_alive (l->path) != 1)
      l->ino = 0;
    ++listeners->count;
  }
  if (i < json_array_size (list))
    while (listeners->count > 0)
      fd_close (&listeners->list[--listeners->count].fd);
}

/* The sockets and the memfd from process P, if they are still missing. */
static void
recover_shared_fds (struct recovery *r, const struct process *p)
{
  if (r->s->listeners.count == 0)
    recover_sockets (r, p);
  if (r->s->pool == -1)
    r->s->pool = recover_fd (r, p, r->state, "pool");
}

static void
recover_memfd_from_lock_keepers (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (s->pool == -1 && g->lock_keeper.pid != 0)
      s->pool = open_mapped_memfd (&g->lock_keeper);
  if (s->pool != -1)
    log_line ("no server is left, but the lock keeper of one has its pool: no "
              "page is lost");
}

/* A generation that is about to end may have closed its descriptors. */
static void
forget_ending_generations (struct supervisor *s)
{
  for_each (g, s->servers.list) {
    struct pollfd end = { .fd = g->process.fd, .events = POLLIN };

    if (g->process.pid != 0 && poll (&end, 1, ENDING_MS) == 1)
      recover_dead_generation (s, g);
  }
}

static void
recover_pool_and_sockets (struct recovery *r)
{
  struct supervisor *s = r->s;

  if (r->own)
    recover_shared_fds (r, &NO_PROCESS);
  for (int stale = 0; stale < 2; ++stale)
    for_each (g, s->servers.list) {
      unsigned before = s->listeners.count;

      if (g->process.pid == 0 || generation_is_stale (s, g) != stale)
        continue;
      recover_shared_fds (r, &g->process);
      /* Create older sockets again. */
      for (unsigned k = before; stale && k < s->listeners.count; ++k)
        s->listeners.list[k].ino = 0;
    }
  if (recovery_has_memfd (r) && s->pool == -1) {
    forget_ending_generations (s);
    recover_memfd_from_lock_keepers (s);
  }
}

bool
recovery_has_memfd (const struct recovery *r)
{
  return json_integer_at (r->state, "pool", -1) != -1;
}

/* ---- watchers ---- */

static void
recover_watcher (struct recovery *r, struct watcher_process *w,
                 const json_t *o)
{
  CLEANUP_FREE const char **argv = json_strings_at (o, "argv");

  *w = NO_WATCHER_PROCESS;
  w->used = true;
  snprintf (w->name, sizeof w->name, "%s", json_text (o, "name"));
  open_process (&w->process, o);
  if (w->process.pid != 0 || r->own)
    w->log.fd = recover_fd (r, &w->process, json_object_get (o, "fds"), "log");
  if (!argv || watcher_process_set_program (r->s, w, argv) == -1)
    watcher_process_close (w);
  state_mark_changed (r->s);
}

static void
recover_watchers (struct recovery *r)
{
  const json_t *list = json_object_get (r->state, "watchers"), *o;
  size_t i;

  json_array_foreach (list, i, o)
    if (i < WATCHERS_MAX)
      recover_watcher (r, &r->s->watchers[i], o);
}

/* ---- all of it ---- */

void
recover_processes (struct recovery *r)
{
  struct supervisor *s = r->s;

  s->state.serial = (uint64_t) json_integer_at (r->state, "serial", 0);
  s->listeners.renewals = (uint64_t) json_integer_at (r->state, "sockets", 0);
  recover_generations (r);
  recover_pool_and_sockets (r);
  /* It is not known whether their lock keepers were told to end. */
  if (generation_find (s, GENERATION_READY))
    servers_release_gone (s);
  recover_watchers (r);
  if (!s->servers.last_exit[0])
    snprintf (s->servers.last_exit, sizeof s->servers.last_exit, "%s",
              json_text (r->state, "last_exit"));
  s->servers.restarts
    = (uint64_t) json_integer_at (r->state, "restarts", 0);
}
