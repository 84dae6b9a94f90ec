/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "command/base/utf8.h"
#include "lib/base/util.h"
#include "service/set-error.h"

#include "state.h"
#include "supervisor.h"

/* How long each phase may take. */
#define LOADING_MS 60000
#define PAUSING_MS 1000
#define PAUSING_POLL_MS 1       /* between two looks at their state */
#define SWITCHING_MS 120000
#define TRYING_MS 10000

/* ---- the standby of the old program ---- */

static bool
is_old_standby (const struct supervisor *s, const struct generation *g)
{
  return g != s->upgrade.next
    && (g->state == GENERATION_WAITING || g->state == GENERATION_STARTING);
}

static struct generation *
find_old_standby (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (is_old_standby (s, g))
      return g;
  return NULL;
}

/* There are two standbys while a stale one is being replaced. */
static void
pause_standbys (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (is_old_standby (s, g))
      generation_pause (s, g);
}

static void
resume_standbys (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE && g->paused)
      generation_resume (s, g);
}

/* ---- the beginning ---- */

static int
prepare_setup (struct supervisor *s, char *error, size_t size)
{
  struct child_fds fds = child_fds_layout (s->listeners.count);
  struct setup *new = &s->upgrade.setup;

  if (setup_read (new, &s->setup.options, error, size) == -1)
    return -1;
  if (new->serves != s->setup.serves)
    return set_error (error, size, "remote: the setting has changed, which an "
                      "upgrade can't apply: run nbdzram stop, then serve");
  /* The pool outlives servers, so it stays where it is. */
  free (new->conf.pool);
  new->conf.pool = s->setup.conf.pool ? strdup (s->setup.conf.pool) : NULL;
  if (s->setup.conf.pool && !new->conf.pool)
    return set_error (error, size, "%s", strerror (ENOMEM));
  return new->serves
    ? setup_make_program (new, &fds, error, size) : 0;
}

static void
enter_phase (struct upgrade *u, enum upgrade_phase phase, int64_t ms)
{
  u->phase = phase;
  u->deadline = now_ms () + ms;
}

/* Execute the newly installed nbdzram: can it be executed at all?  When the
 * servers have been replaced it is too late to find that out.
 */
static int
start_trial (struct supervisor *s)
{
  char *argv[] = { (char *) "nbdzram", (char *) "--version", NULL };
  char *envp[] = { NULL };
  const struct program program = {
    .path = s->executable, .argv = argv, .envp = envp,
  };
  struct spawn_fds fds = {
    .from = { s->null, s->null, s->null }, .count = 3,
  };

  errno = ENOENT;
  return s->executable ? spawn (&program, &fds, &s->upgrade.trial) : -1;
}

/* Open the memfd for the state, and allocate its memory now, so that writing
 * the state can't fail.
 */
static int
reserve_state (const struct supervisor *s, struct upgrade *u)
{
  static char text[STATE_SIZE];
  size_t length = 0;

  for (char **word = u->setup.program.argv; word && *word; ++word)
    length += 2 * strlen (*word) + 3; /* each character may be quoted */
  errno = E2BIG;
  if (state_print (s, true, text, sizeof text - MIN (length, sizeof text))
      == -1)
    return -1;
  u->state = fd_keep (memfd_create ("nbdzram-state", MFD_CLOEXEC));
  return u->state == -1 ? -1 : fallocate (u->state, 0, 0, STATE_SIZE);
}

static void
close_trial (struct upgrade *u)
{
  process_close (&u->trial);
  fd_close (&u->state);
}

int
upgrade_begin (struct supervisor *s, char *error, size_t size)
{
  struct upgrade *u = &s->upgrade;
  const struct generation *server = generation_find (s, GENERATION_READY);

  if (u->phase != UPGRADE_NONE || s->stop.requested)
    return set_error (error, size, s->stop.requested
                      ? "the supervisor is being stopped"
                      : "an upgrade is under way");
  if (prepare_setup (s, error, size) == -1) {
    setup_free (&u->setup);
    return -1;
  }
  u->trial = NO_PROCESS;
  u->state = -1;
  if (reserve_state (s, u) == -1)
    snprintf (error, size, "room for the supervisor's state: %s",
              strerror (errno));
  else if (start_trial (s) == -1)
    snprintf (error, size, "%s: %s", s->executable ? s->executable
              : "nbdzram", strerror (errno));
  else {
    u->reply[0] = u->error[0] = '\0';
    snprintf (u->old_version, sizeof u->old_version, "%s",
              server ? server->version : PACKAGE_VERSION);
    enter_phase (u, UPGRADE_TRYING, TRYING_MS);
    return 0;
  }
  close_trial (u);
  setup_free (&u->setup);
  return -1;
}

/* ---- the end ---- */

void
upgrade_set_error (struct supervisor *s, const char *error)
{
  /* It becomes a part of the reply. */
  snprintf (s->upgrade.error, sizeof s->upgrade.error, "%.*s",
            MESSAGE_SIZE / 2, error);
  s->upgrade.next = NULL;
}

static void
finish_upgrade (struct supervisor *s)
{
  struct upgrade *u = &s->upgrade;
  const struct generation *g = u->next;
  const char *version = g ? g->version : PACKAGE_VERSION;

  for (struct generation *old; (old = find_old_standby (s)) != NULL; )
    generation_kill (s, old);
  setup_free (&s->setup);
  s->setup = u->setup;
  u->setup = (struct setup) { .serves = false };
  u->next = NULL;
  snprintf (u->reply, sizeof u->reply,
            "{\"ok\":true,\"old_version\":\"%s\",\"new_version\":\"%s\","
            "\"pause_ms\":%" PRId64 "}", u->old_version, version,
            now_ms () - u->switched);
  log_line ("upgraded from version %s to %s", u->old_version, version);
  enter_phase (u, UPGRADE_EXECUTING, 0);
}

/* End the upgrade because WHAT failed, for the reason WHY. */
static void
fail_upgrade (struct supervisor *s, const char *what, const char *why)
{
  struct upgrade *u = &s->upgrade;

  if (u->next)
    generation_kill (s, u->next);
  u->next = NULL;
  resume_standbys (s);
  close_trial (u);
  setup_free (&u->setup);
  snprintf (u->reply, sizeof u->reply,
            "{\"ok\":false,\"error\":\"%s: %s\"}", what, why);
  log_line ("the upgrade has failed: %s: %s", what, why);
  enter_phase (u, UPGRADE_NONE, 0);
}

static void
fail_new_server (struct supervisor *s, const char *why)
{
  fail_upgrade (s, "the new server does not start", why);
}

/* ---- the phases ---- */

static void
kill_server (struct supervisor *s)
{
  struct generation *server = generation_find (s, GENERATION_READY);

  s->upgrade.switched = now_ms ();
  if (server)
    process_signal (&server->process, SIGKILL);
  enter_phase (&s->upgrade, UPGRADE_SWITCHING, SWITCHING_MS);
}

/* A standby that has not stopped yet may still lock the pool. */
static bool
standbys_stopped (const struct supervisor *s)
{
  for_each (g, s->servers.list)
    if (is_old_standby (s, g) && !process_is_stopped (&g->process))
      return false;
  return true;
}

/* A standby that does not stop in time hangs, and can't lock the pool. */
static void
switch_over (struct supervisor *s)
{
  if (standbys_stopped (s) || now_ms () >= s->upgrade.deadline)
    kill_server (s);
}

/* Replace in TEXT, a message of a process, what can't be in a JSON string.
 * It may have been cut in the middle of a character.
 */
static const char *
make_plain (char *text)
{
  bool ascii = !is_utf8 (text);

  for (char *c = text; *c; ++c)
    if (*c == '"' || *c == '\\')
      *c = '\'';
    else if (ascii && (unsigned char) *c > '~')
      *c = '?';
  return text;
}

/* The supervisor's own program can be replaced: start the new server. */
static void
start_loading (struct supervisor *s)
{
  struct upgrade *u = &s->upgrade;

  servers_reset_failures (s);
  u->switched = now_ms ();
  if (!u->setup.serves) {
    enter_phase (u, UPGRADE_SWITCHING, 0);
    return;
  }
  u->next = generation_start (s, &u->setup);
  if (u->next)
    enter_phase (u, UPGRADE_LOADING, LOADING_MS);
  else
    fail_new_server (s, strerror (errno));
}

/* A trial that does not end is killed, and its end is not waited for. */
static void
check_trial (struct supervisor *s)
{
  struct upgrade *u = &s->upgrade;
  char how[64];
  int status;

  if (!process_ended (&u->trial, &status)) {
    if (now_ms () < u->deadline)
      return;
    process_signal (&u->trial, SIGKILL);
    fail_upgrade (s, "the new nbdzram can't be executed", "it does not end");
  }
  else if (status == 0) {
    process_close (&u->trial);
    start_loading (s);
  }
  else {
    status_text (how, sizeof how, status);
    fail_upgrade (s, "the new nbdzram can't be executed", how);
  }
}

int64_t
upgrade_poll (struct supervisor *s)
{
  struct upgrade *u = &s->upgrade;

  if (u->phase == UPGRADE_NONE || u->phase == UPGRADE_EXECUTING)
    return 0;
  if (u->phase == UPGRADE_TRYING)
    check_trial (s);
  else if (!u->setup.serves
      || (u->next && u->next->state == GENERATION_READY))
    finish_upgrade (s);
  else if (!u->next)
    fail_new_server (s, u->error[0] ? make_plain (u->error) : "it ended");
  else if (u->phase == UPGRADE_LOADING
           && u->next->state == GENERATION_WAITING) {
    pause_standbys (s);
    enter_phase (u, UPGRADE_PAUSING, PAUSING_MS);
    switch_over (s);
  }
  else if (u->phase == UPGRADE_PAUSING)
    switch_over (s);
  else if (now_ms () >= u->deadline)
    fail_new_server (s, "it takes too long");
  if (u->phase == UPGRADE_NONE || u->phase == UPGRADE_EXECUTING)
    return now_ms ();           /* to reply, and to start what is missing */
  return u->phase == UPGRADE_PAUSING
    ? now_ms () + PAUSING_POLL_MS : u->deadline;
}

/* ---- executing the new supervisor ---- */

/* Should the new program inherit the descriptors? */
static void
keep_over_exec (struct supervisor *s, bool keep)
{
  const int flags = keep ? 0 : FD_CLOEXEC;

  fcntl (s->upgrade.state, F_SETFD, flags);
  fcntl (s->control.socket.fd, F_SETFD, flags);
  fcntl (s->pool, F_SETFD, flags);
  for (unsigned i = 0; i < s->listeners.count; ++i)
    fcntl (s->listeners.list[i].fd, F_SETFD, flags);
  for_each (g, s->servers.list) {
    if (g->state == GENERATION_FREE)
      continue;
    fcntl (g->ready, F_SETFD, flags);
    fcntl (g->hold, F_SETFD, flags);
    fcntl (g->log.fd, F_SETFD, flags);
  }
  for_each (w, s->watchers)
    if (w->used)
      fcntl (w->log.fd, F_SETFD, flags);
}

static int
write_resume_state (const struct supervisor *s)
{
  static char text[STATE_SIZE];
  int length = state_print (s, true, text, sizeof text);

  errno = E2BIG;
  return length != -1
    && pwrite (s->upgrade.state, text, (size_t) length, 0) == length
    && ftruncate (s->upgrade.state, length) == 0 ? 0 : -1;
}

void
upgrade_execute (struct supervisor *s)
{
  struct upgrade *u = &s->upgrade;
  char resume[128];

  enter_phase (u, UPGRADE_NONE, 0);
  if (write_resume_state (s) == 0) {
    snprintf (resume, sizeof resume, "%d,%d,%ju,%ju", u->state,
              s->control.socket.fd, (uintmax_t) s->control.socket.dev,
              (uintmax_t) s->control.socket.ino);
    setenv ("NBDZRAM_RESUME", resume, 1);
    keep_over_exec (s, true);
    execv (s->executable, s->arguments);
  }
  log_line (
    "%s: %s: the servers are new, but the supervisor is still the old one",
    s->executable, strerror (errno));
  keep_over_exec (s, false);
  unsetenv ("NBDZRAM_RESUME");
  close_trial (u);
}
