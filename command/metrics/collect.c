/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each socket has a thread, so one that does not answer delays no other.  A
 * thread that is too late is left alone: it ends with the program.
 */

#include <config.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command/attach/status.h"
#include "command/base/cleanup.h"
#include "command/base/control-client.h"
#include "command/base/output.h"
#include "command/supervisor/request.h"
#include "command/swap/area-status.h"

#include "collect.h"

#define THREAD_STACK (256 * 1024)

enum job_state {
  JOB_RUNS,
  JOB_DONE,
  JOB_ABSENT,                   /* nothing for this user is at the socket */
};

struct job {
  struct job_list *list;
  struct server server;
  bool of_supervisor;
  bool wanted;                  /* the user has named the socket */
  enum job_state state;
  json_t *reply;                /* NULL: none, and ERROR says why */
  char error[512];
};

/* Threads that are late use it, so it is never freed before they end. */
struct job_list {
  pthread_mutex_t lock;         /* of the states of jobs, and RUNNING */
  pthread_cond_t changed;
  size_t count, running;
  struct job jobs[];
};

/* ---- one socket ---- */

/* The file name of a control socket without its suffix.  As the label of a
 * server it is unique in its directory, and known when the server is dead.
 */
static void
add_label (json_t *object, const struct server *s)
{
  const char *slash = strrchr (s->name, '/');
  char name[CONTROL_PATH_SIZE], *end;

  snprintf (name, sizeof name, "%s", slash ? slash + 1 : s->name);
  end = strstr (name, CONTROL_SUFFIX);
  if (end && end > name && strcmp (end, CONTROL_SUFFIX) == 0)
    *end = '\0';
  json_object_set_new (object, "label", json_string (name));
  server_add_location (object, s);
}

/* NAME.attach is only in the directory of this session. */
static void
add_attachments (json_t *object)
{
  if (!json_object_get (object, "directory"))
    attach_status (object);
}

static enum job_state
ask_socket (struct job *j)
{
  const char *verb = j->of_supervisor ? "status" : "metrics";

  if (!j->wanted
      && server_probe (j->server.path, COLLECT_S) == SERVER_NONE)
    return JOB_ABSENT;
  server_try (&j->server, json_pack ("{s:s}", "verb", verb), COLLECT_S,
              &j->reply, j->error, sizeof j->error);
  if (!j->reply)
    return JOB_DONE;
  add_label (j->reply, &j->server);
  if (j->of_supervisor || json_object_get (j->reply, "directory"))
    return JOB_DONE;
  attach_status (j->reply);
  area_status (j->reply);
  return JOB_DONE;
}

static void *
on_thread (void *opaque)
{
  struct job *j = opaque;
  enum job_state state = ask_socket (j);

  pthread_mutex_lock (&j->list->lock);
  j->state = state;
  j->list->running--;
  pthread_cond_signal (&j->list->changed);
  pthread_mutex_unlock (&j->list->lock);
  return NULL;
}

/* ---- all of them ---- */

static struct job_list *
make_jobs (const struct server *servers, size_t count,
           const struct server *supervisors, size_t supervisor_count)
{
  size_t all = count + supervisor_count;
  struct job_list *l = calloc (1, sizeof *l + all * sizeof l->jobs[0]);
  pthread_condattr_t attr;

  if (!l)
    return NULL;
  pthread_mutex_init (&l->lock, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&l->changed, &attr);
  pthread_condattr_destroy (&attr);
  l->count = all;
  for (size_t i = 0; i < all; ++i) {
    l->jobs[i].list = l;
    l->jobs[i].of_supervisor = i >= count;
    l->jobs[i].server = i < count ? servers[i] : supervisors[i - count];
  }
  return l;
}

static void
start_jobs (struct job_list *l)
{
  pthread_attr_t attr;
  pthread_t thread;

  pthread_attr_init (&attr);
  pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize (&attr, THREAD_STACK);
  l->running = l->count;
  for (size_t i = 0; i < l->count; ++i) {
    int err = pthread_create (&thread, &attr, on_thread, &l->jobs[i]);

    if (err == 0)
      continue;
    pthread_mutex_lock (&l->lock);
    snprintf (l->jobs[i].error, sizeof l->jobs[i].error, "%.200s: %s",
              l->jobs[i].server.name, strerror (err));
    l->jobs[i].state = JOB_DONE;
    l->running--;
    pthread_mutex_unlock (&l->lock);
  }
  pthread_attr_destroy (&attr);
}

/* Returns with the lock. */
static void
wait_for_jobs (struct job_list *l)
{
  struct timespec end;

  clock_gettime (CLOCK_MONOTONIC, &end);
  end.tv_sec += COLLECT_S;
  pthread_mutex_lock (&l->lock);
  while (l->running > 0
         && pthread_cond_timedwait (&l->changed, &l->lock, &end) == 0)
    ;
}

/* ---- the results ---- */

static void
add_result (json_t *list, json_t *object, bool up)
{
  json_object_set_new (object, "up", json_boolean (up));
  json_array_append_new (list, object);
}

static void
add_down (json_t *list, const struct server *s, bool of_supervisor)
{
  json_t *object = json_pack ("{s:s}", "name", s->name);

  add_label (object, s);
  if (!of_supervisor)
    add_attachments (object);
  add_result (list, object, false);
}

/* Moves the replies that have come to C. */
static int
take_results (struct job_list *l, struct collected *c, bool quiet)
{
  int code = EXIT_OK;

  for (size_t i = 0; i < l->count; ++i) {
    struct job *j = &l->jobs[i];
    json_t *list = j->of_supervisor ? c->supervisors : c->servers;

    if (j->state == JOB_ABSENT)
      continue;
    if (j->state == JOB_DONE && j->reply) {
      add_result (list, j->reply, true);
      continue;
    }
    add_down (list, &j->server, j->of_supervisor);
    if (j->of_supervisor)
      continue;
    code = EXIT_NO_SERVER;
    if (!quiet)
      fprintf (stderr, "nbdzram: %s%s\n",
               j->state == JOB_DONE ? j->error : j->server.name,
               j->state == JOB_DONE ? "" : ": the server does not answer");
  }
  return code;
}

static int
run_jobs (struct job_list *l, struct collected *c, bool quiet)
{
  int code;
  bool all;

  start_jobs (l);
  wait_for_jobs (l);
  code = take_results (l, c, quiet);
  all = l->running == 0;
  pthread_mutex_unlock (&l->lock);
  if (all)
    free (l);
  return code;
}

static bool
has_server (const json_t *servers, const json_t *supervisor)
{
  json_t *s;
  size_t i;

  json_array_foreach (servers, i, s)
    if (strcmp (json_text (s, "label"), json_text (supervisor, "label")) == 0
        && strcmp (json_text (s, "directory"),
                   json_text (supervisor, "directory")) == 0)
      return true;
  return false;
}

/* Servers that a supervisor should have, and that have no socket now. */
static int
add_missing (struct collected *c, bool quiet)
{
  int code = EXIT_OK;
  json_t *s, *object;
  size_t i;

  json_array_foreach (c->supervisors, i, s) {
    const char *directory = json_text (s, "directory");

    if (!json_is_string (json_object_get (s, "pool"))
        || has_server (c->servers, s))
      continue;
    object = json_pack ("{s:s, s:s}", "name", json_text (s, "label"),
                        "label", json_text (s, "label"));
    if (*directory != '\0')
      json_object_set_new (object, "directory", json_string (directory));
    add_attachments (object);
    add_result (c->servers, object, false);
    code = EXIT_NO_SERVER;
    if (!quiet)
      fprintf (stderr, "nbdzram: %s: its supervisor has no server now\n",
               json_text (s, "label"));
  }
  return code;
}

/* Devices that are attached to servers on other machines.  Those of a server
 * that was found are known already.
 */
static void
add_remote (struct collected *c, const char *name)
{
  json_auto_t *found = json_array ();
  json_t *s;
  size_t i;

  attach_status_remote (found, name);
  json_array_foreach (found, i, s) {
    json_object_set_new (s, "label", json_string (json_text (s, "name")));
    if (!has_server (c->servers, s))
      json_array_append (c->servers, s);
  }
}

static int
find_sockets (const char *name, const char *control, struct server **servers,
              size_t *count, struct server **supervisors,
              size_t *supervisor_count)
{
  if (control) {
    *servers = calloc (1, sizeof **servers);
    if (!*servers)
      return EXIT_FAILED;
    *count = 1;
    return server_find (*servers, name, control);
  }
  if (name && server_check_name (name) != EXIT_OK)
    return EXIT_USAGE;
  *servers = sockets_find (name, CONTROL_SUFFIX, count);
  *supervisors = sockets_find (name, SUPERVISOR_SUFFIX, supervisor_count);
  return EXIT_OK;
}

/* Nothing was found at all. */
static int
report_none (struct collected *c, const char *name, bool quiet)
{
  if (name)
    add_result (c->servers, json_pack ("{s:s}", "label", name), false);
  return quiet ? EXIT_NO_SERVER : report_no_server (name);
}

int
collect_all (struct collected *c, const char *name, const char *control,
             bool quiet)
{
  CLEANUP_FREE struct server *servers = NULL, *supervisors = NULL;
  size_t count = 0, supervisor_count = 0;
  struct job_list *l;
  int code, missing;

  *c = (struct collected) { json_array (), json_array () };
  code = find_sockets (name, control, &servers, &count, &supervisors,
                       &supervisor_count);
  if (code != EXIT_OK)
    return code;
  l = make_jobs (servers, count, supervisors, supervisor_count);
  if (!l || !c->servers || !c->supervisors) {
    free (l);
    fprintf (stderr, "nbdzram: out of memory\n");
    return EXIT_FAILED;
  }
  if (control)
    l->jobs[0].wanted = true;
  code = run_jobs (l, c, quiet);
  missing = add_missing (c, quiet);
  if (!control)
    add_remote (c, name);
  if (json_array_size (c->servers) + json_array_size (c->supervisors) == 0)
    return report_none (c, name, quiet);
  return code != EXIT_OK ? code : missing;
}
