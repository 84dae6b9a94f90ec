/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "service/control-path.h"
#include "service/start-barrier.h"
#include "service/tls-files.h"

#include "setup.h"

/* ---- settings ---- */

static int
set_if_given (struct conf *c, const char *key, const char *value, char *error,
              size_t size)
{
  return value ? conf_set (c, key, value, error, size) : 0;
}

static int
set_words (struct conf *c, const struct serve_options *o, char *error,
           size_t size)
{
  for (int i = 0; i < o->word_count; ++i)
    if (conf_set_word (c, o->words[i], error, size) == -1)
      return -1;
  return 0;
}

/* Before anything is started: the server would report the same mistakes in
 * its log.
 */
static int
check_tls (const struct conf *c, char *error, size_t size)
{
  char why[512];

  if (c->tls_psk && tls_check_psk (c->tls_psk, why, sizeof why) == -1)
    snprintf (error, size, "tls-psk: %s", why);
  else if (c->tls_certificates
           && tls_check_certificates (c->tls_certificates, why, sizeof why)
              == -1)
    snprintf (error, size, "tls-certificates: %s", why);
  else
    return 0;
  return -1;
}

int
setup_read (struct setup *setup, const struct serve_options *options,
            char *error, size_t size)
{
  struct conf *c = &setup->conf;

  *setup = (struct setup) { .options = *options };
  conf_init (c);
  if (conf_load (c, options->name, error, size) == -1
      || set_words (c, options, error, size) == -1
      || set_if_given (c, "size", options->size, error, size) == -1
      || set_if_given (c, "pool", options->pool, error, size) == -1
      || set_if_given (c, "listen", options->listen, error, size) == -1
      || (options->swap
          && conf_choose_size (c, options->name, error, size) == -1)
      || conf_check (c, options->swap, error, size) == -1
      || check_tls (c, error, size) == -1)
    return -1;
  setup->serves = c->remote_count == 0;
  setup->standby = setup->serves && (options->swap || options->standby);
  return 0;
}

/* ---- the program ---- */

/* The variable is for tests, and for programs that are not installed. */
static const char *
get_server_path (void)
{
  const char *path = getenv ("NBDZRAMD");

  return path && *path ? path : SBINDIR "/nbdzramd";
}

struct child_fds
child_fds_layout (unsigned listener_count)
{
  struct child_fds fds = { .listen = STDERR_FILENO + 1 };

  fds.pool = fds.listen + (int) listener_count;
  fds.ready_write = fds.pool + 1;
  fds.ready = fds.pool + 2;
  fds.hold = fds.pool + 3;
  fds.log = fds.pool + 4;
  fds.start_barrier = fds.pool + 5;
  fds.count = fds.pool + 6;
  return fds;
}

struct argument_list {
  char **list;
  size_t count;
  bool failed;
};

static void __attribute__ ((format (printf, 2, 3)))
add_argument (struct argument_list *w, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  if (vasprintf (&w->list[w->count], format, ap) == -1) {
    w->list[w->count] = NULL;
    w->failed = true;
  }
  else
    ++w->count;
  va_end (ap);
}

/* Clients without TLS are refused and, with certificates, clients that have
 * none.
 */
static void
add_tls_arguments (struct argument_list *w, const struct conf *c)
{
  if (conf_has_tls (c))
    add_argument (w, "--tls=require");
  if (c->tls_psk)
    add_argument (w, "--tls-psk=%s", c->tls_psk);
  if (c->tls_certificates) {
    add_argument (w, "--tls-certificates=%s", c->tls_certificates);
    add_argument (w, "--tls-verify-peer");
  }
}

/* The name of the process that runs the program at PATH.  systemd does not
 * kill a process whose name begins with '@' until the machine is off; see
 * command/swap/shutdown.h.  The caller owns it; NULL: no memory.
 */
static char *
make_process_name (const struct setup *setup, const char *path)
{
  char *name;

  return asprintf (&name, "%s%s", setup->options.swap ? "@" : "",
                   basename (path)) == -1 ? NULL : name;
}

static char **
make_arguments (const struct setup *setup, int pool_fd)
{
  const struct conf *c = &setup->conf;
  struct argument_list w = {
    .list = calloc (c->parameter_count + 16, sizeof (char *)),
  };

  if (!w.list)
    return NULL;
  add_argument (&w, "%snbdzramd", setup->options.swap ? "@" : "");
  add_argument (&w, "--foreground");
  add_tls_arguments (&w, c);
  if (c->busy_poll != CONF_CHOOSE)
    add_argument (&w, "--busy-poll=%d", c->busy_poll);
  if (c->size > 0)
    add_argument (&w, "size=%" PRIu64, c->size);
  add_argument (&w, "name=%s", setup->options.name);
  if (c->pool)
    add_argument (&w, "pool=%s", c->pool);
  else
    add_argument (&w, "pool=/proc/self/fd/%d", pool_fd);
  if (setup->options.swap && !conf_parameter (c, "mlock"))
    add_argument (&w, "mlock=on");
  for (size_t i = 0; i < c->parameter_count; ++i)
    add_argument (&w, "%s", c->parameters[i]);
  if (!w.failed)
    return w.list;
  strings_free (w.list);
  return NULL;
}

/* Variables of the supervisor's own service manager are not for servers. */
static int
make_environment (const struct setup *setup, struct program *p,
                  const struct child_fds *fds)
{
  static const char *const left_out[] = {
    "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "NOTIFY_SOCKET=",
    "NBDZRAM_SUPERVISED=", "NBDZRAM_RESUME=", START_BARRIER_VARIABLE "=",
    SERVER_VARIABLE "=", NULL,
  };
  char listen[32], supervised[64], start_barrier[32], directory[4096],
    server[4352];
  const char *const added[] = {
    "LISTEN_PID=....................",
    listen,
    supervised,
    start_barrier,
    server,
    NULL,
  };

  snprintf (listen, sizeof listen, "LISTEN_FDS=%d", fds->pool - fds->listen);
  snprintf (supervised, sizeof supervised, "NBDZRAM_SUPERVISED=%d,%d",
            fds->ready_write, fds->hold);
  snprintf (start_barrier, sizeof start_barrier, START_BARRIER_VARIABLE "=%d",
            fds->start_barrier);
  snprintf (server, sizeof server, SERVER_VARIABLE "=%s/%s",
            control_directory (directory, sizeof directory),
            setup->options.name);
  p->envp = environment_make (left_out, added);
  if (!p->envp)
    return -1;
  p->listen_pid = environment_value (p->envp, "LISTEN_PID=");
  return 0;
}

int
setup_make_program (struct setup *setup, const struct child_fds *fds,
                    char *error, size_t size)
{
  struct program *p = &setup->program;

  if (access (get_server_path (), X_OK) == -1) {
    snprintf (error, size, "%s: %s", get_server_path (), strerror (errno));
    return -1;
  }
  p->path = strdup (get_server_path ());
  p->argv = make_arguments (setup, fds->pool);
  if (p->path && p->argv && make_environment (setup, p, fds) == 0)
    return 0;
  snprintf (error, size, "%s", strerror (ENOMEM));
  return -1;
}

int
setup_set_program (struct setup *setup, const char *const argv[],
                   const struct child_fds *fds)
{
  struct program *p = &setup->program;
  size_t count = 0;

  program_free (p);
  while (argv[count])
    ++count;
  p->path = strdup (argv[0]);
  p->argv = calloc (count + 1, sizeof *p->argv);
  if (!p->path || !p->argv)
    return -1;
  for (size_t i = 0; i < count; ++i)
    if (!(p->argv[i] = i == 0 ? make_process_name (setup, argv[0])
                              : strdup (argv[i])))
      return -1;
  return make_environment (setup, p, fds);
}

void
program_free (struct program *p)
{
  free (p->path);
  strings_free (p->argv);
  strings_free (p->envp);
  *p = (struct program) { .path = NULL };
}

void
setup_free (struct setup *setup)
{
  conf_free (&setup->conf);
  program_free (&setup->program);
}
