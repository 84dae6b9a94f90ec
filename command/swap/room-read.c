/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "command/attach/record.h"
#include "command/base/kernel-file.h"
#include "command/base/proc-swaps.h"
#include "lib/base/util.h"

#include "room.h"

static bool
is_one_of (const char *path, char devices[][32], unsigned count)
{
  for (unsigned i = 0; i < count; ++i)
    if (strcmp (path, devices[i]) == 0)
      return true;
  return false;
}

/* Is this swap area in the memory of this machine?  Then it is no room: an
 * incompressible page takes as much memory there as it frees.
 */
static bool
is_in_memory (const char *path)
{
  struct attachment a;
  int index;
  char end;

  if (strncmp (path, "/dev/zram", 9) == 0)
    return true;
  return sscanf (path, "/dev/nbd%d%c", &index, &end) == 1
    && attach_find_device (&a, index, NULL)
    && strncmp (a.uri, "nbd+unix:", 9) == 0;
}

int
swap_room_read (struct swap_room *r, char devices[][32], unsigned count)
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
    else if (!is_in_memory (list[i].path))
      r->free_swap += list[i].size - list[i].used;
  return 0;
}
