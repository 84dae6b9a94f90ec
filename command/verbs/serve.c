/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram serve. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command/base/options.h"
#include "command/supervisor/request.h"
#include "command/supervisor/setup.h"
#include "command/supervisor/supervisor.h"
#include "lib/base/util.h"

#define DEFAULT_NAME "zram0"
#define RESUME "NBDZRAM_RESUME"
#define DESCRIPTORS_MIN 256     /* KEPT_FD_MIN, and all that is kept there */
#define DESCRIPTORS_MAX 65536   /* programs may look at each that there is */
#define DEATH_TRIES 10          /* of a twentieth of a second */

static int
say (const char *name, const char *error)
{
  fprintf (stderr, "nbdzram serve: %s: %s\n", name, error);
  return EXIT_FAILED;
}

/* ---- what the user said ---- */

static void
parse (struct serve_options *o, const struct command *command, int argc,
       char *argv[])
{
  const struct option_entry entries[] = {
    { .name = "size", .argument = "SIZE", .string = &o->size,
      .help = "of the disk: 4G, ram/2, min(ram/2,4G)" },
    { .name = "pool", .argument = "PATH", .string = &o->pool,
      .help = "keep the pages in this file on tmpfs" },
    { .name = "listen", .letter = 'l', .argument = "ADDRESS",
      .string = &o->listen,
      .help = "for clients: HOST:PORT, or the path of a socket" },
    { .name = "threads", .letter = 't', .argument = "N",
      .number = &o->threads, .min = 1, .max = CONF_THREADS_MAX,
      .help = "for each connection" },
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
  o->words = argv + index;
  o->word_count = argc - index;
  for (int i = 0; i < o->word_count; ++i)
    if (!strchr (o->words[i], '='))
      usage_error (command, "%s is one argument too many", o->words[i]);
  if (!control_name_valid (o->name))
    usage_error (command, "'%s' can't be the name of a server", o->name);
}

/* ---- the background ---- */

/* What the child says of its start is what we return. */
static _Noreturn void
parent (int fd, pid_t child)
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

/* Go on in a child.  Returns the end of a pipe to say in that it serves,
 * or -1.
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
    parent (fds[0], pid);
  }
  close (fds[0]);
  setsid ();
  if (chdir ("/") == -1)
    return -1;
  return fd_keep (fds[1]);
}

/* ---- descriptors ---- */

/* A shell's limit is for programs that use select; the servers, which have
 * a descriptor for each connection, inherit ours.
 */
static int
raise_descriptor_limit (const char *name)
{
  char error[128];
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == -1)
    return say (name, strerror (errno));
  if (limit.rlim_cur < MIN (limit.rlim_max, DESCRIPTORS_MAX)) {
    limit.rlim_cur = MIN (limit.rlim_max, DESCRIPTORS_MAX);
    setrlimit (RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_max >= DESCRIPTORS_MIN)
    return EXIT_OK;
  snprintf (error, sizeof error, "a limit of %llu open files is too low: "
            "ulimit -n must be at least %d",
            (unsigned long long) limit.rlim_max, DESCRIPTORS_MIN);
  return say (name, error);
}

/* ---- being NAME ---- */

/* Bind NAME.sup, and lock the NAME.run that is there.  Where the directory
 * does not let us bind, the lock alone makes us the one; the socket follows
 * (command/supervisor/files.c).
 */
static int
try_to_be_the_one (struct supervisor *s, const char *path)
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

/* One that has just been killed may listen for a moment yet. */
static int
open_control (struct supervisor *s, const char *path)
{
  static const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };

  for (int i = 0; i < DEATH_TRIES; ++i) {
    if (try_to_be_the_one (s, path) == 0)
      return 0;
    if (errno != EADDRINUSE)
      return -1;
    nanosleep (&pause, NULL);
  }
  errno = EADDRINUSE;
  return -1;
}

static int
be_the_one (struct supervisor *s)
{
  char path[sizeof s->directory + 128], error[MESSAGE_SIZE];

  if (mkdir (s->directory, S_IRWXU) == -1 && errno != EEXIST)
    snprintf (error, sizeof error, "%.400s: %s", s->directory,
              strerror (errno));
  else {
    supervisor_path (s, path, sizeof path, SUPERVISOR_SUFFIX);
    if (open_control (s, path) == 0) {
      if (s->control.socket.fd != -1)
        s->control.socket.fd = fd_keep (s->control.socket.fd);
      return EXIT_OK;
    }
    snprintf (error, sizeof error, "%.400s: %s", path,
              errno == EADDRINUSE ? "another supervisor runs"
              : errno == ENAMETOOLONG ? "the path is too long for a socket"
              : strerror (errno));
  }
  return say (s->setup.options.name, error);
}

/* Executed by the supervisor that we were: NAME.sup is open, and so is
 * the file of its state, which is returned.
 */
static int
stay_the_one (struct supervisor *s, const char *fds)
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
  /* Earlier versions do not say which file it was. */
  if (n < 4 && lstat (s->control.socket.path, &st) == 0) {
    dev = st.st_dev;
    ino = st.st_ino;
  }
  s->control.socket.dev = (dev_t) dev;
  s->control.socket.ino = (ino_t) ino;
  return state;
}

/* ---- the verb ---- */

/* A mistake in NAME.conf must not keep us from servers that live. */
static bool
was_begun (const struct supervisor *s)
{
  char path[sizeof s->directory + 128];

  supervisor_path (s, path, sizeof path, ".run");
  return access (path, F_OK) == 0;
}

static void
supervisor_init (struct supervisor *s, char *argv[])
{
  char path[PATH_MAX + 16];

  s->pool = s->null = s->signals = s->daemon_pipe = -1;
  s->control.socket.fd = -1;
  s->state = NO_STATE;
  s->upgrade = NO_UPGRADE;
  for (unsigned i = 0; i < GENERATIONS_MAX; ++i)
    s->servers.list[i] = NO_GENERATION;
  for (unsigned i = 0; i < WATCHERS_MAX; ++i)
    s->watchers[i] = NO_WATCHER_PROCESS;
  if (executable_path (getpid (), path, sizeof path))
    s->executable = strdup (path);
  s->arguments = argv;
  control_directory (s->directory, sizeof s->directory);
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
  parse (&options, command, argc, argv);
  if (setup_read (&s.setup, &options, s.conf_error, sizeof s.conf_error)
      == 0)
    s.conf_error[0] = '\0';
  else if (!fds && !was_begun (&s))
    return say (options.name, s.conf_error);
  if (raise_descriptor_limit (options.name) != EXIT_OK)
    return EXIT_FAILED;
  s.force = options.force;
  log_open (options.name);
  if (fds) {
    state = stay_the_one (&s, fds);
    if (options.daemon)
      log_to_kernel ();
    return supervise (&s, state);
  }
  if (options.daemon && (s.daemon_pipe = go_to_background ()) == -1)
    return say (options.name, strerror (errno));
  code = be_the_one (&s);
  return code == EXIT_OK ? supervise (&s, -1) : code;
}
