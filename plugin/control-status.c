/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server is and how much it holds. */

#include <config.h>

#include <stdlib.h>
#include <unistd.h>

#include "control-verbs.h"
#include "device.h"
#include "stats.h"

/* Whole seconds since the server started. */
static json_int_t
uptime (const struct control_context *context)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec - context->started.tv_sec;
}

static json_t *
devices (const struct pool *pool)
{
  json_t *list = json_array ();

  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (pool->devices[n])
      json_array_append_new (list, json_pack (
        "{s:s, s:I}", "name", pool->devices[n]->name,
        "size", (json_int_t) pool->devices[n]->size));
  return list;
}

static json_t *
statistics (struct pool *pool)
{
  json_t *list = json_object ();
  struct stats st;

  pool_get_stats (pool, &st);
  for (const struct stats_field *f = stats_fields; f->name; ++f)
    json_object_set_new (list, f->name,
                         json_integer ((json_int_t) stats_value (&st, f)));
  return list;
}

VERB (status)
{
  struct pool *pool = context->pool;
  const struct algorithm *a = &pool->options.algorithm;

  (void) args;
  (void) cancelled;
  return json_pack ("{s:b, s:s, s:s, s:i, s:I, s:s, s:i, s:I, s:b, s:o, s:o}",
                    "ok", 1,
                    "name", context->name,
                    "version", PACKAGE_VERSION,
                    "pid", (int) getpid (),
                    "uptime", uptime (context),
                    "algorithm", a->codec->name,
                    "level", a->level,
                    "page_size", (json_int_t) pool->sizes.page_size,
                    "checksum", (int) pool->file.geometry.checksum,
                    "devices", devices (pool),
                    "statistics", statistics (pool));
}
