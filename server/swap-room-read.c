/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "client.h"
#include "kernel-file.h"
#include "output.h"
#include "swap-room.h"
#include "swaps.h"
#include "util.h"

static bool
is_one_of (const char *path, char devices[][32], unsigned count)
{
  for (unsigned i = 0; i < count; ++i)
    if (strcmp (path, devices[i]) == 0)
      return true;
  return false;
}

/* What the pool of NAME holds, if there is such a server here. */
static uint64_t
pool_holds (const char *name)
{
  struct server s;
  char directory[sizeof s.path], error[256];
  json_t *reply = NULL;
  uint64_t held;

  control_directory (directory, sizeof directory);
  if (strlen (name) >= sizeof s.name
      || control_path (s.path, directory, name) == -1)
    return 0;
  strcpy (s.name, name);
  server_try (&s, json_pack ("{s:s}", "verb", "status"), TIMEOUT, &reply,
              error, sizeof error);
  held = json_number (json_object_get (reply, "statistics"),
                      "mem_used_total");
  json_decref (reply);
  return held;
}

int
swap_room_read (struct swap_room *r, const char *name, char devices[][32],
                unsigned count)
{
  struct swap_area list[SWAPS_MAX];
  int n = swaps_read (list);

  *r = (struct swap_room) { .used = 0 };
  if (n == -1
      || kernel_file_field ("/proc/meminfo", "MemAvailable", 10,
                            &r->available) == -1
      || kernel_file_field ("/proc/meminfo", "MemTotal", 10, &r->ram) == -1)
    return -1;
  r->available *= KIB;
  r->ram *= KIB;
  for (int i = 0; i < n; ++i)
    if (is_one_of (list[i].path, devices, count))
      r->used += list[i].used;
    else
      r->free_swap += list[i].size - list[i].used;
  r->held = r->used > 0 ? pool_holds (name) : 0;
  return 0;
}
