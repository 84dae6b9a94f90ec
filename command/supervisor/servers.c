/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "backoff.h"
#include "supervisor.h"

/* So many failed starts in a row are no accident.  From then on one start a
 * minute is made, since clients wait.
 */
#define FAILURES_MAX 20
#define PAUSE_FAILING_MS 60000

/* A server that lived shorter than this after it was ready may be killed by
 * a request that a client repeats.  Each such death makes the next start
 * BACKOFF_MS later, up to QUICK_MAX times: without that there could be a
 * hundred starts a second.
 */
#define QUICK_MS 1000
#define QUICK_MAX 10

/* ---- finding generations ---- */

struct generation *
generation_find (struct supervisor *s, enum generation_state state)
{
  for_each (g, s->servers.list)
    if (g->state == state)
      return g;
  return NULL;
}

struct generation *
generation_find_pid (struct supervisor *s, pid_t pid)
{
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE && g->process.pid == pid)
      return g;
  return NULL;
}

bool
generation_is_stale (const struct supervisor *s, const struct generation *g)
{
  return g->renewals != s->listeners.renewals;
}

/* A paused generation can't lock the pool, and a stale one will be replaced:
 * neither is a candidate.
 */
struct generation *
generation_find_candidate (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if ((g->state == GENERATION_STARTING || g->state == GENERATION_WAITING)
        && !g->paused && !generation_is_stale (s, g))
      return g;
  return NULL;
}

static void
enter_state (struct supervisor *s, struct generation *g,
             enum generation_state state)
{
  g->state = state;
  g->since = now_ms ();
  state_mark_changed (s);
}

/* ---- start ---- */

/* Open the socket, the eventfd and the pipe of G.  The server gets both ends
 * of each, so that nothing in them is lost with this supervisor, and the next
 * one can copy them.
 */
static int
open_channels (struct generation *g, int *ready_write, int *log_write)
{
  int pair[2];

  *g = NO_GENERATION;
  *ready_write = *log_write = -1;
  /* A pipe can't be read without removing what was read; the status must
   * stay there until NAME.run has it.
   */
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
    return -1;
  g->ready = fd_keep (pair[0]);
  *ready_write = fd_keep (pair[1]);
  g->hold = fd_keep (eventfd (0, EFD_CLOEXEC));
  if (g->ready == -1 || *ready_write == -1 || g->hold == -1)
    return -1;
  return log_source_open (&g->log, log_write);
}

static void
close_channels (struct generation *g)
{
  fd_close (&g->ready);
  fd_close (&g->hold);
  log_source_close (&g->log);
}

static int
spawn_server (struct supervisor *s, struct generation *g,
              const struct program *program, int ready_write, int log_write)
{
  struct child_fds at = child_fds_layout (s->listeners.count);
  struct spawn_fds fds = {
    .count = (unsigned) at.count, .start_barrier = (unsigned) at.start_barrier,
  };

  fds.from[STDIN_FILENO] = s->null;
  fds.from[STDOUT_FILENO] = fds.from[STDERR_FILENO] = log_write;
  for (unsigned i = 0; i < s->listeners.count; ++i)
    fds.from[at.listen + (int) i] = s->listeners.list[i].fd;
  fds.from[at.pool] = s->pool == -1 ? s->null : s->pool;
  fds.from[at.ready_write] = ready_write;
  fds.from[at.ready] = g->ready;
  fds.from[at.hold] = g->hold;
  fds.from[at.log] = g->log.fd;
  return spawn (program, &fds, &g->process);
}

/* If no entry is free, take that of a dead server whose lock keeper was told
 * to end and takes its time.
 */
static struct generation *
find_free_entry (struct supervisor *s)
{
  struct generation *g = generation_find (s, GENERATION_FREE);

  if (g)
    return g;
  for_each (dead, s->servers.list)
    if (dead->ended && dead->released) {
      generation_close (dead);
      return dead;
    }
  return NULL;
}

struct generation *
generation_start (struct supervisor *s, const struct setup *setup)
{
  struct generation *g = find_free_entry (s);
  int ready_write, log_write, r;

  if (!g) {
    errno = EAGAIN;
    return NULL;
  }
  r = open_channels (g, &ready_write, &log_write);
  if (r == 0)
    r = spawn_server (s, g, &setup->program, ready_write, log_write);
  fd_close (&ready_write);
  fd_close (&log_write);
  if (r == 0) {
    g->renewals = s->listeners.renewals;
    enter_state (s, g, GENERATION_STARTING);
    return g;
  }
  close_channels (g);
  return NULL;
}

/* ---- end ---- */

void
generation_release (struct generation *g)
{
  if (!g->released && g->hold != -1)
    eventfd_write (g->hold, 1);
  g->released = true;
}

void
servers_release_gone (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (g->state == GENERATION_GONE)
      generation_release (g);
}

void
generation_pause (struct supervisor *s, struct generation *g)
{
  process_signal (&g->process, SIGSTOP);
  g->paused = true;
  state_mark_changed (s);
}

void
generation_resume (struct supervisor *s, struct generation *g)
{
  g->paused = false;
  process_signal (&g->process, SIGCONT);
  state_mark_changed (s);
}

void
generation_kill (struct supervisor *s, struct generation *g)
{
  g->paused = false;
  g->state = GENERATION_GONE;
  generation_release (g);
  process_signal (&g->process, SIGKILL);
  state_mark_changed (s);
}

void
generation_close (struct generation *g)
{
  generation_release (g);
  close_channels (g);
  process_close (&g->process);
  process_close (&g->lock_keeper);
  *g = NO_GENERATION;
}

static int64_t
quick_deaths_pause (const struct supervisor *s)
{
  return BACKOFF_MS * (int64_t) MIN (s->servers.quick_deaths, QUICK_MAX);
}

static void
count_failure (struct supervisor *s)
{
  struct servers *servers = &s->servers;
  int64_t pause;

  ++servers->failures;
  if (servers->failures >= FAILURES_MAX && !servers->failing) {
    servers->failing = true;
    log_line ("%u starts in a row have failed: from now on one start a minute "
              "is made, or at nbdzram upgrade; no page is lost",
              servers->failures);
  }
  pause = backoff_ms (servers->failures - 1) + quick_deaths_pause (s);
  pause = servers->failing ? PAUSE_FAILING_MS : MIN (pause, BACKOFF_MAX_MS);
  servers->next_start = now_ms () + pause;
}

/* G ended before it was ready. */
static void
reap_candidate (struct supervisor *s, struct generation *g, int status)
{
  char how[64];

  status_text (how, sizeof how, status);
  if (g == s->upgrade.next)
    upgrade_set_error (s, g->error[0] ? g->error : how);
  else if (s->servers.served && !s->stop.requested) {
    log_line ("a server that was starting %s%s%s", how,
              g->error[0] ? ": " : "", g->error);
    count_failure (s);
  }
  else if (!s->servers.served)
    snprintf (s->servers.first_error, sizeof s->servers.first_error, "%s",
              g->error[0] ? g->error : how);
}

static void
reap_server (struct supervisor *s, struct generation *g, int status)
{
  int64_t lived = now_ms () - g->since;

  status_text (s->servers.last_exit, sizeof s->servers.last_exit, status);
  if (!s->stop.requested)
    log_line (
      "the server (%d) %s: %s", (int) g->process.pid, s->servers.last_exit,
      generation_find (s, GENERATION_WAITING) ? "the standby takes over"
                                              : "another one is started");
  s->servers.quick_deaths = lived < QUICK_MS ? s->servers.quick_deaths + 1 : 0;
  if (lived >= STEADY_MS)
    s->servers.failures = 0;
  /* Failures were those of a standby.  Now no server runs, so the next start
   * is not delayed by them.
   */
  s->servers.failing = false;
  s->servers.failures = MIN (s->servers.failures, FAILURES_MAX / 2);
  s->servers.next_start = now_ms () + quick_deaths_pause (s);
  enter_state (s, g, GENERATION_GONE);
}

static void
reap_if_ended (struct supervisor *s, struct generation *g)
{
  int status;

  if (g->state == GENERATION_FREE || g->ended
      || !process_ended (&g->process, &status))
    return;
  g->ended = true;
  state_mark_changed (s);
  if (g->state == GENERATION_READY)
    reap_server (s, g, status);
  else if (g->state == GENERATION_GONE) {
    if (g->served)
      status_text (s->servers.last_exit, sizeof s->servers.last_exit, status);
  }
  else {
    reap_candidate (s, g, status);
    generation_close (g);
  }
}

/* ---- status and log ---- */

static void
on_ready (struct supervisor *s, struct generation *g)
{
  struct generation *before = generation_find (s, GENERATION_READY);

  if (before) {
    /* It has lost the lock on the pool, so it is dying. */
    process_signal (&before->process, SIGKILL);
    enter_state (s, before, GENERATION_GONE);
  }
  enter_state (s, g, GENERATION_READY);
  s->servers.failing = false;
  g->served = true;
  servers_release_gone (s);
  if (s->servers.served) {
    ++s->servers.restarts;
    log_line ("a server is ready (%d, version %s)",
              (int) g->process.pid, g->version);
  }
  s->servers.served = true;
}

static void
parse_status (struct supervisor *s, struct generation *g, const char *line)
{
  char version[VERSION_SIZE];
  int lock_keeper = 0;

  if (strcmp (line, "waiting") == 0 && g->state == GENERATION_STARTING) {
    s->servers.failing = false;
    enter_state (s, g, GENERATION_WAITING);
  }
  else if (g->state != GENERATION_READY
           && sscanf (line, "ready %31s %d", version, &lock_keeper) == 2) {
    strcpy (g->version, version);
    process_open (&g->lock_keeper, lock_keeper,
                  process_start_time (lock_keeper));
    on_ready (s, g);
  }
}

/* Read the whole lines in the socket, and leave them there. */
static void
read_status (struct supervisor *s, struct generation *g)
{
  char text[256], *line = text, *end;
  ssize_t n;

  if (g->state == GENERATION_FREE || g->ready == -1 || g->status_read > 0)
    return;
  n = recv (g->ready, text, sizeof text - 1, MSG_PEEK | MSG_DONTWAIT);
  if (n <= 0)
    return;
  text[n] = '\0';
  for (; (end = strchr (line, '\n')) != NULL; line = end + 1) {
    *end = '\0';
    parse_status (s, g, line);
    g->status_read = (size_t) (end + 1 - text);
  }
}

void
servers_consume_status (struct supervisor *s)
{
  char text[256];

  for_each (g, s->servers.list)
    if (g->status_read > 0 && g->ready != -1
        && recv (g->ready, text, g->status_read, MSG_DONTWAIT) > 0)
      g->status_read = 0;
}

/* Lines of a generation that is not yet ready are not logged: its error is,
 * if it fails, or is printed by start_first_server in supervisor.c.
 */
static void
read_log (struct supervisor *s, struct generation *g)
{
  char line[LOG_LINE];

  while (g->state != GENERATION_FREE && log_source_next (&g->log, line)) {
    const char *error = strstr (line, "error: ");

    if (error)
      strcpy (g->error, error + strlen ("error: "));
    else if (!g->error[0])
      strcpy (g->error, line);
    if (s->servers.served && g->state != GENERATION_STARTING)
      log_line ("%s", line);
  }
}

/* A lock keeper ends when it is told to, or by itself after a while, so this
 * becomes true.
 */
static bool
can_be_closed (const struct generation *g)
{
  int status;

  if (g->state != GENERATION_GONE || !g->ended)
    return false;
  return g->lock_keeper.pid == 0 ? g->released
                                 : process_ended (&g->lock_keeper, &status);
}

void
servers_poll (struct supervisor *s)
{
  for_each (g, s->servers.list)
    read_log (s, g);
  /* Reap the server before its standby says "ready", so that its end is
   * counted and logged.
   */
  for_each (g, s->servers.list)
    if (g->state == GENERATION_READY)
      reap_if_ended (s, g);
  for_each (g, s->servers.list)
    read_status (s, g);
  for_each (g, s->servers.list) {
    read_log (s, g);            /* what it logged before it ended */
    reap_if_ended (s, g);
    if (can_be_closed (g)) {
      generation_close (g);
      state_mark_changed (s);
    }
  }
}

/* ---- starting what is missing ---- */

void
servers_reset_failures (struct supervisor *s)
{
  s->servers.failing = false;
  s->servers.failures = s->servers.quick_deaths = 0;
  s->servers.next_start = 0;
}

int64_t
servers_balance (struct supervisor *s)
{
  struct generation *server = generation_find (s, GENERATION_READY);

  if (!s->setup.serves || s->stop.requested || generation_find_candidate (s)
      || (s->upgrade.phase != UPGRADE_NONE
          && s->upgrade.phase != UPGRADE_TRYING
          && s->upgrade.phase != UPGRADE_EXECUTING)
      || (server && !s->setup.standby))
    return 0;
  if (now_ms () < s->servers.next_start)
    return s->servers.next_start;
  if (!generation_start (s, &s->setup)) {
    log_line ("starting %s: %s", s->setup.program.path, strerror (errno));
    /* Processes, descriptors or memory are short, which passes: these
     * failures alone never make starts rare.
     */
    s->servers.failures = MIN (s->servers.failures, FAILURES_MAX - 2);
    count_failure (s);
    return s->servers.next_start;
  }
  return 0;
}
