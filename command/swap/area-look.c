/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "command/attach/nbd-device.h"
#include "command/attach/record.h"
#include "command/base/control-client.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/proc-swaps.h"
#include "lib/base/util.h"

#include "area-look.h"

int
area_find_disk (const char *name, uint64_t *size)
{
  struct attachment a;

  if (!attach_find_watched (&a, name))
    return -1;
  *size = nbd_device_size (a.index);
  return a.index;
}

/* ---- the server ---- */

/* Asks for the pages from FIRST up to END.  The reply is the caller's; NULL:
 * none came.
 */
static json_t *
ask_usage (const char *name, uint64_t first, uint64_t end)
{
  struct server s;
  json_t *reply = NULL;
  char error[256];

  if (server_at (&s, name, CONTROL_SUFFIX) == -1)
    return NULL;
  server_try (&s, json_pack ("{s:s, s:I, s:I}", "verb", "usage",
                             "first", (json_int_t) first,
                             "end", (json_int_t) end),
              TIMEOUT, &reply, error, sizeof error);
  return reply;
}

int
area_look_at_pool (const char *name, struct areas_use *u)
{
  json_auto_t *reply = ask_usage (name, 0, 0);

  if (!reply)
    return -1;
  u->limit = json_number (reply, "mem_limit");
  u->held = json_number (reply, "mem_used_total");
  u->backing_room = json_number (reply, "backing_room");
  u->page_size = json_number (reply, "page_size");
  return u->page_size > 0 ? 0 : -1;
}

static int
look_at_area (const char *name, struct area_use *a, uint64_t page)
{
  uint64_t first = div_up (a->start, page);
  uint64_t end = (a->start + a->size) / page;
  json_auto_t *reply = ask_usage (name, first, MAX (first, end));

  if (!reply)
    return -1;
  a->stored = json_number (reply, "stored") * page;
  return 0;
}

int
area_look_at_stored (const char *name, struct areas_use *u)
{
  for (unsigned k = 0; k < AREAS_MAX; ++k)
    if (u->areas[k].size > 0
        && look_at_area (name, &u->areas[k], u->page_size) == -1)
      return -1;
  return 0;
}

/* ---- the kernel ---- */

/* All swap but that of /dev/nbdINDEX. */
static uint64_t
other_free (const struct swap_area *list, int count, int index)
{
  char disk[NBD_DEVICE_PATH_SIZE];
  uint64_t free = 0;

  nbd_device_path (disk, index);
  for (int i = 0; i < count; ++i)
    if (!swap_is_on_disk (list[i].path, disk))
      free += list[i].size - list[i].used;
  return free;
}

void
area_look_at_partitions (int index, struct areas_use *u)
{
  struct partition partitions[PARTITIONS_MAX];

  partitions_read (index, partitions);
  for (unsigned k = 0; k < AREAS_MAX; ++k) {
    struct area_use *a = &u->areas[k];

    a->start = partitions[k].start;
    a->size = partitions[k].size;
    if (a->size == 0)
      a->stored = 0;
  }
}

static void
look_at_swap (const struct swap_area *list, int count, const char *path,
              struct area_use *a)
{
  a->is_on = false;
  a->used = 0;
  for (int i = 0; i < count; ++i)
    if (strcmp (list[i].path, path) == 0) {
      a->is_on = true;
      a->used = list[i].used;
    }
}

int
area_look_at_swaps (int index, struct areas_use *u)
{
  struct swap_area list[SWAPS_MAX];
  char path[PARTITION_PATH_SIZE];
  int n = swaps_read (list);

  if (n == -1 || kernel_file_memory (&u->available, &u->ram) == -1)
    return -1;
  u->other_free = other_free (list, n, index);
  for (unsigned k = 0; k < AREAS_MAX; ++k)
    look_at_swap (list, n, partition_path (path, index, k + 1), &u->areas[k]);
  return 0;
}
