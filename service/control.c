/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control-peers.h"
#include "control-socket.h"
#include "control-verbs.h"
#include "control.h"
#include "set-error.h"

/* A server without a name is zram0, or has the first free number. */
#define NUMBERS 1000

/* The intervals, in milliseconds, at which the thread checks that the socket
 * exists, and tries to bind it if it does not.
 */
#define LOOK_EVERY 5000
#define TRY_EVERY 1000

struct control {
  const struct control_options *options;
  struct control_socket socket;
  struct control_context context;
  struct peers *peers;
  bool started;                 /* then binding must not wait for the lock of
                                 * the directory */
  char name[CONTROL_NAME_MAX + 1]; /* "": not known yet */
  char said[512];               /* the last message in the log */
};

/* ---- finding a place ---- */

/* Puts into ERROR why the socket PATH can't be bound, by errno.  Returns
 * -1.
 */
static int
set_bind_error (char *error, size_t size, const char *path)
{
  const char *what;

  switch (errno) {
  case EADDRINUSE:
    what = "another server is using it";
    break;
  case EEXIST:
    what = "this is not a socket";
    break;
  case ENAMETOOLONG:
    what = "the path is too long for a socket";
    break;
  default:
    what = strerror (errno);
  }
  return set_error (error, size, "%s: %s", path, what);
}

/* The name of a server whose socket has the path PATH: that of the file, if it
 * is valid.
 */
static void
name_of_path (char name[CONTROL_NAME_MAX + 1], const char *path)
{
  const char *base = strrchr (path, '/') + 1;
  size_t len = strlen (base), suffix = strlen (CONTROL_SUFFIX);

  if (len > suffix && strcmp (base + len - suffix, CONTROL_SUFFIX) == 0)
    len -= suffix;
  snprintf (name, CONTROL_NAME_MAX + 1, "%.*s", (int) len, base);
  if (!control_name_valid (name))
    strcpy (name, "zram");
}

/* On an error, the functions that bind return with its errno. */

static int
bind_at (struct control *c, const char *path, char *error, size_t size)
{
  int r = c->started
    ? control_socket_renew (&c->socket, path)
    : control_socket_open (&c->socket, path);

  return r == 0 ? 0 : set_bind_error (error, size, path);
}

static int
bind_path (struct control *c, char *error, size_t size)
{
  if (c->options->name)
    strcpy (c->name, c->options->name);
  else
    name_of_path (c->name, c->options->path);
  return bind_at (c, c->options->path, error, size);
}

/* Bind to c->name in DIRECTORY. */
static int
bind_name (struct control *c, const char *directory, char *error, size_t size)
{
  char path[CONTROL_PATH_SIZE];

  if (control_path (path, directory, c->name) == -1)
    return set_bind_error (error, size, directory);
  return bind_at (c, path, error, size);
}

static int
bind_number (struct control *c, const char *directory,
             char *error, size_t size)
{
  for (unsigned n = 0; n < NUMBERS; ++n) {
    snprintf (c->name, sizeof c->name, "zram%u", n);
    if (bind_name (c, directory, error, size) == 0)
      return 0;
    if (errno != EADDRINUSE && errno != EEXIST)
      break;
  }
  c->name[0] = '\0';
  return -1;
}

/* Once a name is found, the server keeps it. */
static int
bind_default (struct control *c, char *error, size_t size)
{
  char directory[4096];

  control_directory (directory, sizeof directory);
  if (mkdir (directory, S_IRWXU) == -1 && errno != EEXIST)
    return set_bind_error (error, size, directory);
  if (c->options->name)
    strcpy (c->name, c->options->name);
  if (c->name[0] == '\0')
    return bind_number (c, directory, error, size);
  return bind_name (c, directory, error, size);
}

static int
bind_socket (struct control *c, char *error, size_t size)
{
  return c->options->path ? bind_path (c, error, size)
                          : bind_default (c, error, size);
}

int
control_open (struct control **c, const struct control_options *o,
              char *error, size_t size)
{
  *c = NULL;
  snprintf (error, size, "control=off");
  if (o->off)
    return 0;
  *c = calloc (1, sizeof **c);
  if (!*c)
    return set_bind_error (error, size, "control socket");
  (*c)->options = o;
  (*c)->socket.fd = -1;
  error[0] = '\0';
  if (o->late || bind_socket (*c, error, size) == 0
      || control_socket_error_may_pass (errno))
    return 0;
  free (*c);
  *c = NULL;
  return o->path || o->name ? -1 : 0;
}

/* ---- keeping it ---- */

/* Logs TEXT unless it is the last message. */
static void
log_once (struct control *c, const char *text)
{
  if (c->options->log && strcmp (text, c->said) != 0)
    c->options->log (text);
  snprintf (c->said, sizeof c->said, "%s", text);
}

/* Binds the socket again if its file was removed, as with the directory of a
 * session, or could not be created.
 */
static int
keep_bound (void *opaque, int *next_ms)
{
  struct control *c = opaque;
  char error[sizeof c->said - 128], text[sizeof c->said];

  *next_ms = LOOK_EVERY;
  if (control_socket_is_bound (&c->socket))
    return c->socket.fd;
  if (bind_socket (c, error, sizeof error) == 0) {
    if (c->said[0] != '\0') {
      snprintf (text, sizeof text, "the control socket %s works now",
                c->socket.path);
      log_once (c, text);
    }
    return c->socket.fd;
  }
  *next_ms = TRY_EVERY;
  snprintf (text, sizeof text, "no control socket for now: %s; trying again",
            error);
  log_once (c, text);
  return c->socket.fd;
}

/* ---- life ---- */

const char *
control_name (const struct control *c)
{
  return c->name;
}

const char *
control_socket_path (const struct control *c)
{
  return c->socket.path;
}

int
control_start (struct control *c, struct pool *pool,
               struct maintainer *maintainer, _Atomic unsigned *clients)
{
  int ms;

  c->context = (struct control_context) {
    .pool = pool, .maintainer = maintainer, .name = c->name,
    .clients = clients,
  };
  clock_gettime (CLOCK_MONOTONIC, &c->context.started);
  c->started = true;
  if (c->options->late)
    keep_bound (c, &ms);
  c->peers = peers_start (keep_bound, c, &c->context);
  return c->peers ? 0 : -1;
}

void
control_close (struct control *c)
{
  if (!c)
    return;
  peers_stop (c->peers);
  control_socket_close (&c->socket);
  free (c);
}
