/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/hardening.h"
#include "service/log.h"
#include "service/server.h"

#include "run.h"

extern char **environ;

static void
set_environment (const struct options *o, const struct listeners *l)
{
  char uri[sizeof l->uri + 1];

  /* Clients know by the URI that they need TLS. */
  snprintf (uri, sizeof uri, "nbd%s%s", o->connection.tls_required ? "s" : "",
            l->uri + strlen ("nbd"));
  setenv ("uri", uri, 1);
  setenv ("unixsocket", l->path ? l->path : "", 1);
  setenv ("exportname", o->connection.default_export
          ? o->connection.default_export : "", 1);
}

/* Runs in the server's memory: it must not allocate, lock or return. */
static _Noreturn void
run_child (char *const argv[], bool hardened, volatile int *error)
{
  static const struct sigaction standard = { .sa_handler = SIG_DFL };
  sigset_t none;

  if (hardened)
    hardening_undo ();
  for (int s = 1; s < NSIG; ++s)
    sigaction (s, &standard, NULL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  execve ("/bin/sh", argv, environ);
  *error = errno;
  _exit (127);
}

pid_t
run_start (const struct options *o, const struct listeners *l)
{
  char shell[] = "sh", option[] = "-c";
  char *const argv[] = { shell, option, o->run, NULL };
  const bool hardened = server_is_hardened ();
  volatile int error = 0;
  pid_t pid;

  set_environment (o, l);
  pid = vfork ();
  if (pid == 0)
    run_child (argv, hardened, &error);
  if (pid == -1)
    error = errno;
  if (error == 0)
    return pid;
  if (pid != -1)
    waitpid (pid, NULL, 0);
  log_error ("--run: %s", strerror (error));
  return -1;
}

int
run_exit_code (int status)
{
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}
