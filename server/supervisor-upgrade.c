/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replacing the program that serves, and then our own.
 *
 *   LOADING    a new generation is started, by what is installed now.  It
 *              finds the pool taken and waits: it has read its
 *              parameters, and all of it is in memory.
 *   PAUSING    the standby of the old one, which has the old program in
 *              memory, is stopped (SIGSTOP), so that only the new one can
 *              take the pool.
 *   SWITCHING  the old one is killed.
 *   EXECUTING  all is well, and who asked is told; then the newly
 *              installed supervisor is executed in our place.
 *
 * The old one is killed, and not asked to end: nbdkit would answer what it
 * reads from then on with errors (ESHUTDOWN), also of a connection that
 * has been shut down for reading.  A client that repeats what was not
 * answered is better off without an answer.
 *
 * The new one may fail at any step: then the old standby goes on, or, if
 * there was none, another server is started as ever.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor.h"
#include "utf8.h"

#define LOADING_MS 60000
#define PAUSING_MS 1000
#define PAUSING_STEP_MS 1
#define SWITCHING_MS 120000
#define TRIAL_MS 10000

/* ---- the standby of the old program ---- */

static struct generation *
old_standby (struct supervisor *s)
{
  for (unsigned i = 0; i < GENERATIONS; ++i) {
    struct generation *g = &s->generations[i];

    if (g != s->upgrade.next
        && (g->state == GENERATION_WAITING
            || g->state == GENERATION_STARTING))
      return g;
  }
  return NULL;
}

static void
pause_standby (struct supervisor *s)
{
  struct generation *g = old_standby (s);

  if (!g)
    return;
  process_signal (&g->process, SIGSTOP);
  g->paused = true;
  s->changed = true;
}

static void
wake_standby (struct supervisor *s)
{
  for (unsigned i = 0; i < GENERATIONS; ++i) {
    struct generation *g = &s->generations[i];

    if (g->state == GENERATION_FREE || !g->paused)
      continue;
    g->paused = false;
    process_signal (&g->process, SIGCONT);
    s->changed = true;
  }
}

/* A process that ends is noticed as any other, but is no failure. */
static void
kill_generation (struct supervisor *s, struct generation *g)
{
  g->paused = false;
  g->state = GENERATION_GONE;
  server_release (g);
  process_signal (&g->process, SIGKILL);
  s->changed = true;
}

/* ---- begin ---- */

static int
make_setup (struct supervisor *s, char *error, size_t size)
{
  struct child_fds fds = server_fds (s);
  struct setup *new = &s->upgrade.setup;

  if (setup_read (new, &s->setup.options, error, size) == -1)
    return -1;
  if (new->serves != s->setup.serves) {
    snprintf (error, size, "remote: was changed, which needs a new start");
    return -1;
  }
  /* What outlives servers stays as it is. */
  free (new->conf.pool);
  new->conf.pool = s->setup.conf.pool ? strdup (s->setup.conf.pool) : NULL;
  if (s->setup.conf.pool && !new->conf.pool) {
    snprintf (error, size, "%s", strerror (ENOMEM));
    return -1;
  }
  return new->serves
    ? setup_program (new, &fds, error, size) : 0;
}

static void
enter (struct upgrade *u, enum upgrade_phase phase, int64_t ms)
{
  u->phase = phase;
  u->deadline = now_ms () + ms;
}

int
upgrade_begin (struct supervisor *s, char *error, size_t size)
{
  struct upgrade *u = &s->upgrade;
  const struct generation *server = server_in (s, GENERATION_READY);

  if (u->phase != UPGRADE_NONE || s->stop.asked) {
    snprintf (error, size, s->stop.asked ? "it is being stopped"
                                         : "an upgrade is under way");
    return -1;
  }
  if (make_setup (s, error, size) == -1) {
    setup_free (&u->setup);
    return -1;
  }
  u->reply[0] = u->error[0] = '\0';
  u->switched = now_ms ();
  snprintf (u->old_version, sizeof u->old_version, "%s",
            server ? server->version : PACKAGE_VERSION);
  servers_retry (s);
  if (!u->setup.serves) {
    enter (u, UPGRADE_SWITCHING, 0);
    return 0;
  }
  u->next = server_start (s, &u->setup);
  if (!u->next) {
    snprintf (error, size, "%s: %s", u->setup.program.path, strerror (errno));
    setup_free (&u->setup);
    return -1;
  }
  enter (u, UPGRADE_LOADING, LOADING_MS);
  return 0;
}

/* ---- end ---- */

static void
succeed (struct supervisor *s)
{
  struct upgrade *u = &s->upgrade;
  const struct generation *g = u->next;
  const char *version = g ? g->version : PACKAGE_VERSION;

  for (struct generation *old; (old = old_standby (s)) != NULL; )
    kill_generation (s, old);
  setup_free (&s->setup);
  s->setup = u->setup;
  u->setup = (struct setup) { .serves = false };
  u->next = NULL;
  snprintf (u->reply, sizeof u->reply,
            "{\"ok\":true,\"old_version\":\"%s\",\"new_version\":\"%s\","
            "\"pause_ms\":%" PRId64 "}", u->old_version, version,
            now_ms () - u->switched);
  log_line ("upgraded from version %s to %s", u->old_version, version);
  enter (u, UPGRADE_EXECUTING, 0);
}

static void
fail (struct supervisor *s, const char *why)
{
  struct upgrade *u = &s->upgrade;

  if (u->next)
    kill_generation (s, u->next);
  u->next = NULL;
  wake_standby (s);
  setup_free (&u->setup);
  snprintf (u->reply, sizeof u->reply,
            "{\"ok\":false,\"error\":\"the new server does not start: %s\"}",
            why);
  log_line ("no upgrade: the new server does not start: %s", why);
  enter (u, UPGRADE_NONE, 0);
}

/* ---- steps ---- */

static void
kill_server (struct supervisor *s)
{
  struct generation *server = server_in (s, GENERATION_READY);

  s->upgrade.switched = now_ms ();
  if (server)
    process_signal (&server->process, SIGKILL);
  enter (&s->upgrade, UPGRADE_SWITCHING, SWITCHING_MS);
}

/* Until it has really stopped it may still take the pool. */
static bool
standby_stopped (struct supervisor *s)
{
  const struct generation *g = old_standby (s);

  return !g || process_stopped (&g->process);
}

/* Who does not stop can't wait for the pool, either. */
static void
switch_over (struct supervisor *s)
{
  if (standby_stopped (s) || now_ms () >= s->upgrade.deadline)
    kill_server (s);
}

/* Words of a process within JSON; they may have been cut anywhere. */
static const char *
plain (char *text)
{
  bool ascii = !is_utf8 (text);

  for (char *c = text; *c; ++c)
    if (*c == '"' || *c == '\\')
      *c = '\'';
    else if (ascii && (unsigned char) *c > '~')
      *c = '?';
  return text;
}

int64_t
upgrade_look (struct supervisor *s)
{
  struct upgrade *u = &s->upgrade;

  if (u->phase == UPGRADE_NONE || u->phase == UPGRADE_EXECUTING)
    return 0;
  if (!u->setup.serves
      || (u->next && u->next->state == GENERATION_READY))
    succeed (s);
  else if (!u->next)
    fail (s, u->error[0] ? plain (u->error) : "it ended");
  else if (u->phase == UPGRADE_LOADING
           && u->next->state == GENERATION_WAITING) {
    pause_standby (s);
    enter (u, UPGRADE_PAUSING, PAUSING_MS);
    switch_over (s);
  }
  else if (u->phase == UPGRADE_PAUSING)
    switch_over (s);
  else if (now_ms () >= u->deadline)
    fail (s, "it takes too long");
  if (u->phase == UPGRADE_NONE || u->phase == UPGRADE_EXECUTING)
    return now_ms ();           /* others have something to do now */
  return u->phase == UPGRADE_PAUSING
    ? now_ms () + PAUSING_STEP_MS : u->deadline;
}

/* ---- our own program ---- */

/* Is there a program of ours that can be executed at all?  After that
 * there is no way back.
 */
static bool
on_trial (const struct supervisor *s, const char *path)
{
  char *argv[] = { (char *) "nbdzram", (char *) "--version", NULL };
  char *envp[] = { NULL };
  const struct program program = {
    .path = (char *) path, .argv = argv, .envp = envp,
  };
  struct spawn_fds fds = {
    .from = { s->null, s->null, s->null }, .count = 3,
  };
  struct process p;
  struct pollfd end = { .events = POLLIN };
  int status = -1;

  if (spawn (&program, &fds, &p) == -1)
    return false;
  end.fd = p.fd;
  if (poll (&end, 1, TRIAL_MS) != 1)
    process_signal (&p, SIGKILL);
  poll (&end, 1, -1);
  process_ended (&p, &status);
  process_close (&p);
  return status == 0;
}

/* Descriptors go with us to the new program, or no more. */
static void
keep_over_exec (struct supervisor *s, bool keep)
{
  const int flags = keep ? 0 : FD_CLOEXEC;

  fcntl (s->control.fd, F_SETFD, flags);
  fcntl (s->pool, F_SETFD, flags);
  for (unsigned i = 0; i < s->listener_count; ++i)
    fcntl (s->listeners[i].fd, F_SETFD, flags);
  for (unsigned i = 0; i < GENERATIONS; ++i) {
    const struct generation *g = &s->generations[i];

    if (g->state == GENERATION_FREE)
      continue;
    fcntl (g->ready, F_SETFD, flags);
    fcntl (g->hold, F_SETFD, flags);
    fcntl (g->log.fd, F_SETFD, flags);
  }
  for (unsigned i = 0; i < WATCHERS; ++i)
    if (s->watchers[i].used)
      fcntl (s->watchers[i].log.fd, F_SETFD, flags);
}

static int
leave_state (const struct supervisor *s)
{
  static char text[STATE_SIZE];
  int length = state_print (s, true, text, sizeof text);
  int fd = length == -1 ? -1 : memfd_create ("nbdzram-state", 0);

  if (fd != -1 && write (fd, text, (size_t) length) == length)
    return fd;
  fd_close (&fd);
  return -1;
}

void
upgrade_execute (struct supervisor *s)
{
  char resume[64];
  int fd;

  enter (&s->upgrade, UPGRADE_NONE, 0);
  if (!s->executable || !on_trial (s, s->executable)) {
    log_line ("%s: can't be executed: the supervisor stays as it is",
              s->executable ? s->executable : "nbdzram");
    return;
  }
  fd = leave_state (s);
  if (fd == -1)
    return;
  snprintf (resume, sizeof resume, "%d,%d", fd, s->control.fd);
  setenv ("NBDZRAM_RESUME", resume, 1);
  keep_over_exec (s, true);
  execv (s->executable, s->arguments);
  log_line ("%s: %s: the supervisor stays as it is", s->executable,
            strerror (errno));
  keep_over_exec (s, false);
  unsetenv ("NBDZRAM_RESUME");
  close (fd);
}
