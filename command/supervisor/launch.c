/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"

extern char **environ;

/* ---- before the start ---- */

static bool
begins_as_one_of (const char *s, const char *const *list)
{
  for (; *list; ++list)
    if (strncmp (s, *list, strlen (*list)) == 0)
      return true;
  return false;
}

char **
environment_make (const char *const *left_out, const char *const *added)
{
  size_t n = 0, room = 1;
  char **list;

  for (char **e = environ; *e; ++e)
    ++room;
  for (const char *const *a = added; *a; ++a)
    ++room;
  list = calloc (room, sizeof *list);
  if (!list)
    return NULL;
  for (char **e = environ; *e; ++e)
    if (!begins_as_one_of (*e, left_out) && !(list[n++] = strdup (*e)))
      goto no_memory;
  for (const char *const *a = added; *a; ++a)
    if (!(list[n++] = strdup (*a)))
      goto no_memory;
  return list;

 no_memory:
  strings_free (list);
  return NULL;
}

char *
environment_value (char **envp, const char *name)
{
  size_t len = strlen (name);

  for (; *envp; ++envp)
    if (strncmp (*envp, name, len) == 0)
      return *envp + len;
  return NULL;
}

void
strings_free (char **list)
{
  for (char **s = list; s && *s; ++s)
    free (*s);
  free (list);
}

bool
executable_path (pid_t pid, char *path, size_t size)
{
  static const char deleted[] = " (deleted)";
  char link[32];
  ssize_t n;
  size_t length;

  snprintf (link, sizeof link, "/proc/%d/exe", (int) pid);
  n = readlink (link, path, size - 1);
  if (n <= 0)
    return false;
  path[n] = '\0';
  length = (size_t) n;
  if (length > strlen (deleted)
      && strcmp (path + length - strlen (deleted), deleted) == 0)
    path[length - strlen (deleted)] = '\0';
  return true;
}

/* ---- the child ---- */

static void
write_number (char *to, long n)
{
  char digits[24];
  unsigned i = 0;

  do
    digits[i++] = (char) ('0' + n % 10);
  while ((n /= 10) != 0);
  while (i > 0)
    *to++ = digits[--i];
  *to = '\0';
}

/* Ignored and blocked signals would stay so over execve. */
static void
reset_signals (void)
{
  static const struct sigaction standard = { .sa_handler = SIG_DFL };
  sigset_t none;

  for (int s = 1; s < NSIG; ++s)
    sigaction (s, &standard, NULL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* Runs in the parent's memory: it must not allocate, lock or return.  The
 * parent reads the errno of a failure from *ERROR.
 */
static _Noreturn void
run_child (const struct program *program, const struct spawn_fds *fds,
           volatile int *error)
{
  reset_signals ();
  setsid ();
  for (unsigned i = 0; i < fds->count; ++i)
    if (fds->from[i] == -1)
      close ((int) i);
    else if (dup2 (fds->from[i], (int) i) == -1) {
      *error = errno;
      _exit (127);
    }
  if (program->listen_pid)
    write_number (program->listen_pid, (long) getpid ());
  execve (program->path, program->argv, program->envp);
  *error = errno;
  _exit (127);
}

static int
spawn_child (const struct program *program, const struct spawn_fds *fds,
             struct process *p)
{
  volatile int error = 0;
  pid_t pid;

  pid = vfork ();
  if (pid == -1)
    return -1;
  if (pid == 0)
    run_child (program, fds, &error);
  if (error == 0 && process_open (p, pid, 0) == -1) {
    /* A child that can't be watched must not run. */
    error = errno;
    kill (pid, SIGKILL);
  }
  if (error == 0)
    return 0;
  /* The child has failed, or was killed and may take a while to end: the
   * supervisor reaps all children that it does not know.
   */
  waitpid (pid, NULL, WNOHANG);
  errno = error;
  return -1;
}

int
spawn (const struct program *program, struct spawn_fds *fds,
       struct process *p)
{
  int start_barrier[2] = { -1, -1 }, r = 0, err;

  *p = NO_PROCESS;
  if (fds->start_barrier > 0) {
    if (pipe2 (start_barrier, O_CLOEXEC) == -1)
      return -1;
    start_barrier[0] = fds->from[fds->start_barrier]
      = fd_keep (start_barrier[0]);
    start_barrier[1] = fd_keep (start_barrier[1]);
    r = start_barrier[0] == -1 || start_barrier[1] == -1 ? -1 : 0;
  }
  if (r == 0)
    r = spawn_child (program, fds, p);
  err = errno;
  fd_close (&start_barrier[0]);
  if (r == 0)
    p->start_barrier = start_barrier[1];
  else
    fd_close (&start_barrier[1]);
  errno = err;
  return r;
}
