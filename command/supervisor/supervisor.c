/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
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

#include "recover.h"
#include "supervisor.h"

/* One above the threads that serve. */
#define PRIORITY 3

/* For requests at NAME.sup, which come while memory is gone, too. */
#define HEAP (1024 * 1024)

/* A process that is killed is gone by then, or not to be waited for. */
#define DEATH_MS 5000

/* A first server is ready by then, or not to be waited for. */
#define FIRST_MS 600000

#define POLL_PAUSE_MS 100

#define POLLS_MAX (3 * GENERATIONS_MAX + 2 * WATCHERS_MAX + PEERS_MAX + 4)

int64_t
earlier (int64_t a, int64_t b)
{
  if (a == 0 || b == 0)
    return a + b;
  return a < b ? a : b;
}

void
supervisor_path (const struct supervisor *s, char *path, size_t size,
                 const char *suffix)
{
  snprintf (path, size, "%s/%s%s", s->directory, s->setup.options.name,
            suffix);
}

/* ---- waiting ---- */

static void
poll_for (struct pollfd *polls, unsigned *count, int fd)
{
  if (fd != -1)
    polls[(*count)++] = (struct pollfd) { .fd = fd, .events = POLLIN };
}

static unsigned
what_to_wait_for (const struct supervisor *s, struct pollfd *polls)
{
  /* Nothing is answered before the first server is ready. */
  unsigned count = s->begun ? supervisor_control_get_polls (s, polls) : 0;

  poll_for (polls, &count, s->signals);
  for (unsigned i = 0; i < GENERATIONS_MAX; ++i) {
    const struct generation *g = &s->servers.list[i];

    if (g->state == GENERATION_FREE)
      continue;
    if (!g->ended) {
      poll_for (polls, &count, g->process.fd);
      poll_for (polls, &count, g->log.fd);
    }
    else
      poll_for (polls, &count, g->lock_keeper.fd);
    /* Once it is ready there is nothing more to hear, and the other end
     * may be closed.
     */
    if (g->state == GENERATION_STARTING || g->state == GENERATION_WAITING)
      poll_for (polls, &count, g->ready);
  }
  poll_for (polls, &count, s->upgrade.trial.fd);
  for (unsigned i = 0; i < WATCHERS_MAX; ++i)
    if (s->watchers[i].process.pid != 0) {
      poll_for (polls, &count, s->watchers[i].process.fd);
      poll_for (polls, &count, s->watchers[i].log.fd);
    }
  return count;
}

/* Until something happens, or the time NEXT (0: no matter). */
static void
wait_for_events (const struct supervisor *s, int64_t next)
{
  struct pollfd polls[POLLS_MAX];
  unsigned count = what_to_wait_for (s, polls);
  int64_t timeout = next == 0 ? -1 : next - now_ms ();

  if (next != 0 && timeout < 0)
    timeout = 0;
  /* It refuses where there are more than a process may have descriptors;
   * a thread of real-time priority must not loop without rest.
   */
  if (poll (polls, count, (int) timeout) == -1 && errno != EINTR)
    poll (NULL, 0, POLL_PAUSE_MS);
}

/* ---- signals ---- */

static void write_down (struct supervisor *s);

/* A service manager can't be refused: it waits until this process ends, and
 * the machine with it.  So this one goes without what it supervises, and the
 * next supervisor takes that over.
 */
static void
signal_stop (struct supervisor *s)
{
  char error[MESSAGE_SIZE];

  if (stop_begin (s, s->force, error, sizeof error) == 0)
    return;
  if (!notify_is_wanted ()) {
    log_line ("not stopped: %s", error);
    return;
  }
  log_line ("the supervisor ends, and its servers go on: %s", error);
  write_down (s);
  s->finished = true;
}

static void
signal_upgrade (struct supervisor *s)
{
  char error[MESSAGE_SIZE];

  if (upgrade_begin (s, error, sizeof error) == -1)
    log_line ("no upgrade: %s", error);
}

static void
take_signals (struct supervisor *s)
{
  struct signalfd_siginfo info;

  while (read (s->signals, &info, sizeof info) == sizeof info)
    switch (info.ssi_signo) {
    case SIGTERM:
    case SIGINT: signal_stop (s); break;
    case SIGHUP: signal_upgrade (s); break;
    }
}

/* Children of children end up here: holders.  Ours are not touched, they
 * have been looked at before; one that ended since comes again.
 */
static void
reap_others (struct supervisor *s)
{
  siginfo_t info = { .si_pid = 0 };

  while (waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0
         && info.si_pid != 0) {
    if (generation_find_pid (s, info.si_pid))
      return;
    if (s->upgrade.trial.pid == info.si_pid)
      return;
    for (unsigned i = 0; i < WATCHERS_MAX; ++i)
      if (s->watchers[i].process.pid == info.si_pid)
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
  s->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (s->signals != -1)
    s->signals = fd_keep (s->signals);
  return s->signals == -1 ? -1 : 0;
}

/* ---- the loop ---- */

/* From here on, the next supervisor finds those that have been started. */
static void
write_down (struct supervisor *s)
{
  state_save (s);
  for (unsigned i = 0; i < GENERATIONS_MAX; ++i)
    process_release (&s->servers.list[i].process);
  for (unsigned i = 0; i < WATCHERS_MAX; ++i)
    process_release (&s->watchers[i].process);
}

/* Look at all that there is; when to look again. */
static int64_t
look (struct supervisor *s)
{
  int64_t next = 0;

  take_signals (s);
  /* Who asks is to hear what is so. */
  servers_poll (s);
  supervisor_control_receive (s);
  next = earlier (next, watchers_poll (s));
  next = earlier (next, upgrade_poll (s));
  next = earlier (next, stop_poll (s));
  next = earlier (next, files_poll (s));
  next = earlier (next, servers_balance (s));
  next = earlier (next, supervisor_control_reply (s));
  reap_others (s);
  if (s->state.changed && !s->finished)
    write_down (s);
  servers_consume_status (s);
  return next;
}

static void
loop (struct supervisor *s)
{
  while (!s->finished) {
    int64_t next = look (s);

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
  s->pool = memfd_create ("nbdzram", MFD_CLOEXEC);
  if (s->pool != -1)
    s->pool = fd_keep (s->pool);
  return s->pool == -1 ? -1 : 0;
}

/* The protocol knows no password. */
static void
warn_of_strangers (const struct supervisor *s)
{
  if (s->conf_error[0] || !conf_is_open (&s->setup.conf))
    return;
  for (unsigned i = 0; i < s->listeners.count; ++i)
    if (listener_is_public (&s->listeners.list[i])) {
      log_line ("whoever reaches %s can read and write every page: see "
                "SERVING OTHER MACHINES in nbdkit-zram-plugin(1)",
                s->listeners.list[i].uri);
      return;
    }
}

static int
open_sockets (struct supervisor *s, char *error, size_t size)
{
  const char *address = s->setup.conf.listen;
  char path[sizeof s->directory + 128];

  if (s->listeners.count > 0)
    return 0;
  supervisor_path (s, path, sizeof path, ".sock");
  return listeners_open (&s->listeners, address ? address : path,
                         address ? 0666 : 0600, error, size);
}

static int
prepare_to_serve (struct supervisor *s, char *error, size_t size)
{
  struct child_fds fds;

  if (open_sockets (s, error, size) == -1)
    return -1;
  if (s->lost)
    log_line ("the last supervisor and all its servers are gone, and with "
              "them the pages");
  warn_of_strangers (s);
  if (open_pool (s) == -1) {
    snprintf (error, size, "creating the pool: %s", strerror (errno));
    return -1;
  }
  fds = child_fds_layout (s->listeners.count);
  return s->setup.program.path
    ? 0 : setup_program (&s->setup, &fds, error, size);
}

static int
prepare (struct supervisor *s, char *error, size_t size)
{
  prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  s->null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (s->null != -1)
    s->null = fd_keep (s->null);
  if (s->null == -1 || open_signals (s) == -1
      || supervisor_control_start (s) == -1) {
    snprintf (error, size, "%s", strerror (errno));
    return -1;
  }
  return 0;
}

/* The first server: its mistakes are its user's, and are not repeated. */
static int
first_server (struct supervisor *s, char *error, size_t size)
{
  struct generation *g = generation_start (s, &s->setup);
  int64_t deadline = now_ms () + FIRST_MS;

  if (!g) {
    snprintf (error, size, "%s: %s", s->setup.program.path, strerror (errno));
    return -1;
  }
  write_down (s);
  while (g->state != GENERATION_READY && !s->stop.requested) {
    wait_for_events (s, deadline);
    take_signals (s);
    servers_poll (s);
    if (now_ms () >= deadline) {
      snprintf (error, size, "the server is not ready after %d minutes",
                FIRST_MS / 60000);
      return -1;
    }
    if (g->state == GENERATION_WAITING) {
      snprintf (error, size, "pool=%s: another process is using this pool",
                s->setup.conf.pool ? s->setup.conf.pool : "");
      process_kill (&g->process, DEATH_MS);
      return -1;
    }
    if (g->state == GENERATION_FREE) {
      snprintf (error, size, "%s", s->servers.first_error);
      return -1;
    }
  }
  return 0;
}

static void
tell_started (struct supervisor *s)
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
  char refused[MESSAGE_SIZE];

  setrlimit (RLIMIT_MEMLOCK, &all); /* for children, too */
  if (!harden_self (HEAP, PRIORITY, refused, sizeof refused))
    log_line ("swap is not safe here, for want of: %s", refused);
}

static int
give_up (struct supervisor *s, const char *error)
{
  fprintf (stderr, "nbdzram serve: %s: %s\n", s->setup.options.name, error);
  return -1;
}

/* 0: it runs. */
static int
begin (struct supervisor *s, int resume)
{
  char error[LOG_LINE];
  int recovered;

  if (prepare (s, error, sizeof error) == -1)
    return give_up (s, error);
  recovered = recover (s, resume, error, sizeof error);
  if (recovered == -1)
    return give_up (s, error);
  if (!recovered && s->conf_error[0])
    return give_up (s, s->conf_error);
  if (s->conf_error[0])
    log_line ("%s: all goes on as it was started", s->conf_error);
  if (s->setup.serves && prepare_to_serve (s, error, sizeof error) == -1) {
    if (!recovered)
      stop_remove_files (s);
    else                        /* who still has the pages waits a while */
      s->exit_code = EX_TEMPFAIL;
    return give_up (s, error);
  }
  if (s->setup.options.swap)
    harden ();
  if (!recovered && s->setup.serves
      && first_server (s, error, sizeof error) == -1) {
    stop_remove_files (s);
    return give_up (s, error);
  }
  if (recovered && resume == -1)
    log_line ("taken over from a supervisor that was killed");
  return 0;
}

int
supervise (struct supervisor *s, int resume)
{
  if (begin (s, resume) == -1) {
    control_socket_close (&s->control.socket);
    return s->exit_code ? s->exit_code : EXIT_FAILURE;
  }
  if (!s->stop.requested)
    tell_started (s);
  state_mark_changed (s);
  s->begun = true;
  loop (s);
  return s->exit_code;
}
