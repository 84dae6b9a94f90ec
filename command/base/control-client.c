/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "cleanup.h"
#include "control-client.h"
#include "run-file.h"

#define REPLY_MAX (64 * MIB)    /* more than any server sends */

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
  fd_close (&fd);
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

/* Returns a line of the server, to be freed, or NULL with errno. */
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

/* Sends TEXT, and returns the reply, or NULL with errno. */
static json_t *
exchange (int fd, const char *text)
{
  CLEANUP_FREE char *line = NULL;
  json_t *reply;

  if (send_all (fd, text, strlen (text)) == 0
      && send_all (fd, "\n", 1) == 0)
    line = receive_line (fd);
  if (!line)
    return NULL;
  reply = json_loads (line, JSON_REJECT_DUPLICATES, NULL);
  if (!reply)
    errno = EPROTO;
  return reply;
}

static json_t *
exchange_at (const char *path, const char *text, int timeout)
{
  CLEANUP_CLOSE int fd = connect_to (path, timeout);

  return fd == -1 ? NULL : exchange (fd, text);
}

/* ---- errors ---- */

static int
explain_no_reply (const struct server *s, char *error, size_t size)
{
  const char *why;

  switch (errno) {
  case ENOENT:
  case ECONNREFUSED: why = "there is no such server"; break;
  case EAGAIN: why = "the server does not answer"; break;
  case ECONNRESET:
  case EPIPE: why = "the server has ended"; break;
  case EPROTO: why = "this is no server of nbdzram"; break;
  default: why = strerror (errno);
  }
  snprintf (error, size, "%s: %s", s->name, why);
  return EXIT_NO_SERVER;
}

/* Copies the error of a server, without characters that a terminal obeys. */
static void
copy_refusal (const struct server *s, const json_t *reply, char *error,
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
  CLEANUP_FREE char *text = json_dumps (request, JSON_COMPACT);

  json_decref (request);
  *reply = NULL;
  if (!text) {
    snprintf (error, size, "out of memory");
    return EXIT_FAILED;
  }
  *reply = exchange_at (s->path, text, timeout);
  if (!*reply)
    return explain_no_reply (s, error, size);
  if (json_is_true (json_object_get (*reply, "ok")))
    return EXIT_OK;
  copy_refusal (s, *reply, error, size);
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

/* Directories that may hold sockets.  Servers choose one by the environment:
 * in this session, in another session of this user, or outside of sessions.
 */
#define DIRECTORIES 3

struct directories {
  char path[DIRECTORIES][4096];
};

/* The same directory may have two paths. */
static bool
is_same_directory (const char *a, const char *b)
{
  struct stat st, other;

  return strcmp (a, b) == 0
    || (stat (a, &st) == 0 && stat (b, &other) == 0
        && st.st_dev == other.st_dev && st.st_ino == other.st_ino);
}

static void
list_directories (struct directories *d)
{
  control_directory (d->path[0], sizeof d->path[0]);
  snprintf (d->path[1], sizeof d->path[1], "/run/user/%u/nbdzram",
            (unsigned) getuid ());
  strcpy (d->path[2], "/run/nbdzram");
  for (unsigned i = 1; i < DIRECTORIES; ++i)
    for (unsigned j = 0; j < i; ++j)
      if (is_same_directory (d->path[i], d->path[j]))
        d->path[i][0] = '\0';
}

enum server_state
server_probe (const char *path, int timeout)
{
  int fd = connect_to (path, timeout);

  if (fd != -1) {
    close (fd);
    return SERVER_ALIVE;
  }
  return errno == ECONNREFUSED || errno == EAGAIN ? SERVER_DEAD
                                                  : SERVER_NONE;
}

/* A search for servers, and its result. */
struct server_search {
  struct server *servers;
  size_t count;
  const char *name;             /* a valid name to search for; NULL: all */
  const char *suffix;           /* of the sockets; NULL: CONTROL_SUFFIX */
  bool any;                     /* all sockets; whether servers live is not
                                 * found out */
};

static const char *
get_suffix (const struct server_search *l)
{
  return l->suffix ? l->suffix : CONTROL_SUFFIX;
}

static void
add_server (struct server_search *l, const char *directory, unsigned number,
            const char *name)
{
  struct server s = { .elsewhere = number > 0 }, *more;

  strcpy (s.name, name);
  if ((size_t) snprintf (s.path, sizeof s.path, "%s/%s%s", directory, name,
                         get_suffix (l)) >= sizeof s.path)
    return;
  s.state = !l->any ? server_probe (s.path, TIMEOUT)
    : access (s.path, F_OK) == 0 ? SERVER_ALIVE : SERVER_NONE;
  if (s.state != SERVER_ALIVE)
    return;
  more = realloc (l->servers, (l->count + 1) * sizeof s);
  if (!more)
    return;
  l->servers = more;
  more[l->count++] = s;
}

static void
add_servers (struct server_search *l, const char *directory, unsigned number)
{
  CLEANUP_CLOSEDIR DIR *dir = l->name ? NULL : opendir (directory);
  char name[CONTROL_PATH_SIZE];
  struct dirent *entry;

  if (l->name)
    add_server (l, directory, number, l->name);
  while (dir && (entry = readdir (dir)) != NULL)
    if (name_of_file (name, sizeof name, entry->d_name, get_suffix (l))
        && control_name_valid (name))
      add_server (l, directory, number, name);
}

static int
compare_names (const void *a, const void *b)
{
  const struct server *s = a, *t = b;
  int r = strverscmp (s->name, t->name);

  return r != 0 ? r : strcmp (s->path, t->path);
}

static void
find_servers (struct server_search *l)
{
  struct directories d;

  list_directories (&d);
  for (unsigned i = 0; i < DIRECTORIES; ++i)
    if (d.path[i][0] != '\0')
      add_servers (l, d.path[i], i);
  if (l->servers)
    qsort (l->servers, l->count, sizeof *l->servers, compare_names);
}

int
server_at (struct server *s, const char *name, const char *suffix)
{
  char directory[4096];

  *s = (struct server) { .state = SERVER_ALIVE };
  control_directory (directory, sizeof directory);
  if (snprintf (s->path, sizeof s->path, "%s/%s%s", directory, name, suffix)
      >= (int) sizeof s->path)
    return -1;
  strcpy (s->name, name);
  return 0;
}

struct server *
servers_find (size_t *count)
{
  struct server_search l = { .count = 0 };

  find_servers (&l);
  *count = l.count;
  return l.servers;
}

struct server *
sockets_find (const char *name, const char *suffix, size_t *count)
{
  struct server_search l = { .name = name, .suffix = suffix, .any = true };

  find_servers (&l);
  *count = l.count;
  return l.servers;
}

/* Names the directory that could not be read: another user may have servers
 * there.
 */
int
report_no_server (const char *name)
{
  const char *closed = NULL;
  struct directories d;

  list_directories (&d);
  for (unsigned i = 0; i < DIRECTORIES && !closed; ++i)
    if (d.path[i][0] && access (d.path[i], R_OK | X_OK) == -1
        && errno == EACCES)
      closed = d.path[i];
  fprintf (stderr, "nbdzram: %s%s",
           name ? name : "no server is running",
           name ? ": there is no such server" : "");
  if (closed)
    fprintf (stderr, "; in %s only its owner can look", closed);
  fputc ('\n', stderr);
  return EXIT_NO_SERVER;
}

static int
use_control_path (struct server *s, const char *control)
{
  if (strlen (control) >= sizeof s->path) {
    fprintf (stderr, "nbdzram: %s: the path is too long for a socket\n",
             control);
    return EXIT_USAGE;
  }
  *s = (struct server) { .state = SERVER_ALIVE };
  strcpy (s->path, control);
  strcpy (s->name, control);
  return EXIT_OK;
}

/* Lists the servers that the user can choose from; those of the same name by
 * their paths.
 */
static void
report_choice (const struct server_search *l)
{
  const struct server *s = l->servers;

  fprintf (stderr, "nbdzram: which server?");
  for (size_t i = 0; i < l->count; ++i)
    if ((i > 0 && strcmp (s[i - 1].name, s[i].name) == 0)
        || (i + 1 < l->count && strcmp (s[i + 1].name, s[i].name) == 0))
      fprintf (stderr, " --control=%s", s[i].path);
    else
      fprintf (stderr, " %s", s[i].name);
  fprintf (stderr, "\n");
}

/* Puts the only server of L in *S, and frees L. */
static int
find_only_server (struct server *s, struct server_search *l)
{
  int code = EXIT_OK;

  find_servers (l);
  if (l->count == 1)
    *s = l->servers[0];
  else if (l->count > 1) {
    report_choice (l);
    code = EXIT_USAGE;
  }
  else
    code = report_no_server (l->name);
  free (l->servers);
  l->servers = NULL;
  return code;
}

int
server_check_name (const char *name)
{
  if (control_name_valid (name))
    return EXIT_OK;
  fprintf (stderr, "nbdzram: '%s' can't be the name of a server\n", name);
  return EXIT_USAGE;
}

int
server_find (struct server *s, const char *name, const char *control)
{
  struct server_search l = { .name = name };

  if (control && name) {
    fprintf (stderr, "nbdzram: NAME and --control both say which server: "
             "give only one\n");
    return EXIT_USAGE;
  }
  if (control)
    return use_control_path (s, control);
  if (name && server_check_name (name) != EXIT_OK)
    return EXIT_USAGE;
  return find_only_server (s, &l);
}

/* ---- asking many ---- */

/* Runs the search L, or adds the one server at CONTROL. */
static int
find_servers_or_control (struct server_search *l, const char *control)
{
  if (control) {
    l->servers = malloc (sizeof *l->servers);
    if (!l->servers)
      return EXIT_FAILED;
    l->count = 1;
    return server_find (l->servers, l->name, control);
  }
  if (l->name && server_check_name (l->name) != EXIT_OK)
    return EXIT_USAGE;
  find_servers (l);
  return l->count > 0 ? EXIT_OK : report_no_server (l->name);
}

void
server_add_location (json_t *object, const struct server *s)
{
  char directory[CONTROL_PATH_SIZE];

  json_object_set_new (object, "control", json_string (s->path));
  if (!s->elsewhere)
    return;
  strcpy (directory, s->path);
  *strrchr (directory, '/') = '\0';
  json_object_set_new (object, "directory", json_string (directory));
}

/* Appends the reply of S to REPLIES. */
static int
ask_server (const struct server *s, const char *verb, json_t *replies)
{
  json_t *reply;
  int code = server_ask (s, json_pack ("{s:s}", "verb", verb), TIMEOUT,
                         &reply);

  if (code == EXIT_OK) {
    server_add_location (reply, s);
    json_array_append_new (replies, reply);
  }
  return code;
}

int
servers_ask (const char *name, const char *control, const char *verb,
             json_t *replies)
{
  struct server_search l = { .name = name };
  int code = find_servers_or_control (&l, control);

  for (size_t i = 0; i < l.count && code != EXIT_USAGE; ++i) {
    int r = ask_server (&l.servers[i], verb, replies);

    if (r != EXIT_OK)
      code = r;
  }
  free (l.servers);
  return code;
}
