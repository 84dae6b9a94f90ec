/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs "pages", the state of each page, and "usage", how many there
 * are.
 */

#include <config.h>

#include <stdlib.h>

#include "lib/base/util.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/page-state.h"

#include "control-verbs.h"

#define PAGES_COUNT 1024        /* in a reply, by default */

static const struct {
  enum page_flag flag;
  const char *name;
} flag_names[] = {
  { PAGE_SAME, "same" },
  { PAGE_WRITTEN_BACK, "written_back" },
  { PAGE_HUGE, "huge" },
  { PAGE_IDLE, "idle" },
  { PAGE_RECOMPRESSED, "recompressed" },
  { PAGE_INCOMPRESSIBLE, "incompressible" },
  { PAGE_GROUPED, "grouped" },
  { PAGE_DAMAGED, "damaged" },
};

static json_t *
state_names (unsigned flags)
{
  json_t *list = json_array ();

  for (size_t i = 0; i < ARRAY_SIZE (flag_names); ++i)
    if ((flags & flag_names[i].flag) != 0)
      json_array_append_new (list, json_string (flag_names[i].name));
  return list;
}

static json_t *
page_object (const struct page_state *s)
{
  return json_pack ("{s:I, s:o, s:I, s:I, s:s?}",
                    "index", (json_int_t) s->index,
                    "state", state_names (s->flags),
                    "age", (json_int_t) s->age,
                    "bytes", (json_int_t) s->bytes,
                    "codec", s->codec ? s->codec->name : NULL);
}

VERB (pages)
{
  unsigned count = (unsigned) verb_number (args, "count", PAGES_COUNT);
  struct page_state *states;
  struct device *device;
  uint64_t first, end, next;
  json_t *list, *reply;

  if (!verb_range (context, args, &device, &first, &end, &reply))
    return reply;
  states = malloc (count * sizeof *states);
  if (!states) {
    device_put (device);
    return NULL;
  }
  count = device_page_states (device, first, end, states, count, &next);
  device_put (device);
  list = json_array ();
  for (unsigned i = 0; i < count; ++i)
    json_array_append_new (list, page_object (&states[i]));
  free (states);
  return json_pack ("{s:b, s:I, s:I, s:o}", "ok", 1,
                    "next", (json_int_t) next, "end", (json_int_t) end,
                    "pages", list);
}

/* The numbers of the pool are those of "status", without all that is beside
 * them there: a program that adapts to them asks often.
 */
VERB (usage)
{
  const struct budget *budget = &context->pool->budget;
  struct device *device;
  uint64_t first, end, stored;
  json_t *reply;

  if (!verb_range (context, args, &device, &first, &end, &reply))
    return reply;
  stored = device_count_stored (device, first, end);
  device_put (device);
  return json_pack ("{s:b, s:I, s:I, s:I, s:I, s:I}", "ok", 1,
                    "stored", (json_int_t) stored,
                    "page_size",
                    (json_int_t) context->pool->sizes.page_size,
                    "mem_used_total", (json_int_t) budget->used,
                    "mem_limit", (json_int_t) budget->limit,
                    "backing_room",
                    (json_int_t) pool_writeback_room (context->pool));
}
