/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs for exports, and their state. */

#include <config.h>

#include "lib/maintenance/stats.h"

#include "control-verbs.h"
#include "exports.h"

#define ERROR_SIZE 512

static json_t *
counters (const struct device_counters *c)
{
  return json_pack ("{s:I, s:I, s:I, s:I, s:I, s:I}",
                    "reads", (json_int_t) c->reads,
                    "read_bytes", (json_int_t) c->read_bytes,
                    "writes", (json_int_t) c->writes,
                    "write_bytes", (json_int_t) c->write_bytes,
                    "trims", (json_int_t) c->trims,
                    "failed", (json_int_t) c->failed);
}

static json_t *
describe (const struct device *d)
{
  struct export_view view;
  json_t *object, *more = counters (&d->counters);

  exports_view (d, &view);
  object = json_pack ("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:i, s:I}",
                      "name", d->name,
                      "algorithm", view.algorithm,
                      "size", (json_int_t) d->size,
                      "quota", (json_int_t) d->held.limit,
                      "held", (json_int_t) d->held.used,
                      "bandwidth", (json_int_t) view.bandwidth,
                      "allow", view.allow,
                      "connections", (int) view.connections,
                      "orig_data_size",
                      (json_int_t) device_orig_data_size (d));
  if (object)
    json_object_update (object, more);
  json_decref (more);
  return object;
}

json_t *
verb_devices (struct control_context *context)
{
  json_t *list = json_array ();

  for (struct device *d = NULL;
       (d = device_pin_next (context->pool, d)) != NULL; )
    json_array_append_new (list, describe (d));
  return list;
}

/* ---- add, remove, resize ---- */

VERB (export_add)
{
  char error[ERROR_SIZE];

  if (exports_add (verb_string (args, "name", ""),
                   verb_string (args, "settings", ""), error, sizeof error)
      == -1)
    return verb_error ("%s", error);
  return json_pack ("{s:b}", "ok", 1);
}

VERB (export_remove)
{
  bool force = json_is_true (json_object_get (args, "force"));
  char error[ERROR_SIZE];
  int connections = exports_remove (verb_string (args, "name", ""), force,
                                    error, sizeof error);

  if (connections == -1)
    return verb_error ("%s", error);
  return json_pack ("{s:b, s:i}", "ok", 1, "connections", connections);
}

VERB (export_resize)
{
  char error[ERROR_SIZE];

  if (exports_resize (verb_string (args, "name", ""),
                      (uint64_t) verb_number (args, "size", 0), error,
                      sizeof error) == -1)
    return verb_error ("%s", error);
  return json_pack ("{s:b}", "ok", 1);
}
