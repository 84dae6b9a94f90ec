/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.run: what a supervisor that comes after us needs to know.  It is
 * printed into a buffer that is there, since it is written when a server
 * has died, too.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
  struct child_fds fds = server_fds (s);

  put (t, "{");
  put_process (t, &g->process);
  put (t, ",\"state\":\"%s\",\"paused\":%s,\"version\":",
       state_names[g->state], g->paused ? "true" : "false");
  put_string (t, g->version);
  put (t, ",\"holder\":{");
  put_process (t, &g->holder);
  put (t, "},\"fds\":{\"ready\":%d,\"hold\":%d,\"log\":%d}}",
       own ? g->ready : fds.ready, own ? g->hold : fds.hold,
       own ? g->log.fd : fds.log);
}

static void
put_generations (struct text *t, const struct supervisor *s, bool own)
{
  const char *comma = "";

  put (t, "\"generations\":[");
  for (unsigned i = 0; i < GENERATIONS; ++i)
    if (s->generations[i].state != GENERATION_FREE) {
      put (t, "%s", comma);
      put_generation (t, s, &s->generations[i], own);
      comma = ",";
    }
  put (t, "]");
}

static void
put_watchers (struct text *t, const struct supervisor *s, bool own)
{
  const char *comma = "";

  put (t, "\"watchers\":[");
  for (unsigned i = 0; i < WATCHERS; ++i) {
    const struct watcher *w = &s->watchers[i];

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
  int number = server_fds (s).listen;

  put (t, "\"listen\":[");
  for (unsigned i = 0; i < s->listener_count; ++i, ++number) {
    const struct listener *l = &s->listeners[i];

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
  put (&t, ",\"pid\":%d,\"restarts\":%" PRIu64 ",", (int) getpid (),
       s->restarts);
  put (&t, "\"last_exit\":");
  put_string (&t, s->last_exit);
  put (&t, ",\"program\":");
  put_string (&t, p->path ? p->path : "");
  put (&t, ",\"argv\":");
  put_strings (&t, p->argv);
  put (&t, ",\"pool\":%d,", s->pool == -1 ? -1
       : own ? s->pool : server_fds (s).pool);
  put_listeners (&t, s, own);
  put (&t, ",");
  put_generations (&t, s, own);
  put (&t, ",");
  put_watchers (&t, s, own);
  put (&t, "}\n");
  return t.length < size ? (int) t.length : -1;
}

/* ---- the file ---- */

static int
write_file (const char *path, const char *text, size_t length)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), err;
  ssize_t n;

  if (fd == -1)
    return -1;
  n = write (fd, text, length);
  err = n == -1 ? errno : ENOSPC;
  close (fd);
  errno = err;
  return n == (ssize_t) length ? 0 : -1;
}

void
state_save (struct supervisor *s)
{
  static char text[STATE_SIZE];
  static bool said;
  char path[sizeof s->directory + 128], new[sizeof path];
  int length = state_print (s, false, text, sizeof text);

  supervisor_path (s, path, sizeof path, ".run");
  supervisor_path (s, new, sizeof new, ".run.new");
  errno = ENOSPC;
  if (length != -1 && write_file (new, text, (size_t) length) == 0
      && rename (new, path) == 0) {
    s->saved = true;
    said = false;
    return;
  }
  if (!said)
    log_line ("%s: %s: a supervisor that came after this one would know "
              "less", path, strerror (errno));
  said = true;
  unlink (new);
}
