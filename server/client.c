/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "client.h"
#include "util.h"

#define REPLY_MAX (64 * MIB)    /* more than any server says */

/* ---- one request ---- */

static int
connect_to (const char *path, int timeout)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  struct timeval t = { .tv_sec = timeout };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd == -1)
    return -1;
  strcpy (addr.sun_path, path);
  if (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0
      && setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == 0
      && connect (fd, (const struct sockaddr *) &addr, sizeof addr) == 0)
    return fd;
  t.tv_sec = errno;
  close (fd);
  errno = (int) t.tv_sec;
  return -1;
}

static int
send_all (int fd, const char *text, size_t length)
{
  while (length > 0) {
    ssize_t n = send (fd, text, length, MSG_NOSIGNAL);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return -1;
    text += n;
    length -= (size_t) n;
  }
  return 0;
}

/* A line of a server, to be freed.  NULL with errno. */
static char *
receive_line (int fd)
{
  char *line = NULL;
  size_t length = 0, room = 0;

  for (;;) {
    ssize_t n;

    if (length == room) {
      char *more = room < REPLY_MAX ? realloc (line, 2 * room + 4096) : NULL;

      if (!more)
        break;
      line = more;
      room = 2 * room + 4096;
    }
    n = recv (fd, line + length, room - length, 0);
    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0) {
      if (n == 0)
        errno = ECONNRESET;
      break;
    }
    length += (size_t) n;
    if (line[length - 1] == '\n') {
      line[length - 1] = '\0';
      return line;
    }
  }
  free (line);
  return NULL;
}

/* Send TEXT, and return the reply; NULL with errno. */
static json_t *
exchange (int fd, const char *text)
{
  char *line = NULL;
  json_t *reply;

  if (send_all (fd, text, strlen (text)) == 0
      && send_all (fd, "\n", 1) == 0)
    line = receive_line (fd);
  if (!line)
    return NULL;
  reply = json_loads (line, JSON_REJECT_DUPLICATES, NULL);
  free (line);
  if (!reply)
    errno = EPROTO;
  return reply;
}

static json_t *
exchange_at (const char *path, const char *text, int timeout)
{
  json_t *reply;
  int fd = connect_to (path, timeout), err;

  if (fd == -1)
    return NULL;
  reply = exchange (fd, text);
  err = errno;
  close (fd);
  errno = err;
  return reply;
}

/* ---- saying what went wrong ---- */

static int
no_reply (const struct server *s, char *error, size_t size)
{
  switch (errno) {
  case ENOENT:
  case ECONNREFUSED:
    snprintf (error, size, "%s: there is no such server", s->name);
    return EXIT_NO_SERVER;
  case EAGAIN:
    snprintf (error, size, "%s: the server does not answer", s->name);
    return EXIT_NO_SERVER;
  case ECONNRESET:
  case EPIPE:
    snprintf (error, size, "%s: the server has ended", s->name);
    return EXIT_NO_SERVER;
  case EPROTO:
    snprintf (error, size, "%s: this is no server of nbdzram", s->name);
    return EXIT_NO_SERVER;
  default:
    snprintf (error, size, "%s: %s", s->name, strerror (errno));
    return EXIT_NO_SERVER;
  }
}

/* A sentence of a server, which a terminal may see only in part. */
static void
refusal (const struct server *s, const json_t *reply, char *error,
         size_t size)
{
  const char *why = json_string_value (json_object_get (reply, "error"));

  snprintf (error, size, "%s: %s", s->name, why ? why : "refused");
  for (; *error != '\0'; ++error)
    if ((unsigned char) *error < ' ' || *error == 0x7f)
      *error = '?';
}

int
server_try (const struct server *s, json_t *request, int timeout,
            json_t **reply, char *error, size_t size)
{
  char *text = json_dumps (request, JSON_COMPACT);

  json_decref (request);
  *reply = NULL;
  if (!text) {
    snprintf (error, size, "out of memory");
    return EXIT_FAILED;
  }
  *reply = exchange_at (s->path, text, timeout);
  free (text);
  if (!*reply)
    return no_reply (s, error, size);
  if (json_is_true (json_object_get (*reply, "ok")))
    return EXIT_OK;
  refusal (s, *reply, error, size);
  json_decref (*reply);
  *reply = NULL;
  return EXIT_FAILED;
}

int
server_ask (const struct server *s, json_t *request, int timeout,
            json_t **reply)
{
  char error[1024];
  int code = server_try (s, request, timeout, reply, error, sizeof error);

  if (code != EXIT_OK)
    fprintf (stderr, "nbdzram: %s\n", error);
  return code;
}

/* ---- finding servers ---- */

/* Directories that may hold sockets: what the server's choice may have
 * been, in this session, another one of this user, or in none.
 */
#define DIRECTORIES 3

struct directories {
  char path[DIRECTORIES][4096];
};

static void
list_directories (struct directories *d)
{
  control_directory (d->path[0], sizeof d->path[0]);
  snprintf (d->path[1], sizeof d->path[1], "/run/user/%u/nbdzram",
            (unsigned) getuid ());
  strcpy (d->path[2], "/run/nbdzram");
  for (unsigned i = 1; i < DIRECTORIES; ++i)
    for (unsigned j = 0; j < i; ++j)
      if (strcmp (d->path[i], d->path[j]) == 0)
        d->path[i][0] = '\0';
}

static bool
is_alive (const char *path)
{
  int fd = connect_to (path, TIMEOUT);

  if (fd == -1)
    return false;
  close (fd);
  return true;
}

/* The server whose socket is called FILE, if that is one. */
static bool
server_of_file (struct server *s, const char *directory, const char *file)
{
  size_t len = strlen (file), suffix = strlen (CONTROL_SUFFIX);

  if (len <= suffix || len >= sizeof s->name
      || strcmp (file + len - suffix, CONTROL_SUFFIX) != 0)
    return false;
  memcpy (s->name, file, len - suffix);
  s->name[len - suffix] = '\0';
  return control_name_valid (s->name)
    && control_path (s->path, directory, s->name) == 0 && is_alive (s->path);
}

static void
add_servers (struct server **list, size_t *count, const char *directory)
{
  DIR *dir = directory[0] ? opendir (directory) : NULL;
  struct dirent *entry;
  struct server s;

  while (dir && (entry = readdir (dir)) != NULL)
    if (server_of_file (&s, directory, entry->d_name)) {
      struct server *more = realloc (*list, (*count + 1) * sizeof s);

      if (!more)
        break;
      *list = more;
      (*list)[(*count)++] = s;
    }
  if (dir)
    closedir (dir);
}

static int
by_name (const void *a, const void *b)
{
  return strverscmp (((const struct server *) a)->name,
                     ((const struct server *) b)->name);
}

struct server *
servers_find (size_t *count)
{
  struct server *list = NULL;
  struct directories d;

  *count = 0;
  list_directories (&d);
  for (unsigned i = 0; i < DIRECTORIES; ++i)
    add_servers (&list, count, d.path[i]);
  if (list)
    qsort (list, *count, sizeof *list, by_name);
  return list;
}

/* WHAT is not there; nor is it known what another user may have, in a
 * directory that is closed to us.
 */
static int
report_none (const char *what)
{
  const char *closed = NULL;
  struct directories d;

  list_directories (&d);
  for (unsigned i = 0; i < DIRECTORIES && !closed; ++i)
    if (d.path[i][0] && access (d.path[i], R_OK | X_OK) == -1
        && errno == EACCES)
      closed = d.path[i];
  fprintf (stderr, closed ? "nbdzram: %s; in %s only its owner can look\n"
                          : "nbdzram: %s\n", what, closed);
  return EXIT_NO_SERVER;
}

static int
find_path (struct server *s, const char *control)
{
  if (strlen (control) >= sizeof s->path) {
    fprintf (stderr, "nbdzram: %s: the path is too long for a socket\n",
             control);
    return EXIT_USAGE;
  }
  strcpy (s->path, control);
  strcpy (s->name, control);
  return EXIT_OK;
}

static int
find_name (struct server *s, const char *name)
{
  struct directories d;
  char what[CONTROL_PATH_SIZE + 64];

  if (!control_name_valid (name)) {
    fprintf (stderr, "nbdzram: '%s' can't be the name of a server\n", name);
    return EXIT_USAGE;
  }
  strcpy (s->name, name);
  list_directories (&d);
  for (unsigned i = 0; i < DIRECTORIES; ++i)
    if (d.path[i][0] && control_path (s->path, d.path[i], name) == 0
        && is_alive (s->path))
      return EXIT_OK;
  snprintf (what, sizeof what, "%s: there is no such server", name);
  return report_none (what);
}

static int
find_only (struct server *s)
{
  size_t count;
  struct server *list = servers_find (&count);
  int code = EXIT_OK;

  if (count == 1)
    *s = list[0];
  else if (count == 0)
    code = report_none ("no server is running");
  else {
    fprintf (stderr, "nbdzram: which server?");
    for (size_t i = 0; i < count; ++i)
      fprintf (stderr, " %s", list[i].name);
    fprintf (stderr, "\n");
    code = EXIT_USAGE;
  }
  free (list);
  return code;
}

int
server_find (struct server *s, const char *name, const char *control)
{
  if (control && name) {
    fprintf (stderr, "nbdzram: NAME and --control both say which server\n");
    return EXIT_USAGE;
  }
  if (control)
    return find_path (s, control);
  return name ? find_name (s, name) : find_only (s);
}

/* ---- asking many ---- */

/* NAME, CONTROL, or all servers, in a list to be freed. */
static int
find_all (const char *name, const char *control, struct server **list,
          size_t *count)
{
  if (!name && !control) {
    *list = servers_find (count);
    if (*count > 0)
      return EXIT_OK;
    return report_none ("no server is running");
  }
  *count = 1;
  *list = malloc (sizeof **list);
  return *list ? server_find (*list, name, control) : EXIT_FAILED;
}

int
servers_ask (const char *name, const char *control, const char *verb,
             json_t *replies)
{
  struct server *list = NULL;
  size_t count = 0;
  int code = find_all (name, control, &list, &count);

  if (code != EXIT_OK)
    count = 0;
  for (size_t i = 0; i < count; ++i) {
    json_t *reply;
    int r = server_ask (&list[i], json_pack ("{s:s}", "verb", verb), TIMEOUT,
                        &reply);

    if (r == EXIT_OK)
      json_array_append_new (replies, reply);
    else
      code = r;
  }
  free (list);
  return code;
}
