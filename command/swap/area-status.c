/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "command/attach/partitions.h"

#include "area-look.h"
#include "area-status.h"

static json_t *
describe_area (const struct area_use *a, int index, unsigned k)
{
  char path[PARTITION_PATH_SIZE];

  return json_pack ("{s:s, s:I, s:I, s:I, s:I}",
                    "device", partition_path (path, index, k + 1),
                    "size", (json_int_t) a->size,
                    "used", (json_int_t) a->used,
                    "stored", (json_int_t) a->stored,
                    "dead", (json_int_t) (a->is_on ? area_dead (a)
                                                   : a->stored));
}

static bool
has_areas (const struct areas_use *u)
{
  for (unsigned k = 0; k < AREAS_MAX; ++k)
    if (u->areas[k].size > 0)
      return true;
  return false;
}

void
area_status (json_t *reply)
{
  const char *name = json_string_value (json_object_get (reply, "name"));
  struct areas_use use = { .page_size = 0 };
  int index = name ? area_find_disk (name, &use.disk) : -1;
  json_auto_t *list = json_array ();

  if (index == -1)
    return;
  area_look_at_partitions (index, &use);
  if (area_look_at_swaps (index, &use) == -1 || !has_areas (&use)
      || area_look_at_pool (name, &use) == -1
      || area_look_at_stored (name, &use) == -1)
    return;
  for (unsigned k = 0; k < AREAS_MAX; ++k)
    if (use.areas[k].size > 0)
      json_array_append_new (list, describe_area (&use.areas[k], index, k));
  json_object_set (reply, "areas", list);
  json_object_set_new (reply, "area_room", json_integer (
    (json_int_t) MIN (area_plan_room (&use), INT64_MAX)));
}
