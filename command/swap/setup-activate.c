/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/device-queue.h"
#include "command/attach/nbd-device.h"
#include "command/base/kernel-file.h"
#include "command/base/proc-swaps.h"
#include "lib/base/util.h"

#include "area.h"
#include "setup-steps.h"
#include "sysctls.h"

/* ---- settings of the kernel ---- */

static int
set_sysctl (struct swap_setup *s, const char *key, uint64_t value)
{
  struct sysctl_change c;
  int r = sysctl_set (s->name, key, value, &c);

  if (r == -1)
    return setup_fail (s, "%s: %s", key, strerror (errno));
  if (r == 1)
    s->changed_sysctls[s->changed_count++] = key;
  if (strcmp (c.old, c.new) != 0)
    printf ("%s %s -> %s\n", key, c.old, c.new);
  return 0;
}

static int
set_min_free (struct swap_setup *s)
{
  uint64_t now, wanted;

  if (s->conf.min_free == CONF_KEEP)
    return 0;
  if (kernel_file_number ("/proc/sys/vm/min_free_kbytes", &now) == -1)
    return setup_fail (s, "vm.min_free_kbytes: %s", strerror (errno));
  wanted = s->conf.min_free == CONF_CHOOSE
    ? swap_min_free (s->conf.ram, now) : (uint64_t) s->conf.min_free / KIB;
  return set_sysctl (s, "vm.min_free_kbytes", wanted);
}

int
setup_set_sysctls (struct swap_setup *s)
{
  const struct conf *c = &s->conf;

  if (c->page_cluster != CONF_KEEP
      && set_sysctl (s, "vm.page-cluster", (uint64_t) c->page_cluster) == -1)
    return -1;
  if (c->swappiness != CONF_KEEP
      && set_sysctl (s, "vm.swappiness", (uint64_t) c->swappiness) == -1)
    return -1;
  return set_min_free (s);
}

int
setup_stop_read_ahead (struct swap_setup *s)
{
  char device[NBD_DEVICE_PATH_SIZE];

  /* Areas share the queue of their disk. */
  if (s->has_areas)
    queue_disable_read_ahead (nbd_device_path (device, s->attached[0].index)
                              + strlen ("/dev/"));
  else
    for (unsigned k = 0; k < s->state.device_count; ++k)
      queue_disable_read_ahead (s->state.devices[k] + strlen ("/dev/"));
  return 0;
}

/* ---- swap areas ---- */

static int
write_signature (struct swap_setup *s, const char *device, const char *label)
{
  return swap_make_area (device, label) == 0 ? 0
    : setup_fail (s, "%s: %s", device, strerror (errno));
}

static int
make_area (struct swap_setup *s, const char *device)
{
  size_t page;

  switch (swap_content (device, &page)) {
  case SWAP_SIGNATURE:
    return 0;
  case SWAP_OTHER_PAGES:
    return setup_fail (s, "%s is swap for pages of %zuK, and this "
                       "machine has pages of %ldK; to destroy it: "
                       "wipefs -a %s", device, page / 1024,
                       sysconf (_SC_PAGESIZE) / 1024, device);
  case SWAP_EMPTY:
    return write_signature (s, device, s->name);
  case SWAP_OTHER:
    return setup_fail (s, "%s holds something other than swap; to "
                       "destroy it: wipefs -a %s", device, device);
  default:
    return setup_fail (s, "%s: %s", device, strerror (errno));
  }
}

static int
turn_on (struct swap_setup *s, unsigned k, int priority)
{
  const char *device = s->state.devices[k];
  struct swap_area area;

  if (!swap_find (device, NULL)) {
    if (swap_on (device, priority) == -1)
      return setup_fail (s, "swapon %s: %s", device, strerror (errno));
    s->activated[k] = true;
  }
  if (swap_find (device, &area))
    printf ("swap active on %s, priority %d\n", device, area.priority);
  return 0;
}

static int
activate_device (struct swap_setup *s, unsigned k)
{
  if (!swap_find (s->state.devices[k], NULL)
      && make_area (s, s->state.devices[k]) == -1)
    return -1;
  return turn_on (s, k, s->conf.priority);
}

/* What an earlier run has left in the middle of the disk is nothing that
 * anyone needs.
 */
static int
make_parts (struct swap_setup *s)
{
  char label[sizeof s->state.name + 16];

  for (unsigned k = 0; k < s->state.device_count; ++k) {
    snprintf (label, sizeof label, k == 0 ? "%s" : "%s.%u", s->name, k + 1);
    if (write_signature (s, s->state.devices[k], label) == -1)
      return -1;
  }
  return 0;
}

/* Those of an earlier run are left to the process that manages them. */
static int
activate_areas (struct swap_setup *s)
{
  if (!s->cut)
    return 0;
  if (make_parts (s) == -1)
    return -1;
  for (unsigned k = 0; k < s->state.device_count; ++k)
    if (turn_on (s, k, area_priority (s->conf.priority, k)) == -1)
      return -1;
  return 0;
}

int
setup_activate (struct swap_setup *s)
{
  if (s->has_areas)
    return activate_areas (s);
  for (unsigned k = 0; k < s->state.device_count; ++k)
    if (activate_device (s, k) == -1)
      return -1;
  return 0;
}
