/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "command/attach/record.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/proc-swaps.h"
#include "lib/base/util.h"

#include "room.h"

/* So much stays free for the kernel and for programs that go on running. */
#define MARGIN_LEAST (16 * MIB)

uint64_t
swap_room_margin (const struct swap_room *r)
{
  return MAX (r->ram / 32, MARGIN_LEAST);
}

uint64_t
swap_room_missing (const struct swap_room *r)
{
  uint64_t have = r->available + r->free_swap;
  uint64_t need = r->used + swap_room_margin (r);

  if (r->used == 0)
    return 0;
  return need > have ? need - have : 0;
}

const char *
swap_room_text (const struct swap_room *r, char *text, size_t size)
{
  char used[TEXT_SIZE], available[TEXT_SIZE], other[TEXT_SIZE];
  char missing[TEXT_SIZE];

  snprintf (text, size, "%s are swapped out, but only %s of memory and %s "
            "of other swap on disks are free: end programs that use %s, or "
            "add as much other swap; --force tries it anyway",
            text_of_size (used, r->used),
            text_of_size (available, r->available),
            text_of_size (other, r->free_swap),
            text_of_size (missing, swap_room_missing (r)));
  return text;
}

/* ---- the machine ---- */

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
  char end = 'p';               /* of a partition */

  if (strncmp (path, "/dev/zram", 9) == 0)
    return true;
  return sscanf (path, "/dev/nbd%d%c", &index, &end) >= 1 && end == 'p'
    && attach_find_device (&a, index, NULL)
    && strncmp (a.uri, "nbd+unix:", 9) == 0;
}

int
swap_room_read (struct swap_room *r, char devices[][32], unsigned count)
{
  struct swap_area list[SWAPS_MAX];
  int n = swaps_read (list);

  *r = (struct swap_room) { .used = 0 };
  if (n == -1 || kernel_file_memory (&r->available, &r->ram) == -1)
    return -1;
  for (int i = 0; i < n; ++i)
    if (is_one_of (list[i].path, devices, count))
      r->used += list[i].used;
    else if (!is_in_memory (list[i].path))
      r->free_swap += list[i].size - list[i].used;
  return 0;
}
