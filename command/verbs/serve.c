/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram serve. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/base/options.h"
#include "command/supervisor/request.h"
#include "command/supervisor/setup.h"
#include "command/supervisor/supervisor.h"
#include "lib/base/util.h"

#define DEFAULT_NAME "zram0"
#define RESUME "NBDZRAM_RESUME"

/* Open files: KEPT_FD_MIN and all that is kept above it; at most so many that
 * a program which loops over all of them takes no time.
 */
#define DESCRIPTORS_MIN 256
#define DESCRIPTORS_MAX 65536

/* How long a killed supervisor may take to end. */
#define DEATH_TRIES 10
#define DEATH_PAUSE_MS 50

static int
report_error (const char *name, const char *error)
{
  fprintf (stderr, "nbdzram serve: %s: %s\n", name, error);
  return EXIT_FAILED;
}

/* ---- the command line ---- */

static void
parse_options (struct serve_options *o, const struct command *command,
               int argc, char *argv[])
{
  const struct option_entry entries[] = {
    { .name = "size", .argument = "SIZE", .string = &o->size,
      .help = "disk size: 4G, ram/2, min(ram/2,4G)" },
    { .name = "pool", .argument = "PATH", .string = &o->pool,
      .help = "keep the pages in this file on tmpfs" },
    { .name = "listen", .letter = 'l', .argument = "ADDRESS",
      .string = &o->listen,
      .help = "HOST:PORT, or the path of a socket" },
    { .name = "swap", .flag = &o->swap,
      .help = "harden it all; keep a standby" },
    { .name = "standby", .flag = &o->standby,
      .help = "keep a second server that waits to take over" },
    { .name = "daemon", .letter = 'd', .flag = &o->daemon,
      .help = "return when it serves, and go on in the background" },
    { .name = "force", .letter = 'f', .flag = &o->force,
      .help = "let SIGTERM end it even while swap uses it" },
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);

  o->name = DEFAULT_NAME;
  if (index < argc && !strchr (argv[index], '='))
    o->name = argv[index++];
  o->words = setting_arguments (command, index, argc, argv);
  o->word_count = argc - index;
  if (!control_name_valid (o->name))
    usage_error (command, "'%s' can't be the name of a server", o->name);
}

/* ---- the background ---- */

/* Exit as the child does at its start. */
static _Noreturn void
wait_for_child (int fd, pid_t child)
{
  char byte;
  int status;
  ssize_t n;

  do
    n = read (fd, &byte, 1);
  while (n == -1 && errno == EINTR);
  if (n == 1)
    _exit (EXIT_OK);
  while (waitpid (child, &status, 0) == -1 && errno == EINTR)
    ;
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : EXIT_FAILED);
}

/* Go on in a child.  Returns a pipe, to write a byte into when it serves; or
 * -1.
 */
static int
go_to_background (void)
{
  int fds[2];
  pid_t pid;

  if (pipe2 (fds, O_CLOEXEC) == -1)
    return -1;
  pid = fork ();
  if (pid == -1)
    return -1;
  if (pid > 0) {
    close (fds[1]);
    wait_for_child (fds[0], pid);
  }
  close (fds[0]);
  setsid ();
  if (chdir ("/") == -1)
    return -1;
  return fd_keep (fds[1]);
}

/* ---- descriptors ---- */

/* The limit of a shell is that of programs which use select.  Servers, which
 * have a descriptor for each connection, inherit the supervisor's limit.
 */
static int
raise_descriptor_limit (const char *name)
{
  char error[128];
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == -1)
    return report_error (name, strerror (errno));
  if (limit.rlim_cur < MIN (limit.rlim_max, DESCRIPTORS_MAX)) {
    limit.rlim_cur = MIN (limit.rlim_max, DESCRIPTORS_MAX);
    setrlimit (RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_max >= DESCRIPTORS_MIN)
    return EXIT_OK;
  snprintf (error, sizeof error, "a limit of %llu open files is too low: "
            "ulimit -n must be at least %d",
            (unsigned long long) limit.rlim_max, DESCRIPTORS_MIN);
  return report_error (name, error);
}

/* ---- the only supervisor of this name ---- */

/* Bind NAME.sup, and lock NAME.run, if it exists.  If the directory does not
 * let the socket be bound now, the lock alone is enough, and the socket is
 * bound later (command/supervisor/files.h).
 */
static int
try_claim_name (struct supervisor *s, const char *path)
{
  bool bound = control_socket_open (&s->control.socket, path) == 0;
  int err = errno;

  if (!bound && !control_socket_error_may_pass (err))
    return -1;
  s->state.lock = state_lock (s);
  if (s->state.lock != -1)
    return 0;
  if (errno != EADDRINUSE && bound)
    return 0;
  if (errno != EADDRINUSE)
    errno = err;
  else if (bound) {
    control_socket_close (&s->control.socket);
    errno = EADDRINUSE;
  }
  return -1;
}

/* A supervisor that was just killed may still listen for a moment. */
static int
claim_path (struct supervisor *s, const char *path)
{
  for (int i = 0; i < DEATH_TRIES; ++i) {
    if (try_claim_name (s, path) == 0)
      return 0;
    if (errno != EADDRINUSE)
      return -1;
    poll (NULL, 0, DEATH_PAUSE_MS);
  }
  return fail_with (EADDRINUSE);
}

static int
claim_name (struct supervisor *s)
{
  char path[SUPERVISOR_PATH_SIZE], error[MESSAGE_SIZE];

  if (mkdir (s->directory, S_IRWXU) == -1 && errno != EEXIST)
    snprintf (error, sizeof error, "%.400s: %s", s->directory,
              strerror (errno));
  else {
    supervisor_path (s, path, sizeof path, SUPERVISOR_SUFFIX);
    if (claim_path (s, path) == 0) {
      s->control.socket.fd = fd_keep (s->control.socket.fd);
      return EXIT_OK;
    }
    snprintf (error, sizeof error, "%.400s: %s", path,
              errno == EADDRINUSE ? "another supervisor runs"
              : errno == ENAMETOOLONG ? "the path is too long for a socket"
              : strerror (errno));
  }
  return report_error (s->setup.options.name, error);
}

/* This process was a supervisor already, and has executed a newer program:
 * NAME.sup is open.  Returns the descriptor of its state, or -1.
 */
static int
resume_name (struct supervisor *s, const char *fds)
{
  uintmax_t dev = 0, ino = 0;
  struct stat st;
  int state = -1, n;

  n = sscanf (fds, "%d,%d,%ju,%ju", &state, &s->control.socket.fd, &dev, &ino);
  if (n < 2)
    return -1;
  unsetenv (RESUME);
  if (s->control.socket.fd != -1)
    fcntl (s->control.socket.fd, F_SETFD, FD_CLOEXEC);
  supervisor_path (s, s->control.socket.path, sizeof s->control.socket.path,
                   SUPERVISOR_SUFFIX);
  /* Earlier versions give no device and inode. */
  if (n < 4 && lstat (s->control.socket.path, &st) == 0) {
    dev = st.st_dev;
    ino = st.st_ino;
  }
  s->control.socket.dev = (dev_t) dev;
  s->control.socket.ino = (ino_t) ino;
  return state;
}

/* ---- the verb ---- */

/* Were servers started, which may still run?  Then a mistake in NAME.conf must
 * not keep the supervisor from recovering them.
 */
static bool
has_state_file (const struct supervisor *s)
{
  char path[SUPERVISOR_PATH_SIZE];

  return access (supervisor_path (s, path, sizeof path, ".run"), F_OK) == 0;
}

int
command_serve (const struct command *command, int argc, char *argv[])
{
  static struct supervisor s;
  struct serve_options options = { .name = NULL };
  const char *fds = getenv (RESUME);
  int state = -1, code;

  /* The name of the program comes before that of the verb. */
  supervisor_init (&s, argv - 1);
  parse_options (&options, command, argc, argv);
  if (setup_read (&s.setup, &options, s.conf_error, sizeof s.conf_error)
      == 0)
    s.conf_error[0] = '\0';
  else if (!fds && !has_state_file (&s))
    return report_error (options.name, s.conf_error);
  if (raise_descriptor_limit (options.name) != EXIT_OK)
    return EXIT_FAILED;
  s.force = options.force;
  log_open (options.name);
  if (fds) {
    state = resume_name (&s, fds);
    if (options.daemon)
      log_to_kernel ();
    return supervise (&s, state);
  }
  if (options.daemon && (s.daemon_pipe = go_to_background ()) == -1)
    return report_error (options.name, strerror (errno));
  code = claim_name (&s);
  return code == EXIT_OK ? supervise (&s, -1) : code;
}
