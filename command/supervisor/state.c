/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.run: what a supervisor that comes after us needs to know.  It is
 * printed into a buffer that is there, and written into room that is there,
 * since it is written when a server has died, too, and when the directory is
 * full or read-only.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/base/util.h"

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
  put (t, ",\"state\":\"%s\",\"sockets\":%" PRIu64 ",\"paused\":%s,"
       "\"version\":", state_names[g->state], g->sockets,
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
  put (&t, ",\"serial\":%" PRIu64 ",\"pid\":%d,\"restarts\":%" PRIu64
       ",\"sockets\":%" PRIu64 ",", s->serial, (int) getpid (), s->restarts,
       s->sockets);
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

/* NAME.run has two halves of the same length, each a line: one is the state,
 * the other is blank.  A new state is written into the blank one, all but
 * its first character; then that character, which makes it valid; then the
 * other half is made blank.  Killed anywhere, there is a whole state, and of
 * two the one with the greater serial number counts.
 *
 * Both halves have their room in the file system from the beginning, and the
 * file stays open: writing a state needs no room, no inode and no directory.
 * It is mapped, so that it is locked in memory with all else.
 */
#define HALF_MIN 8192

#define HALF_MAX (STATE_SIZE + 4096)

static char blank[HALF_MAX];

static bool
write_at (int fd, const char *text, size_t length, size_t offset)
{
  while (length > 0) {
    ssize_t n = pwrite (fd, text, length, (off_t) offset);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0) {
      errno = n == 0 ? ENOSPC : errno;
      return false;
    }
    text += n;
    offset += (size_t) n;
    length -= (size_t) n;
  }
  return true;
}

/* LENGTH bytes of TEXT but for its first one, and blanks, as half HALF. */
static bool
write_replica (const struct state_file *f, unsigned half, const char *text,
               size_t length)
{
  size_t start = half * f->half;

  return write_at (f->fd, " ", 1, start)
    && write_at (f->fd, text + 1, length - 1, start + 1)
    && write_at (f->fd, blank, f->half - 1 - length, start + length)
    && write_at (f->fd, "\n", 1, start + f->half - 1);
}

static int
update (struct state_file *f, const char *text, size_t length)
{
  unsigned other = 1 - f->current;

  if (!write_replica (f, other, text, length)
      || !write_at (f->fd, text, 1, other * f->half))
    return -1;
  write_replica (f, f->current, blank, 1);
  f->current = other;
  return 0;
}

static void
map (struct state_file *f)
{
  void *p = mmap (NULL, 2 * f->half, PROT_READ, MAP_SHARED | MAP_POPULATE,
                  f->fd, 0);

  f->map = p == MAP_FAILED ? NULL : p;
}

void
state_close (struct state_file *f)
{
  if (f->map)
    munmap (f->map, 2 * f->half);
  fd_close (&f->fd);
  *f = NO_STATE_FILE;
}

static int
fill (struct state_file *f, const char *text, size_t length)
{
  f->fd = f->fd == -1 ? -1 : fd_keep (f->fd);
  return f->fd != -1
    && write_replica (f, 0, text, length) && write_replica (f, 1, blank, 1)
    && write_at (f->fd, text, 1, 0) ? 0 : -1;
}

/* A new file of this name, with room for TEXT twice, and more. */
static int
create (struct supervisor *s, const char *text, size_t length)
{
  char path[sizeof s->directory + 128], new[sizeof path];
  struct state_file f = NO_STATE_FILE;
  int err;

  supervisor_path (s, path, sizeof path, ".run");
  supervisor_path (s, new, sizeof new, ".run.new");
  f.half = MIN (2 * length, STATE_SIZE) / 4096 * 4096 + 4096;
  f.half = MAX (f.half, (size_t) HALF_MIN);
  unlink (new);
  f.fd = open (new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fill (&f, text, length) == 0 && flock (f.fd, LOCK_EX | LOCK_NB) == 0
      && rename (new, path) == 0) {
    map (&f);
    state_close (&s->file);
    s->file = f;
    return 0;
  }
  err = errno;
  if (f.fd != -1)
    unlink (new);
  state_close (&f);
  errno = err;
  return -1;
}

bool
state_is_there (const struct supervisor *s)
{
  char path[sizeof s->directory + 128];
  struct stat ours, theirs;

  supervisor_path (s, path, sizeof path, ".run");
  return s->file.fd != -1 && fstat (s->file.fd, &ours) == 0
    && lstat (path, &theirs) == 0
    && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

int
state_lock (const struct supervisor *s)
{
  char path[sizeof s->directory + 128];
  int fd;

  supervisor_path (s, path, sizeof path, ".run");
  fd = open (path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd == -1 || (fd = fd_keep (fd)) == -1)
    return -1;
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  close (fd);
  errno = EADDRINUSE;
  return -1;
}

/* Does it have both halves, and their room? */
static bool
has_halves (struct state_file *f)
{
  char end = 0;
  struct stat st;

  if (fstat (f->fd, &st) == -1 || !S_ISREG (st.st_mode)
      || st.st_size < 2 * HALF_MIN || st.st_size > 2 * HALF_MAX
      || st.st_size % 2 != 0 || st.st_blocks * 512 < st.st_size)
    return false;
  f->half = (size_t) st.st_size / 2;
  return pread (f->fd, &end, 1, st.st_size / 2 - 1) == 1 && end == '\n'
    && pread (f->fd, &end, 1, st.st_size - 1) == 1 && end == '\n';
}

void
state_open (struct supervisor *s, unsigned current)
{
  char path[sizeof s->directory + 128];
  struct state_file f = NO_STATE_FILE;

  supervisor_path (s, path, sizeof path, ".run");
  f.fd = open (path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (f.fd == -1 || (f.fd = fd_keep (f.fd)) == -1)
    return;
  if (current > 1 || !has_halves (&f)
      || (s->lock == -1 && flock (f.fd, LOCK_EX | LOCK_NB) == -1)) {
    fd_close (&f.fd);
    return;
  }
  f.current = current;
  map (&f);
  s->file = f;
}

/* Say once what keeps it from being written. */
static void
say_not_saved (struct supervisor *s, int err)
{
  char path[sizeof s->directory + 128];

  supervisor_path (s, path, sizeof path, ".run");
  if (!s->said_not_saved)
    log_line ("%s: %s: not up to date, trying again; servers go on, and a "
              "supervisor that is started now looks for them among the "
              "processes", path, strerror (err));
  s->said_not_saved = true;
}

void
state_save (struct supervisor *s)
{
  static char text[STATE_SIZE];
  int length, r = -1;

  memset (blank, ' ', sizeof blank);
  ++s->serial;
  length = state_print (s, false, text, sizeof text);
  errno = E2BIG;
  if (length > 0) {
    size_t n = (size_t) length - 1; /* without its newline */

    if (s->file.fd == -1 || n >= s->file.half - 1 || !state_is_there (s))
      r = create (s, text, n);
    if (r == -1 && s->file.fd != -1 && n < s->file.half - 1)
      r = update (&s->file, text, n);
  }
  s->saved |= r == 0;
  if (r == -1)
    say_not_saved (s, errno);
  else
    s->said_not_saved = false;
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
