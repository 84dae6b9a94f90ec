/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzramd: serves a compressed RAM disk over NBD.
 *
 * The first thread accepts clients and waits for signals; connections have
 * threads of their own.
 */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "service/exports.h"
#include "service/log.h"
#include "service/server.h"

#include "background.h"
#include "connections.h"
#include "options.h"
#include "run.h"
#include "transmission.h"

/* How long a client may take to read the replies to its last requests when
 * the server ends.
 */
#define END_SECONDS 5

/* After an error such as EMFILE that would come again at once. */
#define ACCEPT_PAUSE_MSEC 100

static struct options options;
static struct server_settings settings;
static struct listeners listeners;
static _Atomic bool to_syslog;
static bool pid_file_written;   /* another server's is not removed */

/* ---- the log ---- */

static void
write_error (const char *line)
{
  if (to_syslog)
    syslog (LOG_ERR, "%s", line);
  else
    fprintf (stderr, "nbdzramd: error: %s\n", line);
}

static void
write_debug (const char *line)
{
  if (!options.verbose)
    return;
  if (to_syslog)
    syslog (LOG_DEBUG, "%s", line);
  else
    fprintf (stderr, "nbdzramd: debug: %s\n", line);
}

/* ---- the start ---- */

static struct exports_host host = {
  .log = write_error, .debug = write_debug,
  .get_peer = connections_get_peer, .sleep = connection_sleep,
  .disconnect = connections_disconnect,
  .disconnect_export = connections_end,
};

/* Before the fork, so that errors are seen. */
static int
open_all (void)
{
  char error[1024];

  if (options.tls) {
    options.connection.tls = tls_credentials_open (&options.tls_files, error,
                                                   sizeof error);
    if (!options.connection.tls) {
      write_error (error);
      return -1;
    }
  }
  if (listeners_open (&listeners, &options.listen, error, sizeof error)
      == -1) {
    write_error (error);
    return -1;
  }
  options.connection.may_wait = settings.backing_paths[0] != NULL;
  host.threads = connections_threads (options.connection.may_wait);
  return server_open (&settings, &host);
}

/* After the fork. */
static int
start_all (void)
{
  options.connection.page_size = settings.pool.geometry.page_size;
  connections_init ();
  if (server_start () == -1)
    return -1;
  options.connection.hardened = server_is_hardened ();
  /* A real-time thread that polls takes the processor from its client. */
  if (options.connection.busy_poll.adapts
      && (server_is_hardened () || sysconf (_SC_NPROCESSORS_ONLN) < 2))
    options.connection.busy_poll.max = 0;
  if (connections_open (&options.connection, &options.connections) == -1) {
    log_error ("preparing connections: %s", strerror (errno));
    return -1;
  }
  return 0;
}

static int
write_pid_file (void)
{
  FILE *fp;

  if (!options.pid_file)
    return 0;
  fp = fopen (options.pid_file, "we");
  if (fp && fprintf (fp, "%d\n", (int) getpid ()) > 0 && fclose (fp) == 0) {
    pid_file_written = true;
    return 0;
  }
  log_error ("--pidfile=%s: %s", options.pid_file, strerror (errno));
  return -1;
}

/* ---- serving ---- */

static int
open_signals (void)
{
  static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD };
  sigset_t set;

  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&set);
  for (size_t i = 0; i < ARRAY_SIZE (ends); ++i)
    sigaddset (&set, ends[i]);
  sigprocmask (SIG_BLOCK, &set, NULL);
  return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Reads signals.  Returns whether the server is to end; then *CODE is the
 * exit code, if the command COMMAND has ended by itself.
 */
static bool
read_signals (int signals, pid_t command, int *code)
{
  struct signalfd_siginfo info;
  bool end = false;
  int status;

  while (read (signals, &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGCHLD) {
      if (command > 0)
        kill (command, SIGTERM);
      end = true;
    }
    else if (!end && command > 0
             && waitpid (command, &status, WNOHANG) == command) {
      *code = run_exit_code (status);
      end = true;
    }
  return end;
}

static void
accept_client (int listener)
{
  static int logged;            /* errno of the last error, once */
  int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

  if (fd != -1) {
    logged = 0;
    connections_accept (fd);
    return;
  }
  if (errno == EINTR || errno == EAGAIN || errno == ECONNABORTED)
    return;
  if (errno != logged)
    log_error ("accepting a client: %s", strerror (errno));
  logged = errno;
  poll (NULL, 0, ACCEPT_PAUSE_MSEC);
}

/* Accepts clients until a signal ends the server, or COMMAND has ended.
 * Returns the exit code.
 */
static int
serve (int signals, pid_t command)
{
  struct pollfd pfds[LISTENERS_MAX + 1] = {
    { .fd = signals, .events = POLLIN },
  };
  int code = EXIT_SUCCESS;

  for (unsigned i = 0; i < listeners.count; ++i)
    pfds[1 + i] = (struct pollfd) {
      .fd = listeners.fds[i], .events = POLLIN,
    };
  for (;;) {
    if (poll (pfds, 1 + listeners.count, -1) == -1)
      continue;
    if (pfds[0].revents != 0 && read_signals (signals, command, &code))
      return code;
    for (unsigned i = 0; i < listeners.count; ++i)
      if (pfds[1 + i].revents != 0)
        accept_client (listeners.fds[i]);
  }
}

/* Requests that were begun are done and answered first.  CODE is the exit
 * code.
 */
static void
close_all (int code)
{
  listeners_close (&listeners);
  connections_end (NULL);
  if (!connections_wait (END_SECONDS))
    connections_abort ();
  server_stop ();
  if (pid_file_written)
    unlink (options.pid_file);
  /* A request may wait for a disk that does not answer.  The pool file is
   * valid at any time, so there is nothing to wait for.
   */
  if (!connections_wait (END_SECONDS))
    _exit (code);
  server_close (&settings);
}

int
main (int argc, char *argv[])
{
  struct background background = { .parent = -1 };
  pid_t command = 0;
  int signals, code = EXIT_FAILURE;

  server_settings_init (&settings);
  options_parse (&options, &settings, argc, argv);
  if (open_all () == -1)
    goto out;
  if (!options.foreground && background_enter (&background, &options) == -1)
    goto out;
  signals = open_signals ();
  if (signals == -1 || start_all () == -1 || write_pid_file () == -1)
    goto out;
  if (!options.foreground) {
    openlog ("nbdzramd", LOG_PID, LOG_DAEMON);
    to_syslog = true;
    background_started (&background);
  }
  if (options.run && (command = run_start (&options, &listeners)) == -1)
    goto out;
  code = serve (signals, command);

 out:
  close_all (code);
  return code;
}
