/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "command/attach/partitions.h"
#include "command/base/proc-swaps.h"
#include "command/base/run-file.h"
#include "lib/base/util.h"

#include "state.h"

int
swap_state_read (struct swap_state *s, const char *name)
{
  json_auto_t *object = run_read (name, "swap");
  const json_t *device, *priority, *areas;
  size_t i;

  if (!object)
    return -1;
  *s = (struct swap_state) { .priority = -1, .areas = 1 };
  snprintf (s->name, sizeof s->name, "%s", name);
  json_array_foreach (json_object_get (object, "devices"), i, device)
    if (json_is_string (device))
      swap_state_add (s, json_string_value (device));
  priority = json_object_get (object, "priority");
  if (json_is_integer (priority))
    s->priority = (int) json_integer_value (priority);
  areas = json_object_get (object, "areas");
  if (json_is_integer (areas))
    s->areas = (unsigned) json_integer_value (areas);
  return 0;
}

int
swap_state_write (const struct swap_state *s)
{
  json_t *devices = json_array ();

  for (unsigned i = 0; i < s->device_count; ++i)
    json_array_append_new (devices, json_string (s->devices[i]));
  return run_write (s->name, "swap",
                    json_pack ("{s:o, s:i, s:i}", "devices", devices,
                               "priority", s->priority,
                               "areas", (int) s->areas));
}

void
swap_state_remove (const char *name)
{
  run_remove (name, "swap");
}

void
swap_state_add (struct swap_state *s, const char *device)
{
  for (unsigned i = 0; i < s->device_count; ++i)
    if (strcmp (s->devices[i], device) == 0)
      return;
  if (s->device_count < SWAP_DEVICES_MAX)
    snprintf (s->devices[s->device_count++], sizeof s->devices[0], "%s",
              device);
}

bool
swap_state_add_areas (struct swap_state *s, int index)
{
  struct partition list[PARTITIONS_MAX];
  char path[PARTITION_PATH_SIZE];
  unsigned count = partitions_read (index, list);

  for (unsigned n = 1; n <= PARTITIONS_MAX; ++n)
    if (list[n - 1].size > 0)
      swap_state_add (s, partition_path (path, index, n));
  return count > 0;
}

bool
swap_state_is_active (const struct swap_state *s)
{
  for (unsigned i = 0; i < s->device_count; ++i)
    if (swap_find (s->devices[i], NULL))
      return true;
  return false;
}

/* ---- vm.min_free_kbytes ---- */

/* The kernel must get memory for the server's packets even while there is
 * almost none.  With the kernel's default, machines of 256 MB were seen to
 * hang.
 */
#define MIN_FREE_LEAST (8 * MIB)
#define MIN_FREE_MOST (256 * MIB)

uint64_t
swap_min_free (uint64_t ram, uint64_t now)
{
  uint64_t wanted = MIN (MAX (ram / 64, MIN_FREE_LEAST), MIN_FREE_MOST);

  return MAX (wanted / KIB, now);
}
