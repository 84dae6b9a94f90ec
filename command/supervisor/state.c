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

#include "command/base/cleanup.h"

#include "state.h"
#include "supervisor.h"

/* ---- printing ---- */

struct buffer {
  char *text;
  size_t length, size;
};

static void __attribute__ ((format (printf, 2, 3)))
print_text (struct buffer *b, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  if (b->length < b->size)
    b->length += (size_t) vsnprintf (b->text + b->length, b->size - b->length,
                                     format, ap);
  va_end (ap);
}

/* Print BEFORE, then S as a string of JSON. */
static void
print_string (struct buffer *b, const char *before, const char *s)
{
  print_text (b, "%s\"", before);
  for (; *s; ++s)
    if (*s == '"' || *s == '\\')
      print_text (b, "\\%c", *s);
    else if ((unsigned char) *s < ' ')
      print_text (b, "\\u%04x", (unsigned char) *s);
    else
      print_text (b, "%c", *s);
  print_text (b, "\"");
}

static void
print_strings (struct buffer *b, char *const *list)
{
  print_text (b, "[");
  for (char *const *s = list; s && *s; ++s)
    print_string (b, s == list ? "" : ",", *s);
  print_text (b, "]");
}

static const char *const state_names[] = {
  [GENERATION_STARTING] = "starting", [GENERATION_WAITING] = "waiting",
  [GENERATION_READY] = "ready", [GENERATION_GONE] = "gone",
};

static void
print_process (struct buffer *b, const struct process *p)
{
  print_text (b, "\"pid\":%d,\"start\":%" PRIu64, (int) p->pid, p->start);
}

static void
print_generation (struct buffer *b, const struct supervisor *s,
                  const struct generation *g, bool own)
{
  struct child_fds fds = child_fds_layout (s->listeners.count);

  print_text (b, "{");
  print_process (b, &g->process);
  print_text (b, ",\"state\":\"%s\",\"sockets\":%" PRIu64 ",\"paused\":%s",
              state_names[g->state], g->renewals,
              g->paused ? "true" : "false");
  print_string (b, ",\"version\":", g->version);
  print_text (b, ",\"holder\":{");
  print_process (b, &g->lock_keeper);
  print_text (b, "},\"fds\":{\"ready\":%d,\"hold\":%d,\"log\":%d}}",
              own ? g->ready : fds.ready, own ? g->hold : fds.hold,
              own ? g->log.fd : fds.log);
}

static void
print_generations (struct buffer *b, const struct supervisor *s, bool own)
{
  const char *comma = "";

  print_text (b, "\"generations\":[");
  for_each (g, s->servers.list)
    if (g->state != GENERATION_FREE) {
      print_text (b, "%s", comma);
      print_generation (b, s, g, own);
      comma = ",";
    }
  print_text (b, "]");
}

static void
print_watchers (struct buffer *b, const struct supervisor *s, bool own)
{
  const char *comma = "";

  print_text (b, "\"watchers\":[");
  for_each (w, s->watchers) {
    if (!w->used)
      continue;
    print_text (b, "%s{", comma);
    print_string (b, "\"name\":", w->name);
    print_text (b, ",");
    print_process (b, &w->process);
    print_text (b, ",\"argv\":");
    print_strings (b, w->program.argv);
    print_text (b, ",\"fds\":{\"log\":%d}}", own ? w->log.fd : WATCHER_LOG_FD);
    comma = ",";
  }
  print_text (b, "]");
}

static void
print_listeners (struct buffer *b, const struct supervisor *s, bool own)
{
  int number = child_fds_layout (s->listeners.count).listen;

  print_text (b, "\"listen\":[");
  for (unsigned i = 0; i < s->listeners.count; ++i, ++number) {
    const struct listener *l = &s->listeners.list[i];

    print_string (b, i ? ",{\"uri\":" : "{\"uri\":", l->uri);
    print_string (b, ",\"path\":", l->path);
    print_text (b, ",\"fd\":%d}", own ? l->fd : number);
  }
  print_text (b, "]");
}

int
state_print (const struct supervisor *s, bool own, char *text, size_t size)
{
  struct buffer b = { .text = text, .size = size };
  const struct program *p = &s->setup.program;

  print_string (&b, "{\"version\":1,\"name\":", s->setup.options.name);
  print_text (&b,
              ",\"serial\":%" PRIu64 ",\"pid\":%d,\"restarts\":%" PRIu64
              ",\"sockets\":%" PRIu64 ",",
              s->state.serial, (int) getpid (), s->servers.restarts,
              s->listeners.renewals);
  print_string (&b, "\"last_exit\":", s->servers.last_exit);
  print_string (&b, ",\"program\":", p->path ? p->path : "");
  print_text (&b, ",\"argv\":");
  print_strings (&b, p->argv);
  print_text (&b, ",\"pool\":%d,", s->pool == -1 ? -1
       : own ? s->pool : child_fds_layout (s->listeners.count).pool);
  print_listeners (&b, s, own);
  print_text (&b, ",");
  print_generations (&b, s, own);
  print_text (&b, ",");
  print_watchers (&b, s, own);
  print_text (&b, "}\n");
  return b.length < size ? (int) b.length : -1;
}

/* ---- reading ---- */

int64_t
json_integer_at (const json_t *o, const char *key, int64_t otherwise)
{
  const json_t *n = json_object_get (o, key);

  return json_is_integer (n) ? json_integer_value (n) : otherwise;
}

/* The content of FD, which the caller owns, or NULL. */
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

/* Of the JSON objects in the lines of TEXT, the one with the greatest serial
 * number, and in *LINE its line.  NULL: no line is one, and WHY says why.
 */
static json_t *
parse_newest (char *text, unsigned *line, json_error_t *why)
{
  json_t *best = NULL, *o;
  char *rest = text, *start;

  snprintf (why->text, sizeof why->text, "it has no JSON object");
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
  char path[SUPERVISOR_PATH_SIZE];
  CLEANUP_FREE char *text = NULL;
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
  state = parse_newest (text, line, &why);
  if (!state)
    snprintf (error, size, "%.400s, which tells which servers run, is "
              "damaged (%s)", path, why.text);
  return state;
}
