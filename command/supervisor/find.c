/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "service/lock-keeper.h"

#include "find.h"
#include "state.h"
#include "supervisor.h"

#define DEATH_TRIES 20          /* of a twentieth of a second */

/* ---- what the kernel shows of a process ---- */

static FILE *
open_proc (pid_t pid, const char *file)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, file);
  return fopen (path, "re");
}

/* The value of NAME ("NAME=") in its environment, to be freed, or NULL. */
static char *
environ_value (pid_t pid, const char *name)
{
  FILE *f = open_proc (pid, "environ");
  char *line = NULL, *value = NULL;
  size_t room = 0;

  while (f && !value && getdelim (&line, &room, '\0', f) > 0)
    if (strncmp (line, name, strlen (name)) == 0)
      value = strdup (line + strlen (name));
  free (line);
  if (f)
    fclose (f);
  return value;
}

static json_t *
arguments_of (pid_t pid)
{
  FILE *f = open_proc (pid, "cmdline");
  json_t *list = json_array ();
  char *word = NULL;
  size_t room = 0;

  while (f && getdelim (&word, &room, '\0', f) > 0)
    json_array_append_new (list, json_string (word));
  free (word);
  if (f)
    fclose (f);
  return list;
}

/* Does a line of FILE contain TEXT? */
static bool
proc_has (pid_t pid, const char *file, const char *text)
{
  FILE *f = open_proc (pid, file);
  char *line = NULL;
  bool has = false;
  size_t room = 0;

  while (f && !has && getline (&line, &room, f) > 0)
    has = strstr (line, text) != NULL;
  free (line);
  if (f)
    fclose (f);
  return has;
}

static pid_t
parent_of (pid_t pid)
{
  FILE *f = open_proc (pid, "status");
  char line[256];
  int parent = 0;

  while (f && parent == 0 && fgets (line, sizeof line, f))
    if (sscanf (line, "PPid: %d", &parent) == 1)
      break;
  if (f)
    fclose (f);
  return (pid_t) parent;
}

/* ---- what it is ---- */

static json_t *
process_json (pid_t pid)
{
  return json_pack ("{s:i, s:I}", "pid", (int) pid, "start",
                    (json_int_t) process_start_time (pid));
}

/* A server has its pool mapped; a process that waits for the pool has not. */
static bool
has_pool (pid_t pid, const json_t *argv)
{
  const json_t *word;
  size_t i;

  json_array_foreach (argv, i, word) {
    const char *text = json_string_value (word);

    if (text && strncmp (text, "pool=/proc/", 11) == 0)
      return proc_has (pid, "maps", "/memfd:nbdzram");
    if (text && strncmp (text, "pool=", 5) == 0)
      return proc_has (pid, "maps", text + 5);
  }
  return false;
}

/* A process that has not passed its start barrier (service/start-barrier.h)
 * will end, since its supervisor has.
 */
static bool
is_at_start_barrier (pid_t pid, const struct child_fds *fds)
{
  char link[64], target[16];

  snprintf (link, sizeof link, "/proc/%d/fd/%d", (int) pid,
            fds->start_barrier);
  return readlink (link, target, sizeof target) >= 5
    && memcmp (target, "pipe:", 5) == 0;
}

static struct child_fds
fds_of (pid_t pid)
{
  char *count = environ_value (pid, "LISTEN_FDS=");
  long n = count ? atol (count) : 0;

  free (count);
  return child_fds_layout (n > 0 && n <= LISTENERS_MAX ? (unsigned) n : 0);
}

static json_t *
fds_json (const struct child_fds *fds)
{
  return json_pack ("{s:i, s:i, s:i}", "ready", fds->ready, "hold", fds->hold,
                    "log", fds->log);
}

/* ---- the state ---- */

/* What all servers have in common, by one of them. */
static void
describe_setup (json_t *state, pid_t pid, json_t *argv,
                const struct child_fds *fds)
{
  json_t *listen;
  char program[4096];

  if (json_object_get (state, "argv") || json_array_size (argv) == 0
      || !executable_path (pid, program, sizeof program))
    return;
  listen = json_array ();
  for (int fd = fds->listen; fd < fds->pool; ++fd)
    json_array_append_new (listen, json_pack ("{s:i}", "fd", fd));
  json_object_set_new (state, "program", json_string (program));
  json_object_set (state, "argv", argv);
  json_object_set_new (state, "listen", listen);
}

static void
note_memfd (json_t *state, pid_t pid, const struct child_fds *fds)
{
  if (proc_has (pid, "maps", "/memfd:nbdzram"))
    json_object_set_new (state, "pool", json_integer (fds->pool));
}

static void
add_generation (json_t *state, json_t *process, const char *is,
                json_t *lock_keeper, const struct child_fds *fds)
{
  json_object_set_new (process, "state", json_string (is));
  json_object_set_new (process, "found", json_true ());
  json_object_set_new (process, "holder", lock_keeper);
  json_object_set_new (process, "fds", fds_json (fds));
  json_array_append_new (json_object_get (state, "generations"), process);
}

/* A process whose supervisor lives is its child; of one that was killed,
 * another process's.
 */
static void
note_supervisor (json_t *state, pid_t pid)
{
  pid_t parent = parent_of (pid);
  char comm[32] = "";
  FILE *f = parent > 1 ? open_proc (parent, "comm") : NULL;

  if (f && fgets (comm, sizeof comm, f) && strcmp (comm, "nbdzram\n") == 0)
    json_object_set_new (state, "supervisor", json_integer (parent));
  if (f)
    fclose (f);
}

static void
add_server (json_t *state, pid_t pid)
{
  struct child_fds fds = fds_of (pid);
  json_t *argv = arguments_of (pid);
  bool ready = has_pool (pid, argv);

  note_supervisor (state, pid);
  if (ready || !is_at_start_barrier (pid, &fds)) {
    describe_setup (state, pid, argv, &fds);
    note_memfd (state, pid, &fds);
    add_generation (state, process_json (pid), ready ? "ready" : "waiting",
                    json_object (), &fds);
  }
  json_decref (argv);
}

/* That of a server in STATE, or of one that is gone. */
static void
add_lock_keeper (json_t *state, pid_t pid)
{
  const pid_t parent = parent_of (pid);
  struct child_fds fds = fds_of (pid);
  json_t *list = json_object_get (state, "generations"), *o;
  size_t i;

  note_memfd (state, pid, &fds);
  json_array_foreach (list, i, o)
    if (json_integer_value (json_object_get (o, "pid")) == parent) {
      json_object_set_new (o, "holder", process_json (pid));
      return;
    }
  add_generation (state, json_object (), "gone", process_json (pid), &fds);
}

/* Its name is the word after "watch". */
static void
add_watcher (json_t *state, pid_t pid)
{
  json_t *argv = arguments_of (pid), *o = process_json (pid);
  json_t *name = json_array_get (argv, 2);

  if (json_is_string (name)) {
    json_object_set (o, "name", name);
    json_object_set (o, "argv", argv);
    json_object_set_new (o, "fds", json_pack ("{s:i}", "log",
                                              WATCHER_LOG_FD));
    json_array_append (json_object_get (state, "watchers"), o);
  }
  json_decref (argv);
  json_decref (o);
}

/* ---- all processes ---- */

enum kind { OTHER, SERVER, LOCK_KEEPER, WATCHER };

static enum kind
kind_of (pid_t pid, const char *wanted)
{
  char *of = environ_value (pid, SERVER_VARIABLE "=");
  bool ours = of && strcmp (of, wanted) == 0;
  char comm[32] = "", *supervised;
  FILE *f = ours ? open_proc (pid, "comm") : NULL;
  enum kind kind = OTHER;

  free (of);
  if (!f)
    return OTHER;
  if (fgets (comm, sizeof comm, f))
    comm[strcspn (comm, "\n")] = '\0';
  fclose (f);
  supervised = environ_value (pid, "NBDZRAM_SUPERVISED=");
  if (strcmp (comm, LOCK_KEEPER_NAME) == 0)
    kind = LOCK_KEEPER;
  else if (supervised)
    kind = SERVER;
  else
    kind = WATCHER;
  free (supervised);
  return kind;
}

/* Add those of KIND. */
static void
add_all (json_t *state, const char *wanted, enum kind kind)
{
  DIR *dir = opendir ("/proc");
  struct dirent *entry;

  while (dir && (entry = readdir (dir)) != NULL) {
    pid_t pid = isdigit ((unsigned char) entry->d_name[0])
      ? atoi (entry->d_name) : 0;

    if (pid == 0 || pid == getpid () || kind_of (pid, wanted) != kind)
      continue;
    switch (kind) {
    case SERVER: add_server (state, pid); break;
    case LOCK_KEEPER: add_lock_keeper (state, pid); break;
    case WATCHER: add_watcher (state, pid); break;
    case OTHER: break;
    }
  }
  if (dir)
    closedir (dir);
}

json_t *
find_processes (const char *wanted)
{
  json_t *state = json_pack ("{s:[], s:[]}", "generations", "watchers");

  for (enum kind kind = SERVER; state && kind <= WATCHER; ++kind)
    add_all (state, wanted, kind);
  if (json_array_size (json_object_get (state, "generations"))
      + json_array_size (json_object_get (state, "watchers")) > 0)
    return state;
  json_decref (state);
  return NULL;
}

json_t *
find_orphans (const struct supervisor *s)
{
  static const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
  char path[sizeof s->directory + 128];
  json_t *found;

  supervisor_path (s, path, sizeof path, "");
  found = find_processes (path);
  for (int i = 0; i < DEATH_TRIES; ++i) {
    if (!found || !json_object_get (found, "supervisor"))
      break;
    json_decref (found);
    nanosleep (&pause, NULL);
    found = find_processes (path);
  }
  return found;
}

/* ---- processes that are not in it ---- */

/* Does LIST have O, or its lock keeper? */
static bool
has_process (const json_t *list, const json_t *o)
{
  const json_t *other;
  size_t i;

  json_array_foreach (list, i, other) {
    const json_t *a = json_object_get (other, "holder");
    const json_t *b = json_object_get (o, "holder");

    if (json_integer_at (o, "pid", 0) != 0
        ? json_integer_at (o, "pid", 0) == json_integer_at (other, "pid", 0)
        : json_integer_at (a, "pid", 0) == json_integer_at (b, "pid", -1))
      return true;
  }
  return false;
}

static bool
add_missing (json_t *state, const json_t *found, const char *key)
{
  json_t *list = json_object_get (state, key), *o;
  bool added = false;
  size_t i;

  if (!json_is_array (list))
    return false;
  json_array_foreach (json_object_get (found, key), i, o)
    if (!has_process (list, o)) {
      json_array_append (list, o);
      added = true;
    }
  return added;
}

json_t *
find_merge (struct supervisor *s, json_t *state, json_t *found)
{
  bool added;

  if (!found)
    return state;
  if (!state) {
    log_line ("%s.run is missing or damaged: what runs was found among the "
              "processes", s->setup.options.name);
    return found;
  }
  added = add_missing (state, found, "generations");
  if (added && json_integer_at (state, "pool", -1) == -1
      && json_object_get (found, "pool"))
    json_object_set (state, "pool", json_object_get (found, "pool"));
  if (add_missing (state, found, "watchers") || added)
    log_line ("%s.run is out of date: more was found among the processes",
              s->setup.options.name);
  json_decref (found);
  return state;
}
