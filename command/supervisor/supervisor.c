/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "command/base/harden-self.h"
#include "command/base/notify.h"
#include "service/set-error.h"

#include "recover.h"
#include "supervisor.h"

/* One above the threads of the servers. */
#define PRIORITY 3

/* For control requests while no memory is free. */
#define HEAP_SIZE (1024 * 1024)

/* A killed process is not waited for longer than this. */
#define DEATH_MS 5000

/* The first server is not waited for longer than this. */
#define FIRST_MS 600000

#define POLL_PAUSE_MS 100

#define POLLS_MAX (3 * GENERATIONS_MAX + 2 * WATCHERS_MAX + PEERS_MAX + 4)

void
supervisor_init (struct supervisor *s, char *arguments[])
{
  char path[PATH_MAX + 16];

  s->null = s->signals = s->daemon_pipe = s->pool = -1;
  supervisor_control_init (&s->control);
  s->upgrade = NO_UPGRADE;
  s->state = NO_STATE;
  for_each (g, s->servers.list)
    *g = NO_GENERATION;
  for_each (w, s->watchers)
    *w = NO_WATCHER_PROCESS;
  s->arguments = arguments;
  if (executable_path (getpid (), path, sizeof path))
    s->executable = strdup (path);
  control_directory (s->directory, sizeof s->directory);
}

int64_t
earlier (int64_t a, int64_t b)
{
  if (a == 0 || b == 0)
    return a + b;
  return a < b ? a : b;
}

char *
supervisor_path (const struct supervisor *s, char *path, size_t size,
                 const char *suffix)
{
  snprintf (path, size, "%s/%s%s", s->directory, s->setup.options.name,
            suffix);
  return path;
}

/* ---- waiting ---- */

static void
add_poll (struct pollfd *polls, unsigned *count, int fd)
{
  if (fd != -1)
    polls[(*count)++] = (struct pollfd) { .fd = fd, .events = POLLIN };
}

static unsigned
collect_polls (const struct supervisor *s, struct pollfd *polls)
{
  /* Control requests wait until the first server is ready. */
  unsigned count = s->started ? supervisor_control_get_polls (s, polls) : 0;

  add_poll (polls, &count, s->signals);
  for_each (g, s->servers.list) {
    if (g->state == GENERATION_FREE)
      continue;
    if (!g->ended) {
      add_poll (polls, &count, g->process.fd);
      add_poll (polls, &count, g->log.fd);
    }
    else
      add_poll (polls, &count, g->lock_keeper.fd);
    /* After "ready" no status follows, and the other end may be closed. */
    if (g->state == GENERATION_STARTING || g->state == GENERATION_WAITING)
      add_poll (polls, &count, g->ready);
  }
  add_poll (polls, &count, s->upgrade.trial.fd);
  for_each (w, s->watchers)
    if (w->process.pid != 0) {
      add_poll (polls, &count, w->process.fd);
      add_poll (polls, &count, w->log.fd);
    }
  return count;
}

/* Wait until something happens, or until NEXT in milliseconds (0: never). */
static void
wait_for_events (const struct supervisor *s, int64_t next)
{
  struct pollfd polls[POLLS_MAX];
  unsigned count = collect_polls (s, polls);
  int64_t timeout = next == 0 ? -1 : next - now_ms ();

  if (next != 0 && timeout < 0)
    timeout = 0;
  /* poll fails where COUNT is above the limit of open files.  A thread of
   * real-time priority must not loop without a pause then.
   */
  if (poll (polls, count, (int) timeout) == -1 && errno != EINTR)
    poll (NULL, 0, POLL_PAUSE_MS);
}

/* ---- signals ---- */

static void save_state (struct supervisor *s);

/* The supervisor does not end while a device is in use as swap; but a service
 * manager waits until this process ends, and the shutdown of the machine with
 * it.  Then the supervisor ends alone, and the next one recovers the servers.
 */
static void
on_stop_signal (struct supervisor *s)
{
  char error[MESSAGE_SIZE];

  if (stop_begin (s, s->force, error, sizeof error) == 0)
    return;
  if (!notify_is_wanted ()) {
    log_line ("not stopped: %s", error);
    return;
  }
  log_line ("the supervisor ends, but its servers go on: %s", error);
  save_state (s);
  s->finished = true;
}

static void
on_upgrade_signal (struct supervisor *s)
{
  char error[MESSAGE_SIZE];

  if (upgrade_begin (s, error, sizeof error) == -1)
    log_line ("the upgrade was refused: %s", error);
}

static void
read_signals (struct supervisor *s)
{
  struct signalfd_siginfo info;

  while (read (s->signals, &info, sizeof info) == sizeof info)
    switch (info.ssi_signo) {
    case SIGTERM:
    case SIGINT: on_stop_signal (s); break;
    case SIGHUP: on_upgrade_signal (s); break;
    }
}

/* Lock keepers are children of servers, and become this process's when their
 * server has died.  Children that the supervisor started are left: their
 * subjects reap them, and the next poll goes on here.
 */
static void
reap_orphans (struct supervisor *s)
{
  siginfo_t info = { .si_pid = 0 };

  while (waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0
         && info.si_pid != 0) {
    if (generation_find_pid (s, info.si_pid))
      return;
    if (s->upgrade.trial.pid == info.si_pid)
      return;
    for_each (w, s->watchers)
      if (w->process.pid == info.si_pid)
        return;
    waitpid (info.si_pid, NULL, WNOHANG);
    info.si_pid = 0;
  }
}

static int
open_signals (struct supervisor *s)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGCHLD);
  signal (SIGPIPE, SIG_IGN);
  if (sigprocmask (SIG_BLOCK, &set, NULL) == -1)
    return -1;
  s->signals = fd_keep (signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  return s->signals == -1 ? -1 : 0;
}

/* ---- the loop ---- */

/* Write NAME.run; then the processes that have been started may go on. */
static void
save_state (struct supervisor *s)
{
  state_save (s);
  for_each (g, s->servers.list)
    process_release (&g->process);
  for_each (w, s->watchers)
    process_release (&w->process);
}

/* Poll all subjects.  Returns when to do so again, or 0: at an event. */
static int64_t
poll_subjects (struct supervisor *s)
{
  int64_t next = 0;

  read_signals (s);
  /* Before the control requests, so that "status" is up to date. */
  servers_poll (s);
  supervisor_control_receive (s);
  next = earlier (next, watchers_poll (s));
  next = earlier (next, upgrade_poll (s));
  next = earlier (next, stop_poll (s));
  next = earlier (next, files_poll (s));
  next = earlier (next, servers_balance (s));
  next = earlier (next, supervisor_control_reply (s));
  reap_orphans (s);
  if (s->state.changed && !s->finished)
    save_state (s);
  servers_consume_status (s);
  return next;
}

static void
run_loop (struct supervisor *s)
{
  while (!s->finished) {
    int64_t next = poll_subjects (s);

    if (s->upgrade.phase == UPGRADE_EXECUTING && !s->stop.requested
        && !supervisor_control_has_replies (s))
      upgrade_execute (s);
    if (!s->finished)
      wait_for_events (s, next);
  }
}

/* ---- the beginning ---- */

static int
open_pool (struct supervisor *s)
{
  if (s->setup.conf.pool || s->pool != -1)
    return 0;
  s->pool = fd_keep (memfd_create ("nbdzram", MFD_CLOEXEC));
  return s->pool == -1 ? -1 : 0;
}

/* The protocol has no password. */
static void
warn_if_open (const struct supervisor *s)
{
  if (s->conf_error[0] || !conf_is_open (&s->setup.conf))
    return;
  for (unsigned i = 0; i < s->listeners.count; ++i)
    if (listener_is_public (&s->listeners.list[i])) {
      log_line (
        "any machine that reaches %s can read and write every page: see "
        "SERVING OTHER MACHINES in nbdkit-zram-plugin(1)",
        s->listeners.list[i].uri);
      return;
    }
}

static int
open_sockets (struct supervisor *s, char *error, size_t size)
{
  const char *address = s->setup.conf.listen;
  char path[SUPERVISOR_PATH_SIZE];

  if (s->listeners.count > 0)
    return 0;
  if (address)
    return listeners_open (&s->listeners, address, 0666, error, size);
  return listeners_open (&s->listeners,
                         supervisor_path (s, path, sizeof path, ".sock"),
                         0600, error, size);
}

static int
prepare_to_serve (struct supervisor *s, char *error, size_t size)
{
  struct child_fds fds;

  if (open_sockets (s, error, size) == -1)
    return -1;
  if (s->lost)
    log_line (
      "the last supervisor and all its servers have ended: their pages "
      "are lost");
  warn_if_open (s);
  if (s->setup.conf.obsolete)
    log_line ("%s: the setting has no effect any more: remove it",
              s->setup.conf.obsolete);
  if (open_pool (s) == -1)
    return set_error (error, size, "creating the pool: %s", strerror (errno));
  fds = child_fds_layout (s->listeners.count);
  return s->setup.program.path
    ? 0 : setup_make_program (&s->setup, &fds, error, size);
}

static int
prepare (struct supervisor *s, char *error, size_t size)
{
  prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  s->null = fd_keep (open ("/dev/null", O_RDWR | O_CLOEXEC));
  if (s->null == -1 || open_signals (s) == -1)
    return set_error (error, size, "%s", strerror (errno));
  return 0;
}

/* Start the first server.  If it fails, its settings are wrong: its error is
 * the message, and it is not started again.
 */
static int
start_first_server (struct supervisor *s, char *error, size_t size)
{
  struct generation *g = generation_start (s, &s->setup);
  int64_t deadline = now_ms () + FIRST_MS;

  if (!g)
    return set_error (error, size, "%s: %s", s->setup.program.path,
                      strerror (errno));
  save_state (s);
  while (g->state != GENERATION_READY && !s->stop.requested) {
    wait_for_events (s, deadline);
    read_signals (s);
    servers_poll (s);
    if (now_ms () >= deadline)
      return set_error (error, size, "the server is not ready after %d "
                        "minutes", FIRST_MS / 60000);
    if (g->state == GENERATION_WAITING) {
      process_kill (&g->process, DEATH_MS);
      return set_error (error, size, "pool=%s: another process is using this "
                        "pool", s->setup.conf.pool ? s->setup.conf.pool : "");
    }
    if (g->state == GENERATION_FREE)
      return set_error (error, size, "%s", s->servers.first_error);
  }
  return 0;
}

static void
notify_started (struct supervisor *s)
{
  char text[256];

  snprintf (text, sizeof text, "READY=1\nMAINPID=%d\nSTATUS=serving %s\n",
            (int) getpid (), s->setup.options.name);
  notify (text);
  if (s->daemon_pipe != -1) {
    if (write (s->daemon_pipe, "", 1) == 1)
      dup2 (s->null, STDIN_FILENO);
    dup2 (s->null, STDOUT_FILENO);
    dup2 (s->null, STDERR_FILENO);
    fd_close (&s->daemon_pipe);
    log_to_kernel ();
  }
}

static void
harden (void)
{
  const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
  struct refusals refused;

  setrlimit (RLIMIT_MEMLOCK, &all); /* children inherit it */
  if (!harden_self (HEAP_SIZE, PRIORITY, &refused))
    log_line ("swap is not safe here: the supervisor could not get: %s",
              refused.text);
}

static int
report_error (struct supervisor *s, const char *error)
{
  fprintf (stderr, "nbdzram serve: %s: %s\n", s->setup.options.name, error);
  return -1;
}

/* Returns 0, or -1 after a message. */
static int
start_supervisor (struct supervisor *s, int resume)
{
  char error[LOG_LINE];
  int recovered;

  if (prepare (s, error, sizeof error) == -1)
    return report_error (s, error);
  recovered = recover (s, resume, error, sizeof error);
  if (recovered == -1)
    return report_error (s, error);
  if (!recovered && s->conf_error[0])
    return report_error (s, s->conf_error);
  if (s->conf_error[0])
    log_line ("%s: the servers go on with their old settings", s->conf_error);
  if (s->setup.serves && prepare_to_serve (s, error, sizeof error) == -1) {
    if (!recovered)
      stop_remove_files (s);
    else /* the pages are there: it can be tried again */
      s->exit_code = EX_TEMPFAIL;
    return report_error (s, error);
  }
  if (s->setup.options.swap)
    harden ();
  if (!recovered && s->setup.serves
      && start_first_server (s, error, sizeof error) == -1) {
    stop_remove_files (s);
    return report_error (s, error);
  }
  if (recovered && resume == -1)
    log_line ("recovered from a supervisor that was killed");
  return 0;
}

int
supervise (struct supervisor *s, int resume)
{
  if (start_supervisor (s, resume) == -1) {
    control_socket_close (&s->control.socket);
    return s->exit_code ? s->exit_code : EXIT_FAILURE;
  }
  if (!s->stop.requested)
    notify_started (s);
  state_mark_changed (s);
  s->started = true;
  run_loop (s);
  return s->exit_code;
}
