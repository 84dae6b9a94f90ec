/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "run-program.h"

extern char **environ;

static const char *const places[] = {
  "/usr/sbin", "/sbin", "/usr/bin", "/bin", NULL,
};

/* Searches in places, too, since the PATH of a user may lack them. */
static int
spawn_in_places (pid_t *pid, const char *const argv[],
                 const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes)
{
  /* The arguments are not changed: POSIX has the older type. */
  char *const *args = (char *const *) (uintptr_t) argv;
  char path[256];
  int r = posix_spawnp (pid, argv[0], actions, attributes, args, environ);

  for (unsigned i = 0; r == ENOENT && places[i]; ++i) {
    snprintf (path, sizeof path, "%s/%s", places[i], argv[0]);
    r = posix_spawn (pid, path, actions, attributes, args, environ);
  }
  return r;
}

/* Standard output goes to /dev/null, errors to FD. */
static int
spawn_quietly (pid_t *pid, const char *const argv[], int fd)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  int r;

  sigemptyset (&none);
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null",
                                    O_RDONLY, 0);
  posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null",
                                    O_WRONLY, 0);
  posix_spawn_file_actions_adddup2 (&actions, fd, STDERR_FILENO);
  posix_spawnattr_init (&attributes);
  posix_spawnattr_setsigmask (&attributes, &none);
  posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK);
  r = spawn_in_places (pid, argv, &actions, &attributes);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);
  return r;
}

/* The last line of FD, without characters that a terminal obeys. */
static void
last_line (int fd, char *line, size_t size)
{
  char text[4096];
  off_t end = lseek (fd, 0, SEEK_END);
  off_t from = end > (off_t) sizeof text - 1 ? end - (off_t) sizeof text + 1
                                             : 0;
  ssize_t n = pread (fd, text, sizeof text - 1, from);
  char *start;

  while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
    --n;
  text[n < 0 ? 0 : n] = '\0';
  start = strrchr (text, '\n');
  snprintf (line, size, "%.*s", (int) size - 1, start ? start + 1 : text);
  for (; *line; ++line)
    if ((unsigned char) *line < ' ' || *line == 0x7f)
      *line = '?';
}

static int
explain_failure (const struct running_program *r, int status, char *error,
                 size_t size)
{
  char line[256];

  last_line (r->fd, line, sizeof line);
  if (line[0] != '\0')
    snprintf (error, size, "%s", line);
  else if (WIFSIGNALED (status))
    snprintf (error, size, "%s: killed by signal %d", r->name,
              WTERMSIG (status));
  else
    snprintf (error, size, "%s: failed (%d)", r->name, WEXITSTATUS (status));
  return fail_with (EIO);
}

int
program_start (struct running_program *r, const char *const argv[],
               char *error, size_t size)
{
  int err;

  *r = (struct running_program) { .pid = 0 };
  snprintf (r->name, sizeof r->name, "%s", argv[0]);
  /* Not a pipe: a background child of the program may keep it open. */
  r->fd = memfd_create ("errors", MFD_CLOEXEC);
  err = r->fd == -1 ? errno : spawn_quietly (&r->pid, argv, r->fd);
  if (err == 0)
    return 0;
  snprintf (error, size, "%s: %s", argv[0], strerror (err));
  if (r->fd != -1)
    close (r->fd);
  r->pid = 0;
  return fail_with (err);
}

static int
program_finish (struct running_program *r, int status, char *error,
                size_t size)
{
  int result = status == 0 ? 0 : explain_failure (r, status, error, size);

  close (r->fd);
  r->pid = 0;
  return result;
}

int
program_wait (struct running_program *r, char *error, size_t size)
{
  int status;

  while (waitpid (r->pid, &status, 0) == -1 && errno == EINTR)
    continue;
  return program_finish (r, status, error, size);
}

bool
program_ended (struct running_program *r, int *result, char *error,
               size_t size)
{
  int status;

  if (waitpid (r->pid, &status, WNOHANG) != r->pid)
    return false;
  *result = program_finish (r, status, error, size);
  return true;
}

int
run_program (const char *const argv[], char *error, size_t size)
{
  struct running_program r;

  return program_start (&r, argv, error, size) == -1 ? -1
    : program_wait (&r, error, size);
}
