/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be changed while the server runs.  Either all that a request
 * names is changed, or, when any of it can't be, nothing.
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

json_t *
verb_settings (struct control_context *context)
{
  struct maintainer_settings s;
  const struct codec *codec;
  uint64_t limit, left;
  char algorithm[ALGORITHM_NAME_SIZE];
  int level;

  maintainer_get_settings (context->maintainer, &s);
  streams_get_method (&context->pool->streams, &codec, &level);
  algorithm_name (codec, level, algorithm);
  pool_get_writeback_limit (context->pool, &limit, &left);
  return json_pack ("{s:s, s:I, s:b, s:I, s:b, s:I, s:i, s:i, s:I}",
                    "algorithm", algorithm,
                    "mem_limit", (json_int_t) context->pool->budget.limit,
                    "policy", (int) s.policy.on,
                    "recompress_age", (json_int_t) s.policy.recompress_age,
                    "recompress_group", (int) s.policy.group,
                    "writeback_age", (json_int_t) s.policy.writeback_age,
                    "writeback_watermark", (int) s.policy.watermark,
                    "maintenance_cpu", (int) s.cpu,
                    "writeback_limit", (json_int_t) limit);
}

static bool
flag (const json_t *args, const char *name, bool otherwise)
{
  const json_t *value = json_object_get (args, name);

  return value ? json_is_true (value) : otherwise;
}

static void
change_maintenance (struct maintainer *m, const json_t *args)
{
  struct maintainer_settings s;
  struct policy_settings *p = &s.policy;

  maintainer_get_settings (m, &s);
  p->on = flag (args, "policy", p->on);
  p->group = flag (args, "recompress_group", p->group);
  p->recompress_age = (uint64_t) verb_number (
    args, "recompress_age", (json_int_t) p->recompress_age);
  p->writeback_age = (uint64_t) verb_number (
    args, "writeback_age", (json_int_t) p->writeback_age);
  p->watermark = (unsigned) verb_number (args, "writeback_watermark",
                                         p->watermark);
  s.cpu = (unsigned) verb_number (args, "maintenance_cpu", s.cpu);
  maintainer_set_settings (m, &s);
}

/* Likewise below.  0, or -1 after *REPLY. */
static int
change_algorithm (struct pool *pool, const json_t *args, json_t **reply)
{
  const char *spec = verb_string (args, "algorithm", NULL);
  struct algorithm a = { .codec = NULL };
  char error[256];
  int r;

  if (!spec)
    return 0;
  /* A file would be read by the server, with its rights. */
  if (strstr (spec, ":dict=")) {
    *reply = verb_error ("a dictionary is for the server's start");
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

/* All that can fail, before anything is changed; false after *REPLY. */
static bool
change_limit (struct pool *pool, const json_t *args, json_t **reply)
{
  uint64_t limit = (uint64_t) verb_number (args, "mem_limit", 0);

  if (json_object_get (args, "writeback_limit") && !pool->backing) {
    *reply = verb_error ("the server was started without backing=");
    return false;
  }
  if (!json_object_get (args, "mem_limit")
      || pool_set_mem_limit (pool, limit) == 0)
    return true;
  *reply = errno == ERANGE
    ? verb_error ("\"mem_limit\" must be 0 or at least %" PRIu64,
                  pool_least_limit (pool))
    : NULL;
  return false;
}

VERB (set)
{
  uint64_t limit = context->pool->budget.limit;
  json_t *reply;

  (void) cancelled;
  if (json_object_size (args) == 1)
    return verb_error ("set needs something to set");
  if (!change_limit (context->pool, args, &reply))
    return reply;
  if (change_algorithm (context->pool, args, &reply) == -1) {
    context->pool->budget.limit = limit;
    return reply;
  }
  if (json_object_get (args, "writeback_limit"))
    pool_set_writeback_limit (context->pool, (uint64_t) verb_number (
                                args, "writeback_limit", 0));
  change_maintenance (context->maintainer, args);
  return json_pack ("{s:b, s:o}", "ok", 1, "settings",
                    verb_settings (context));
}
