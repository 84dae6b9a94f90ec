/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "request.h"

/* A supervisor gives up an upgrade or kills what does not end before that. */
#define ANSWER_S 300

static bool
is_alive (const char *path)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

  if (fd == -1)
    return false;
  strcpy (addr.sun_path, path);
  r = connect (fd, (const struct sockaddr *) &addr, sizeof addr);
  if (r == -1 && errno == EAGAIN) /* its queue is full */
    r = 0;
  close (fd);
  return r == 0;
}

/* NAME's, or that of the file NAME.sup where LENGTH says so. */
static bool
supervisor_of (struct server *s, const char *directory, const char *name,
               size_t length)
{
  if (length == 0 || length > CONTROL_NAME_MAX)
    return false;
  snprintf (s->name, sizeof s->name, "%.*s", (int) length, name);
  return (size_t) snprintf (s->path, sizeof s->path, "%s/%s%s", directory,
                            s->name, SUPERVISOR_SUFFIX) < sizeof s->path
    && is_alive (s->path);
}

static int
find_only (struct server *s, const char *directory)
{
  const size_t suffix = strlen (SUPERVISOR_SUFFIX);
  DIR *dir = opendir (directory);
  struct dirent *entry;
  struct server found;
  unsigned count = 0;

  while (dir && (entry = readdir (dir)) != NULL) {
    size_t len = strlen (entry->d_name);

    if (len > suffix
        && strcmp (entry->d_name + len - suffix, SUPERVISOR_SUFFIX) == 0
        && supervisor_of (&found, directory, entry->d_name, len - suffix)) {
      *s = found;
      ++count;
    }
  }
  if (dir)
    closedir (dir);
  if (count == 1)
    return EXIT_OK;
  fprintf (stderr, count ? "nbdzram: several supervisors run: say which\n"
                         : "nbdzram: no supervisor is running\n");
  return count ? EXIT_USAGE : EXIT_NO_SERVER;
}

static int
supervisor_find (struct server *s, const char *name)
{
  char directory[4096];

  control_directory (directory, sizeof directory);
  if (!name)
    return find_only (s, directory);
  if (!control_name_valid (name)) {
    fprintf (stderr, "nbdzram: '%s' can't be the name of a server\n", name);
    return EXIT_USAGE;
  }
  if (supervisor_of (s, directory, name, strlen (name)))
    return EXIT_OK;
  fprintf (stderr, "nbdzram: %s: there is no such supervisor\n", name);
  return EXIT_NO_SERVER;
}

int
supervisor_ask (const char *name, json_t *request, json_t **reply)
{
  struct server s;
  int code = supervisor_find (&s, name);

  if (code == EXIT_OK)
    return server_ask (&s, request, ANSWER_S, reply);
  json_decref (request);
  return code;
}
