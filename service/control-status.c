/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs "status" and "metrics". */

#include <config.h>

#include <stdio.h>
#include <unistd.h>

#include "lib/backing/backing.h"
#include "lib/base/latency.h"
#include "lib/maintenance/stats.h"
#include "lib/store/device.h"

#include "control-verbs.h"
#include "control.h"
#include "hardening.h"

/* Whole seconds since the server started. */
static json_int_t
uptime (const struct control_context *context)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec - context->started.tv_sec;
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

/* ---- maintenance ---- */

static const char *const action_names[POLICY_ACTIONS] = {
  [POLICY_RECOMPRESS] = "recompress",
  [POLICY_GROUP] = "group",
  [POLICY_WRITE_BACK] = "writeback",
  [POLICY_CLEAN] = "clean",
  [POLICY_REFRESH] = "refresh",
  [POLICY_TRAIN] = "train",
  [POLICY_COMPACT] = "compact",
};

/* What maintenance has done by itself. */
static json_t *
maintenance (const struct maintainer *m)
{
  json_t *runs = json_object ();

  for (unsigned i = 0; i < POLICY_ACTIONS; ++i)
    if (action_names[i])
      json_object_set_new (runs, action_names[i],
                           json_integer ((json_int_t) m->counters.runs[i]));
  return json_pack ("{s:I, s:o}", "cpu_nanoseconds",
                    (json_int_t) m->counters.cpu_ns, "runs", runs);
}

/* NULL: the pool has no backing file. */
static const char *
backing_state (const struct pool *pool)
{
  int error;

  if (!pool->backing)
    return NULL;
  switch (backing_get_state (pool->backing, &error)) {
  case BACKING_FULL: return "full";
  case BACKING_FAILED: return "failed";
  case BACKING_AWAY: return "away";
  case BACKING_WRONG: return "wrong";
  case BACKING_DEGRADED: return "degraded";
  case BACKING_TRUNCATED: return "truncated";
  default: return "ok";
  }
}

/* NULL: the pool has no backing file. */
static const char *
backing_key (const struct pool *pool)
{
  return !pool->backing ? NULL : pool->backing->sealer ? "auto" : "none";
}

static const char *
member_state (enum backing_state state)
{
  switch (state) {
  case BACKING_AWAY: return "away";
  case BACKING_WRONG: return "wrong";
  case BACKING_DEGRADED: return "filling";
  default: return "ok";
  }
}

/* NULL: the backing is not a mirror. */
static json_t *
backing_replicas (const struct pool *pool)
{
  json_t *list = NULL;
  struct backing_replica h;

  for (unsigned n = 0; pool->backing
                       && backing_get_replica (pool->backing, n, &h); ++n) {
    if (!list)
      list = json_array ();
    json_array_append_new (list, json_pack (
      "{s:s, s:s, s:b, s:I, s:I, s:I}", "uri", h.uri,
      "state", member_state (h.state), "in_sync", (int) h.in_sync,
      "left", (json_int_t) h.left,
      "connections", (json_int_t) h.connections,
      "reconnects", (json_int_t) h.reconnects));
  }
  return list;
}

/* ---- hardening ---- */

static json_t *
reserve (struct pool *pool)
{
  struct reserve_stats st;

  reserve_get_stats (&pool->reserve, &st);
  return json_pack ("{s:I, s:I, s:I, s:I, s:I}",
                    "size", (json_int_t) st.size,
                    "now", (json_int_t) st.now,
                    "low", (json_int_t) st.low,
                    "refills", (json_int_t) st.refills,
                    "misses", (json_int_t) st.misses);
}

/* As the kernel reports it now. */
static json_t *
hardening (struct pool *pool)
{
  struct hardening_state state = { .locked = 0 };
  char scheduling[16] = "other";

  hardening_get (&state);
  if (state.real_time)
    snprintf (scheduling, sizeof scheduling, "fifo %d", state.priority);
  return json_pack ("{s:b, s:I, s:b, s:s, s:i, s:o}",
                    "mlock", (int) (state.locked > 0),
                    "locked", (json_int_t) state.locked,
                    "io_flusher", (int) state.io_flusher,
                    "scheduling", scheduling,
                    "oom_score_adj", state.oom_score_adj,
                    "reserve", reserve (pool));
}

/* ---- requests ---- */

static const char *const request_names[REQUEST_KINDS] = { "read", "write" };

static json_t *
requests (struct pool *pool)
{
  json_t *list = json_object ();

  for (unsigned kind = 0; kind < REQUEST_KINDS; ++kind) {
    struct latency l;
    uint64_t count = 0;
    json_t *counts = json_array ();

    streams_latency (&pool->streams, kind, &l);
    for (unsigned i = 0; i < LATENCY_BUCKETS; ++i) {
      count += l.counts[i];
      json_array_append_new (counts, json_integer ((json_int_t) l.counts[i]));
    }
    json_object_set_new (list, request_names[kind], json_pack (
      "{s:I, s:I, s:I, s:o}", "count", (json_int_t) count,
      "bytes", (json_int_t) l.bytes,
      "nanoseconds", (json_int_t) l.nanoseconds, "latency", counts));
  }
  return list;
}

/* The upper bounds of the buckets of latencies; the last has none. */
static json_t *
latency_bounds (void)
{
  json_t *list = json_array ();

  for (unsigned i = 0; i < LATENCY_BUCKETS - 1; ++i)
    json_array_append_new (list, json_integer ((json_int_t) 1
                                               << (i + LATENCY_SHIFT)));
  return list;
}

/* Objects by size class: pairs of the largest size in the class and the number
 * of objects.
 */
static json_t *
object_sizes (struct pool *pool)
{
  uint64_t counts[SIZE_CLASSES_MAX];
  json_t *list = json_array ();

  objects_get_counts (&pool->objects, counts);
  for (uint32_t c = 0; c < pool->sizes.count; ++c)
    json_array_append_new (list, json_pack (
      "[I, I]", (json_int_t) pool->sizes.classes[c].size,
      (json_int_t) counts[c]));
  return list;
}

/* ---- the verbs ---- */

VERB (status)
{
  struct pool *pool = context->pool;
  const struct codec *codec;
  int level;

  streams_get_pool_method (&pool->streams, &codec, &level);
  return json_pack ("{s:b, s:s, s:s, s:i, s:I, s:s, s:i, s:I, s:b, s:i, s:s?, "
                    "s:s*, s:o*, s:o, s:o, s:o, s:o, s:o}",
                    "ok", 1,
                    "name", context->name,
                    "version", PACKAGE_VERSION,
                    "pid", (int) getpid (),
                    "uptime", uptime (context),
                    "algorithm", codec->name,
                    "level", level,
                    "page_size", (json_int_t) pool->sizes.page_size,
                    "checksum", (int) pool->file.geometry.checksum,
                    "clients", (int) (*context->clients & ~CLIENTS_BARRED),
                    "backing", backing_state (pool),
                    "backing_key", backing_key (pool),
                    "backing_halves", backing_replicas (pool),
                    "settings", verb_settings (context),
                    "maintenance", maintenance (context->maintainer),
                    "hardening", hardening (pool),
                    "devices", verb_devices (context),
                    "statistics", statistics (pool));
}

VERB (metrics)
{
  json_t *reply = verb_status (context, args, cancelled);

  if (reply)
    json_object_update_new (reply, json_pack (
      "{s:o, s:o, s:o}", "requests", requests (context->pool),
      "latency_bounds", latency_bounds (),
      "object_sizes", object_sizes (context->pool)));
  return reply;
}
