/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <signal.h>
#include <unistd.h>

#include "command/attach/in-use.h"
#include "service/set-error.h"

#include "renew.h"
#include "supervisor.h"

/* How long each step may take. */
#define WATCHERS_MS 10000
#define SERVERS_MS 10000
#define LOCK_KEEPERS_MS 2000

#define POLL_MS 10              /* between two polls */

/* If the connections of the server can't be counted, it may have one. */
static bool
has_clients (struct supervisor *s)
{
  const struct generation *g = generation_find (s, GENERATION_READY);

  return g && generation_count_connections (s, g) != 0;
}

int
stop_begin (struct supervisor *s, bool force, char *error, size_t size)
{
  char device[64];

  if (s->stop.requested)
    return 0;
  if (!force
      && is_in_use_as_swap (s->setup.options.name, has_clients (s), device,
                            sizeof device))
    return set_error (error, size, "%s is in use as swap: run nbdzram swapoff "
                      "%s", device, s->setup.options.name);
  if (!force
      && is_in_use_as_file_system (s->setup.options.name, has_clients (s),
                                   device, sizeof device))
    return set_error (error, size, "%s is mounted: run nbdzram umount %s",
                      device, s->setup.options.name);
  s->stop.requested = true;
  s->stop.step = STOP_BEGIN;
  state_mark_changed (s);
  return 0;
}

/* ---- steps ---- */

static void
enter_step (struct supervisor *s, enum stop_step step, int64_t ms)
{
  s->stop.step = step;
  s->stop.deadline = now_ms () + ms;
}

static bool
is_late (const struct supervisor *s)
{
  return now_ms () >= s->stop.deadline;
}

/* Only the server has requests to answer: others are killed. */
static void
signal_servers (struct supervisor *s, int signal)
{
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE)
      process_signal (&g->process,
                      g->state == GENERATION_READY ? signal : SIGKILL);
}

static bool
servers_are_running (const struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE && !g->ended)
      return true;
  return false;
}

static void
release_lock_keepers (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE)
      generation_release (g);
}

static bool
lock_keepers_are_running (const struct supervisor *s)
{
  int status;

  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE && g->lock_keeper.pid != 0
        && !process_ended (&g->lock_keeper, &status))
      return true;
  return false;
}

/* Take a step, if it can be taken.  Returns whether it was. */
static bool
take_step (struct supervisor *s)
{
  enum stop_step before = s->stop.step;

  switch (before) {
  case STOP_BEGIN:
    watchers_signal (s, SIGTERM);
    enter_step (s, STOP_WATCHERS, WATCHERS_MS);
    break;
  case STOP_WATCHERS:
    if (watchers_are_running (s) && !is_late (s))
      break;
    watchers_signal (s, SIGKILL);
    signal_servers (s, SIGTERM);
    release_lock_keepers (s);
    enter_step (s, STOP_SERVERS, SERVERS_MS);
    break;
  case STOP_SERVERS:
    if (!servers_are_running (s))
      enter_step (s, STOP_LOCK_KEEPERS, LOCK_KEEPERS_MS);
    else if (is_late (s)) {
      signal_servers (s, SIGKILL);
      enter_step (s, STOP_SERVERS, SERVERS_MS);
    }
    break;
  case STOP_LOCK_KEEPERS:
    if (lock_keepers_are_running (s) && !is_late (s))
      break;
    stop_remove_files (s);
    s->finished = true;
    break;
  }
  return s->stop.step != before;
}

int64_t
stop_poll (struct supervisor *s)
{
  if (!s->stop.requested || s->finished)
    return 0;
  while (take_step (s))
    ;
  return now_ms () + POLL_MS;
}

/* Remove the control socket that a killed server left; not that of a living
 * one, because of which the first server may have failed to start.
 */
static void
remove_dead_control (const struct supervisor *s)
{
  char path[CONTROL_PATH_SIZE];
  struct control_socket dead;

  if (control_path (path, s->directory, s->setup.options.name) == 0
      && control_socket_open (&dead, path) == 0)
    control_socket_close (&dead);
}

void
stop_remove_files (struct supervisor *s)
{
  char path[SUPERVISOR_PATH_SIZE];

  signal_servers (s, SIGKILL);
  release_lock_keepers (s);
  for (unsigned i = 0; i < s->listeners.count; ++i)
    listener_close (&s->listeners.list[i]);
  s->listeners.count = 0;
  if (s->state.is_ours && (s->state.file.fd == -1 || state_file_is_linked (s)))
    unlink (supervisor_path (s, path, sizeof path, ".run"));
  remove_dead_control (s);
  control_socket_close (&s->control.socket);
}
