/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cutting a disk into swap areas. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/nbd-device.h"
#include "command/attach/partitions.h"
#include "command/base/output.h"
#include "command/base/proc-swaps.h"

#include "area.h"
#include "area-look.h"
#include "server.h"
#include "setup-steps.h"
#include "shutdown.h"

/* A remote server's pool has other disks, too, and what several servers hold
 * is one disk.
 */
static bool
wants_areas (const struct swap_setup *s)
{
  return s->conf.areas > 1 && s->conf.remote_count == 0
    && s->attached_count == 1;
}

/* The state lists the areas instead of the disk. */
static int
list_areas (struct swap_setup *s, int index)
{
  s->has_areas = true;
  s->state.device_count = 0;
  swap_state_add_areas (&s->state, index);
  /* They stayed on during a shutdown after which the machine went on. */
  for (unsigned k = 0; k < s->state.device_count; ++k)
    shutdown_uncover (s->state.devices[k]);
  return setup_write_state (s);
}

/* As long as a partition is open, the kernel does not drop them all. */
static void
hold_areas (struct swap_setup *s, int index)
{
  char path[PARTITION_PATH_SIZE];

  s->areas_fd = open (partition_path (path, index, 1), O_RDONLY | O_CLOEXEC);
}

/* It is swap as a whole, or of nothing: then it may be cut. */
static bool
may_be_cut (const char *device)
{
  size_t page;
  int content = swap_content (device, &page);

  return content == SWAP_EMPTY || content == SWAP_SIGNATURE;
}

/* Returns -1 with errno if the kernel does not make COUNT partitions for the
 * areas of U; then none is left.
 */
static int
add_partitions (int index, const struct areas_use *u, unsigned count)
{
  for (unsigned k = 0; k < count; ++k) {
    const struct partition p = { u->areas[k].start, u->areas[k].size };

    if (partition_add (index, k + 1, &p) == -1) {
      int err = errno;

      partitions_remove (index);
      return fail_with (err);
    }
  }
  return 0;
}

static int
cut_disk (struct swap_setup *s, int index, const char *device)
{
  struct areas_use use = {
    .disk = s->attached[0].size, .most = (unsigned) s->conf.areas,
  };
  char text[TEXT_SIZE], more[TEXT_SIZE];
  uint64_t size = 0;
  unsigned count;

  if (area_look_at_pool (s->name, &use) == -1)
    return setup_fail (s, "the server does not say how much room it has");
  count = area_plan_begin (&use);
  if (count == 0 || !may_be_cut (device))
    return 0;
  if (add_partitions (index, &use, count) == -1) {
    printf ("%s stays one area: the kernel can't make partitions of it: %s\n",
            device, strerror (errno));
    return 0;
  }
  s->cut = true;
  hold_areas (s, index);
  for (unsigned k = 0; k < count; ++k)
    size += use.areas[k].size;
  printf ("%u areas of %s, which the pool can hold at worst; more, up to %s, "
          "as it has room\n", count, text_of_size (text, size),
          text_of_size (more, use.disk));
  return list_areas (s, index);
}

int
setup_cut_areas (struct swap_setup *s)
{
  int index = s->attached[0].index;
  struct partition list[PARTITIONS_MAX];
  char device[NBD_DEVICE_PATH_SIZE];

  if (s->attached_count != 1 || s->conf.remote_count > 0)
    return 0;
  nbd_device_path (device, index);
  if (partitions_read (index, list) > 0 && !partitions_have_table (index)) {
    /* An earlier run has done it, or was killed before it used them. */
    if (swap_find_on_disk (device, NULL))
      return list_areas (s, index);
    if (partitions_remove (index) == -1)
      return setup_fail (s, "%s has partitions: %s", device,
                         strerror (errno));
  }
  return !wants_areas (s) || swap_find (device, NULL) ? 0
    : cut_disk (s, index, device);
}

int
setup_manage_areas (struct swap_setup *s)
{
  if (s->areas_fd != -1)
    close (s->areas_fd);
  s->areas_fd = -1;
  if (!s->has_areas)
    return 0;
  s->manager_started = swap_server_manage_areas (
    s->name, s->conf.priority, (unsigned) s->conf.areas, s->error,
    sizeof s->error) == 0;
  return s->manager_started ? 0 : -1;
}
