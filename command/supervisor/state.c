/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "state.h"
#include "supervisor.h"

/* ---- JSON ---- */

struct text {
  char *at;
  size_t length, size;
};

static void __attribute__ ((format (printf, 2, 3)))
put (struct text *t, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  if (t->length < t->size)
    t->length += (size_t) vsnprintf (t->at + t->length, t->size - t->length,
                                     format, ap);
  va_end (ap);
}

static void
put_string (struct text *t, const char *s)
{
  put (t, "\"");
  for (; *s; ++s)
    if (*s == '"' || *s == '\\')
      put (t, "\\%c", *s);
    else if ((unsigned char) *s < ' ')
      put (t, "\\u%04x", (unsigned char) *s);
    else
      put (t, "%c", *s);
  put (t, "\"");
}

static void
put_strings (struct text *t, char *const *list)
{
  put (t, "[");
  for (char *const *s = list; s && *s; ++s) {
    put (t, "%s", s == list ? "" : ",");
    put_string (t, *s);
  }
  put (t, "]");
}

/* ---- the state ---- */

static const char *const state_names[] = {
  [GENERATION_STARTING] = "starting", [GENERATION_WAITING] = "waiting",
  [GENERATION_READY] = "ready", [GENERATION_GONE] = "gone",
};

static void
put_process (struct text *t, const struct process *p)
{
  put (t, "\"pid\":%d,\"start\":%" PRIu64, (int) p->pid, p->start);
}

static void
put_generation (struct text *t, const struct supervisor *s,
                const struct generation *g, bool own)
{
  struct child_fds fds = child_fds_layout (s->listeners.count);

  put (t, "{");
  put_process (t, &g->process);
  put (t, ",\"state\":\"%s\",\"sockets\":%" PRIu64 ",\"paused\":%s,"
       "\"version\":", state_names[g->state], g->renewals,
       g->paused ? "true" : "false");
  put_string (t, g->version);
  put (t, ",\"holder\":{");
  put_process (t, &g->lock_keeper);
  put (t, "},\"fds\":{\"ready\":%d,\"hold\":%d,\"log\":%d}}",
       own ? g->ready : fds.ready, own ? g->hold : fds.hold,
       own ? g->log.fd : fds.log);
}

static void
put_generations (struct text *t, const struct supervisor *s, bool own)
{
  const char *comma = "";

  put (t, "\"generations\":[");
  for (unsigned i = 0; i < GENERATIONS_MAX; ++i)
    if (s->servers.list[i].state != GENERATION_FREE) {
      put (t, "%s", comma);
      put_generation (t, s, &s->servers.list[i], own);
      comma = ",";
    }
  put (t, "]");
}

static void
put_watchers (struct text *t, const struct supervisor *s, bool own)
{
  const char *comma = "";

  put (t, "\"watchers\":[");
  for (unsigned i = 0; i < WATCHERS_MAX; ++i) {
    const struct watcher_process *w = &s->watchers[i];

    if (!w->used)
      continue;
    put (t, "%s{\"name\":", comma);
    put_string (t, w->name);
    put (t, ",");
    put_process (t, &w->process);
    put (t, ",\"argv\":");
    put_strings (t, w->program.argv);
    put (t, ",\"fds\":{\"log\":%d}}", own ? w->log.fd : WATCHER_LOG_FD);
    comma = ",";
  }
  put (t, "]");
}

static void
put_listeners (struct text *t, const struct supervisor *s, bool own)
{
  int number = child_fds_layout (s->listeners.count).listen;

  put (t, "\"listen\":[");
  for (unsigned i = 0; i < s->listeners.count; ++i, ++number) {
    const struct listener *l = &s->listeners.list[i];

    put (t, "%s{\"uri\":", i ? "," : "");
    put_string (t, l->uri);
    put (t, ",\"path\":");
    put_string (t, l->path);
    put (t, ",\"fd\":%d}", own ? l->fd : number);
  }
  put (t, "]");
}

int
state_print (const struct supervisor *s, bool own, char *text, size_t size)
{
  struct text t = { .at = text, .size = size };
  const struct program *p = &s->setup.program;

  put (&t, "{\"version\":1,\"name\":");
  put_string (&t, s->setup.options.name);
  put (&t,
       ",\"serial\":%" PRIu64 ",\"pid\":%d,\"restarts\":%" PRIu64
       ",\"sockets\":%" PRIu64 ",",
       s->state.serial, (int) getpid (), s->servers.restarts,
       s->listeners.renewals);
  put (&t, "\"last_exit\":");
  put_string (&t, s->servers.last_exit);
  put (&t, ",\"program\":");
  put_string (&t, p->path ? p->path : "");
  put (&t, ",\"argv\":");
  put_strings (&t, p->argv);
  put (&t, ",\"pool\":%d,", s->pool == -1 ? -1
       : own ? s->pool : child_fds_layout (s->listeners.count).pool);
  put_listeners (&t, s, own);
  put (&t, ",");
  put_generations (&t, s, own);
  put (&t, ",");
  put_watchers (&t, s, own);
  put (&t, "}\n");
  return t.length < size ? (int) t.length : -1;
}

/* ---- reading ---- */

int64_t
json_integer_at (const json_t *o, const char *key, int64_t otherwise)
{
  const json_t *n = json_object_get (o, key);

  return json_is_integer (n) ? json_integer_value (n) : otherwise;
}

/* All of FD, as a string to be freed, or NULL. */
static char *
read_all (int fd)
{
  size_t room = 4 * STATE_SIZE, length = 0;
  char *text = malloc (room);
  ssize_t n = 1;

  lseek (fd, 0, SEEK_SET);
  while (text && n > 0 && length < room - 1) {
    n = read (fd, text + length, room - 1 - length);
    length += n > 0 ? (size_t) n : 0;
  }
  if (text)
    text[length] = '\0';
  return text;
}

/* The object of the lines of TEXT that has the greatest serial number, and
 * in which line that is; NULL with WHY.
 */
static json_t *
newest (char *text, unsigned *line, json_error_t *why)
{
  json_t *best = NULL, *o;
  char *rest = text, *start;

  snprintf (why->text, sizeof why->text, "there is no JSON object in it");
  for (unsigned i = 0; (start = strsep (&rest, "\n")) != NULL; ++i) {
    if (*start != '{' || !(o = json_loads (start, 0, why)))
      continue;
    if (best && json_integer_at (o, "serial", 0)
                < json_integer_at (best, "serial", 0)) {
      json_decref (o);
      continue;
    }
    json_decref (best);
    best = o;
    *line = i;
  }
  return best;
}

json_t *
state_read (const struct supervisor *s, int resume, unsigned *line,
            char *error, size_t size)
{
  char path[sizeof s->directory + 128], *text;
  json_error_t why;
  json_t *state;
  int fd = resume;

  error[0] = '\0';
  supervisor_path (s, path, sizeof path, ".run");
  if (fd == -1) {
    fd = open (path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1) {
      if (errno != ENOENT)
        snprintf (error, size, "%.400s: %s", path, strerror (errno));
      return NULL;
    }
  }
  text = read_all (fd);
  close (fd);
  if (!text) {
    snprintf (error, size, "%s", strerror (ENOMEM));
    return NULL;
  }
  state = newest (text, line, &why);
  free (text);
  if (!state)
    snprintf (error, size, "%.400s, which says which servers run, is "
              "damaged (%s)", path, why.text);
  return state;
}
