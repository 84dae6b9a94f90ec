/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <ctype.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "command/attach/record.h"
#include "command/base/cleanup.h"
#include "service/lock-keeper.h"

#include "find.h"
#include "state.h"
#include "supervisor.h"

/* How long a killed supervisor may take to end. */
#define DEATH_TRIES 20
#define DEATH_PAUSE_MS 50

/* ---- what the kernel shows of a process ---- */

static FILE *
open_proc (pid_t pid, const char *file)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, file);
  return fopen (path, "re");
}

/* The value of NAME (with its "=") in the environment of PID.  The caller owns
 * it.  NULL: PID has no such variable.
 */
static char *
read_variable (pid_t pid, const char *name)
{
  CLEANUP_FCLOSE FILE *f = open_proc (pid, "environ");
  CLEANUP_FREE char *line = NULL;
  size_t room = 0;

  while (f && getdelim (&line, &room, '\0', f) > 0)
    if (strncmp (line, name, strlen (name)) == 0)
      return strdup (line + strlen (name));
  return NULL;
}

static json_t *
read_arguments (pid_t pid)
{
  CLEANUP_FCLOSE FILE *f = open_proc (pid, "cmdline");
  json_t *list = json_array ();
  CLEANUP_FREE char *word = NULL;
  size_t room = 0;

  while (f && getdelim (&word, &room, '\0', f) > 0)
    json_array_append_new (list, json_string (word));
  return list;
}

/* Does a line of /proc/PID/FILE contain TEXT? */
static bool
proc_file_has (pid_t pid, const char *file, const char *text)
{
  CLEANUP_FCLOSE FILE *f = open_proc (pid, file);
  CLEANUP_FREE char *line = NULL;
  size_t room = 0;

  while (f && getline (&line, &room, f) > 0)
    if (strstr (line, text))
      return true;
  return false;
}

static pid_t
read_parent (pid_t pid)
{
  CLEANUP_FCLOSE FILE *f = open_proc (pid, "status");
  char line[256];
  int parent = 0;

  while (f && parent == 0 && fgets (line, sizeof line, f))
    sscanf (line, "PPid: %d", &parent);
  return (pid_t) parent;
}

/* Is NAME the name of the process PID in the kernel? */
static bool
has_name (pid_t pid, const char *name)
{
  CLEANUP_FCLOSE FILE *f = open_proc (pid, "comm");
  char comm[32];

  if (!f || !fgets (comm, sizeof comm, f))
    return false;
  comm[strcspn (comm, "\n")] = '\0';
  return strcmp (comm, name) == 0;
}

/* ---- what a process is ---- */

static json_t *
make_process (pid_t pid)
{
  return json_pack ("{s:i, s:I}", "pid", (int) pid, "start",
                    (json_int_t) process_start_time (pid));
}

/* Has the server PID mapped its pool?  A standby has not. */
static bool
has_pool (pid_t pid, const json_t *argv)
{
  const json_t *word;
  size_t i;

  json_array_foreach (argv, i, word) {
    const char *text = json_string_value (word);

    if (text && strncmp (text, "pool=/proc/", 11) == 0)
      return proc_file_has (pid, "maps", "/memfd:nbdzram");
    if (text && strncmp (text, "pool=", 5) == 0)
      return proc_file_has (pid, "maps", text + 5);
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
read_child_fds (pid_t pid)
{
  CLEANUP_FREE char *count = read_variable (pid, "LISTEN_FDS=");
  long n = count ? atol (count) : 0;

  return child_fds_layout (n > 0 && n <= LISTENERS_MAX ? (unsigned) n : 0);
}

static json_t *
make_fds (const struct child_fds *fds)
{
  return json_pack ("{s:i, s:i, s:i}", "ready", fds->ready, "hold", fds->hold,
                    "log", fds->log);
}

/* ---- the state ---- */

/* Add to STATE what all servers have in common, from the server PID. */
static void
add_setup (json_t *state, pid_t pid, json_t *argv,
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
add_memfd (json_t *state, pid_t pid, const struct child_fds *fds)
{
  if (proc_file_has (pid, "maps", "/memfd:nbdzram"))
    json_object_set_new (state, "pool", json_integer (fds->pool));
}

static void
add_generation (json_t *state, json_t *process, const char *state_name,
                json_t *lock_keeper, const struct child_fds *fds)
{
  json_object_set_new (process, "state", json_string (state_name));
  json_object_set_new (process, "found", json_true ());
  json_object_set_new (process, "holder", lock_keeper);
  json_object_set_new (process, "fds", make_fds (fds));
  json_array_append_new (json_object_get (state, "generations"), process);
}

/* The parent of PID is its supervisor, or another process if the supervisor
 * was killed.
 */
static void
add_supervisor (json_t *state, pid_t pid)
{
  pid_t parent = read_parent (pid);

  if (parent > 1 && has_name (parent, "nbdzram"))
    json_object_set_new (state, "supervisor", json_integer (parent));
}

static void
add_server (json_t *state, pid_t pid)
{
  struct child_fds fds = read_child_fds (pid);
  json_auto_t *argv = read_arguments (pid);
  bool ready = has_pool (pid, argv);

  add_supervisor (state, pid);
  if (ready || !is_at_start_barrier (pid, &fds)) {
    add_setup (state, pid, argv, &fds);
    add_memfd (state, pid, &fds);
    add_generation (state, make_process (pid), ready ? "ready" : "waiting",
                    json_object (), &fds);
  }
}

/* Its server is its parent, or gone. */
static void
add_lock_keeper (json_t *state, pid_t pid)
{
  const pid_t parent = read_parent (pid);
  struct child_fds fds = read_child_fds (pid);
  json_t *list = json_object_get (state, "generations"), *o;
  size_t i;

  add_memfd (state, pid, &fds);
  json_array_foreach (list, i, o)
    if (json_integer_value (json_object_get (o, "pid")) == parent) {
      json_object_set_new (o, "holder", make_process (pid));
      return;
    }
  add_generation (state, json_object (), "gone", make_process (pid), &fds);
}

/* Its arguments are "nbdzram watch NAME ...", or "nbdzram areas NAME ...". */
static void
add_watcher (json_t *state, pid_t pid)
{
  json_auto_t *argv = read_arguments (pid), *o = make_process (pid);
  const char *name = json_string_value (json_array_get (argv, 2));
  const char *verb = json_string_value (json_array_get (argv, 1));

  if (name && verb) {
    json_object_set_new (o, "name", json_sprintf (
      "%s%s", name, strcmp (verb, "areas") == 0 ? AREAS_SUFFIX : ""));
    json_object_set (o, "argv", argv);
    json_object_set_new (o, "fds", json_pack ("{s:i}", "log",
                                              WATCHER_LOG_FD));
    json_array_append (json_object_get (state, "watchers"), o);
  }
}

/* ---- the search ---- */

/* In the order of the search: lock keepers are added to their servers. */
enum process_kind { OTHER, SERVER, LOCK_KEEPER, WATCHER };

static enum process_kind
read_kind (pid_t pid, const char *path)
{
  CLEANUP_FREE char *of = read_variable (pid, SERVER_VARIABLE "=");
  CLEANUP_FREE char *supervised = NULL;

  if (!of || strcmp (of, path) != 0)
    return OTHER;
  if (has_name (pid, LOCK_KEEPER_NAME))
    return LOCK_KEEPER;
  supervised = read_variable (pid, "NBDZRAM_SUPERVISED=");
  return supervised ? SERVER : WATCHER;
}

static void
add_processes (json_t *state, const char *path, enum process_kind kind)
{
  CLEANUP_CLOSEDIR DIR *dir = opendir ("/proc");
  struct dirent *entry;

  while (dir && (entry = readdir (dir)) != NULL) {
    pid_t pid = isdigit ((unsigned char) entry->d_name[0])
      ? atoi (entry->d_name) : 0;

    if (pid == 0 || pid == getpid () || read_kind (pid, path) != kind)
      continue;
    switch (kind) {
    case SERVER: add_server (state, pid); break;
    case LOCK_KEEPER: add_lock_keeper (state, pid); break;
    case WATCHER: add_watcher (state, pid); break;
    case OTHER: break;
    }
  }
}

json_t *
find_processes (const char *path)
{
  json_t *state = json_pack ("{s:[], s:[]}", "generations", "watchers");

  for (enum process_kind kind = SERVER; state && kind <= WATCHER; ++kind)
    add_processes (state, path, kind);
  if (json_array_size (json_object_get (state, "generations"))
      + json_array_size (json_object_get (state, "watchers")) > 0)
    return state;
  json_decref (state);
  return NULL;
}

json_t *
find_orphans (const struct supervisor *s)
{
  char path[SUPERVISOR_PATH_SIZE];
  json_t *found
    = find_processes (supervisor_path (s, path, sizeof path, ""));

  for (int i = 0; i < DEATH_TRIES; ++i) {
    if (!found || !json_object_get (found, "supervisor"))
      break;
    json_decref (found);
    poll (NULL, 0, DEATH_PAUSE_MS);
    found = find_processes (path);
  }
  return found;
}

/* ---- merging ---- */

/* Does LIST have the process O or, if O is only a lock keeper, that? */
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
    log_line ("%s.run is missing or damaged: the search among the processes "
              "has found what runs", s->setup.options.name);
    return found;
  }
  added = add_missing (state, found, "generations");
  if (added && json_integer_at (state, "pool", -1) == -1
      && json_object_get (found, "pool"))
    json_object_set (state, "pool", json_object_get (found, "pool"));
  if (add_missing (state, found, "watchers") || added)
    log_line ("%s.run is out of date: the search among the processes has "
              "found more",
              s->setup.options.name);
  json_decref (found);
  return state;
}
