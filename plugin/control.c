/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "control-peers.h"
#include "control-socket.h"
#include "control-verbs.h"

/* A server without a name is zram0, or the first number that is free. */
#define NUMBERS 1000

struct control {
  struct control_socket socket;
  struct control_context context;
  struct peers *peers;
  char name[CONTROL_NAME_MAX + 1];
};

/* ---- finding a place ---- */

static int
say (char *error, size_t size, const char *path)
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
  snprintf (error, size, "%s: %s", path, what);
  return -1;
}

/* The name of a server whose socket was named: the file's, if it can be
 * one.
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

static int
open_path (struct control *c, const struct control_options *o,
           char *error, size_t size)
{
  if (o->name)
    strcpy (c->name, o->name);
  else
    name_of_path (c->name, o->path);
  if (control_socket_open (&c->socket, o->path) == -1)
    return say (error, size, o->path);
  return 0;
}

/* Be c->name in DIRECTORY. */
static int
open_name (struct control *c, const char *directory, char *error, size_t size)
{
  char path[CONTROL_PATH_SIZE];

  if (control_path (path, directory, c->name) == -1)
    return say (error, size, directory);
  if (control_socket_open (&c->socket, path) == -1)
    return say (error, size, path);
  return 0;
}

static int
open_number (struct control *c, const char *directory,
             char *error, size_t size)
{
  for (unsigned n = 0; n < NUMBERS; ++n) {
    snprintf (c->name, sizeof c->name, "zram%u", n);
    if (open_name (c, directory, error, size) == 0)
      return 0;
    if (errno != EADDRINUSE && errno != EEXIST)
      break;
  }
  return -1;
}

static int
open_default (struct control *c, const struct control_options *o,
              char *error, size_t size)
{
  char directory[4096];

  control_directory (directory, sizeof directory);
  if (mkdir (directory, S_IRWXU) == -1 && errno != EEXIST)
    return say (error, size, directory);
  if (!o->name)
    return open_number (c, directory, error, size);
  strcpy (c->name, o->name);
  return open_name (c, directory, error, size);
}

int
control_open (struct control **c, const struct control_options *o,
              char *error, size_t size)
{
  int r;

  *c = NULL;
  snprintf (error, size, "control=off");
  if (o->off)
    return 0;
  *c = calloc (1, sizeof **c);
  if (!*c)
    return say (error, size, "control socket");
  (*c)->socket.fd = -1;
  r = o->path ? open_path (*c, o, error, size)
              : open_default (*c, o, error, size);
  if (r == 0)
    return 0;
  free (*c);
  *c = NULL;
  return o->path || o->name ? -1 : 0;
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
               struct maintainer *maintainer, _Atomic unsigned *clients,
               const struct control_exports *exports)
{
  c->context = (struct control_context) {
    .pool = pool, .maintainer = maintainer, .name = c->name,
    .clients = clients, .exports = exports,
  };
  clock_gettime (CLOCK_MONOTONIC, &c->context.started);
  c->peers = peers_start (c->socket.fd, &c->context);
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
