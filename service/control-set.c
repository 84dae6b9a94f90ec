/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb "set": changes settings while the server runs.  It changes all
 * settings that the request names, or none if one of them can't be changed.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/util.h"
#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/maintenance/writeback.h"

#include "control-verbs.h"
#include "server-settings.h"
#include "settings.h"

/* Fills in the fields of S that can change while the server runs. */
static void
read_live_settings (const struct control_context *context,
                    struct server_settings *s)
{
  struct pool *pool = context->pool;
  uint64_t left;

  *s = (struct server_settings) { .size = 0 };
  maintainer_get_settings (context->maintainer, &s->maintenance);
  streams_get_pool_method (&pool->streams, &s->pool.algorithm.codec,
                      &s->pool.algorithm.level);
  s->pool.mem_limit = pool->budget.limit;
  pool_get_writeback_limit (pool, &s->writeback.daily_limit, &left);
}

static json_t *
setting_to_json (const struct server_settings *s, const struct setting *t)
{
  char name[ALGORITHM_NAME_SIZE];

  if (t->type == SETTING_ALGORITHM) {
    algorithm_name (s->pool.algorithm.codec, s->pool.algorithm.level, name);
    return json_string (name);
  }
  return t->type == SETTING_BOOLEAN
    ? json_boolean (setting_get_field (s, t))
    : json_integer (setting_get_field (s, t));
}

json_t *
verb_settings (struct control_context *context)
{
  struct server_settings s;
  json_t *all = json_object ();
  char key[SETTING_KEY_SIZE];

  read_live_settings (context, &s);
  for (const struct setting *t = settings; all && t->name; ++t)
    if (t->live && json_object_set_new (all, setting_key (t, key),
                                        setting_to_json (&s, t)) == -1) {
      json_decref (all);
      all = NULL;
    }
  return all;
}

/* Sets the integers of ARGS in S. */
static void
read_arguments (struct server_settings *s, const json_t *args)
{
  for (const struct setting *t = settings; t->name; ++t) {
    char key[SETTING_KEY_SIZE];
    const json_t *value = json_object_get (args, setting_key (t, key));

    if (t->live && value && setting_is_integer (t))
      setting_set_field (s, t, json_is_boolean (value) ? json_is_true (value)
                         : json_integer_value (value));
  }
}

/* Sets the algorithm that ARGS name, if any.  Returns 0, or -1 with the
 * error in *REPLY, which is NULL if there is no memory for it.
 */
static int
change_algorithm (struct pool *pool, const json_t *args, json_t **reply)
{
  const char *spec = verb_string (args, "algorithm", NULL);
  struct algorithm a = { .codec = NULL };
  char error[256];
  int r;

  if (!spec)
    return 0;
  /* The server would read the file with its rights, not the client's. */
  if (strstr (spec, ":dict=")) {
    *reply = verb_error ("\"algorithm\": a dictionary can only be given when "
                         "the server starts");
    return -1;
  }
  if (algorithm_parse (spec, &a, error, sizeof error) == -1) {
    *reply = verb_error ("\"algorithm\": %s", error);
    return -1;
  }
  r = pool_set_algorithm (pool, &a);
  if (r == -1)
    *reply = verb_error ("no memory for another algorithm");
  algorithm_free (&a);
  return r;
}

/* Checks ARGS, and sets the memory limit if they have one.  Returns false
 * with the error in *REPLY, which is NULL if there is no memory for it.
 */
static bool
change_limit (struct pool *pool, const struct server_settings *s,
              const json_t *args, json_t **reply)
{
  if (json_object_get (args, "writeback_limit") && !pool->backing) {
    *reply = verb_error ("\"writeback_limit\" requires a server that was "
                         "started with backing=");
    return false;
  }
  if (!json_object_get (args, "mem_limit")
      || pool_set_mem_limit (pool, s->pool.mem_limit) == 0)
    return true;
  *reply = errno == ERANGE
    ? verb_error ("\"mem_limit\" must be 0 or at least %" PRIu64,
                  pool_least_limit (pool))
    : NULL;
  return false;
}

/* What can fail comes first: the memory limit, which can be set back, then
 * the algorithm.
 */
VERB (set)
{
  uint64_t limit = context->pool->budget.limit;
  struct server_settings s;
  json_t *reply;

  if (json_object_size (args) == 1)
    return verb_error ("the request has nothing to set");
  read_live_settings (context, &s);
  read_arguments (&s, args);
  if (!change_limit (context->pool, &s, args, &reply))
    return reply;
  if (change_algorithm (context->pool, args, &reply) == -1) {
    context->pool->budget.limit = limit;
    return reply;
  }
  if (json_object_get (args, "writeback_limit"))
    pool_set_writeback_limit (context->pool, s.writeback.daily_limit);
  maintainer_set_settings (context->maintainer, &s.maintenance);
  return json_pack ("{s:b, s:o, s:I}", "ok", 1, "settings",
                    verb_settings (context), "mem_used_total",
                    (json_int_t) context->pool->budget.used);
}
