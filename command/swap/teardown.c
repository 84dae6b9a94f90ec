/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/md-setup.h"
#include "command/attach/nbd-device.h"
#include "command/attach/partitions.h"
#include "command/base/command.h"
#include "command/base/proc-swaps.h"
#include "command/base/run-file.h"
#include "lib/base/util.h"

#include "interrupt.h"
#include "remains.h"
#include "room.h"
#include "server.h"
#include "shutdown.h"
#include "sysctls.h"
#include "teardown-steps.h"

int
teardown_fail (const struct swap_teardown *t, const char *subject,
               const char *why)
{
  fprintf (stderr, "nbdzram %s: %s: %s%s%s\n", t->verb, t->name, subject,
           why ? ": " : "", why ? why : "");
  return -1;
}

/* ---- finding ---- */

/* Without NAME.swap it is not known whether there are any. */
static bool
find_areas (struct swap_teardown *t, int index)
{
  t->has_areas = t->state.areas != 1
    && swap_state_add_areas (&t->state, index);
  return t->has_areas;
}

/* Devices that are attached but not in NAME.swap belong to NAME, too: swapon
 * may have been killed between the two.
 */
static void
find_devices (struct swap_teardown *t)
{
  char watcher[72], device[NBD_DEVICE_PATH_SIZE];

  t->attached_count = 0;
  for (size_t k = 0; k < CONF_REMOTES_MAX; ++k) {
    struct attachment *a = &t->attached[t->attached_count];

    attach_name (watcher, sizeof watcher, t->name, k);
    if (!attach_find_watched (a, watcher))
      continue;
    t->attached_count++;
    if (find_areas (t, a->index))
      continue;
    if (md_find_array (t->array, a->index))
      md_device_path (device, t->array);
    else
      nbd_device_path (device, a->index);
    swap_state_add (&t->state, device);
  }
}

static bool
find_all (struct swap_teardown *t)
{
  if (!swap_exists (t->name))
    return false;
  if (swap_state_read (&t->state, t->name) == -1)
    t->state = (struct swap_state) { .device_count = 0 };
  find_devices (t);
  return true;
}

/* ---- devices ---- */

static int
detach_device (struct swap_teardown *t, unsigned k)
{
  char why[256], device[NBD_DEVICE_PATH_SIZE];

  nbd_device_path (device, t->attached[k].index);
  if (swap_server_unwatch (t->name, &t->attached[k], why, sizeof why) == -1)
    return teardown_fail (t, device, why);
  printf ("detached %s\n", device);
  return 0;
}

static int
detach_devices (struct swap_teardown *t)
{
  char device[NBD_DEVICE_PATH_SIZE];

  for (unsigned k = 0; k < t->attached_count; ++k) {
    if (partitions_remove (t->attached[k].index) == -1
        || nbd_device_busy (t->attached[k].index))
      return teardown_fail (t, nbd_device_path (
                              device, t->attached[k].index), "is in use");
    if (detach_device (t, k) == -1)
      return -1;
  }
  return 0;
}

/* When the server is dead, each read of its device waits for a new server;
 * once the device is disconnected, reads fail at once.
 */
static int
detach_lost_devices (struct swap_teardown *t)
{
  char device[NBD_DEVICE_PATH_SIZE];
  struct swap_area area;

  for (unsigned k = 0; k < t->attached_count; ++k) {
    nbd_device_path (device, t->attached[k].index);
    if (swap_find_on_disk (device, &area) && area.used > 0)
      fprintf (stderr, "nbdzram swapoff: %s: what was swapped out to %s is "
               "lost with its server\n", t->name, device);
    if (detach_device (t, k) == -1)
      return -1;
  }
  t->attached_count = 0;
  return 0;
}

/* Remove the files of watchers that were killed.  All devices are
 * disconnected by now, also one that the kernel still shows because something
 * has it open.
 */
static void
forget_attachments (struct swap_teardown *t)
{
  char watcher[72];

  for (size_t k = 0; k < CONF_REMOTES_MAX; ++k)
    attach_remove (attach_name (watcher, sizeof watcher, t->name, k));
}

static int
stop_array (struct swap_teardown *t)
{
  char why[256], path[MD_DEVICE_PATH_SIZE];

  if (t->array[0] == '\0')
    return 0;
  if (md_stop (t->array, why, sizeof why) == -1)
    return teardown_fail (t, md_device_path (path, t->array), why);
  printf ("stopped /dev/%s\n", t->array);
  return 0;
}

/* ---- swap ---- */

/* What is swapped can only be read while a server runs and a watcher keeps it
 * connected, so start a supervisor where there is none.
 */
static int
revive_server (struct swap_teardown *t)
{
  char why[256], path[RUN_PATH_SIZE];

  t->lost = swap_is_lost (t->name);
  if (t->lost)
    return detach_lost_devices (t);
  if (access (run_path (path, t->name, "run"), F_OK) == -1
      || swap_server_is_running (t->name)
      || swap_server_start (t->name, false, why, sizeof why) == 0
      || swap_server_is_alive (t->name))
    return 0;
  return teardown_fail (t, why, NULL);
}

static int
check_room (struct swap_teardown *t)
{
  struct swap_room room;
  char text[256];

  if (swap_room_read (&room, t->state.devices, t->state.device_count) == -1)
    return teardown_fail (t, "/proc", strerror (errno));
  if (swap_room_missing (&room) == 0 || t->force)
    return 0;
  swap_room_text (&room, text, sizeof text);
  return teardown_fail (t, text, NULL);
}

/* It may have added an area since they were listed. */
static void
end_manager (struct swap_teardown *t)
{
  if (!t->has_areas)
    return;
  if (swap_server_end_areas (t->name) == -1)
    fprintf (stderr, "nbdzram swapoff: %s: the process that manages areas "
             "does not end\n", t->name);
  find_devices (t);
}

/* The swap stays on.  When the machine goes down, no area must come that is
 * not covered.
 */
static void
manage_again (struct swap_teardown *t)
{
  unsigned most = t->state.areas > 0 ? t->state.areas : CONF_AREAS_MAX;
  char why[256];

  if (t->has_areas && !t->lost && !t->shutdown
      && swap_server_manage_areas (t->name, t->state.priority, most, why,
                                   sizeof why) == -1)
    teardown_fail (t, "its areas are not managed any more", why);
}

/* The last areas have the least to read back, and what does not fit in memory
 * can still go to the first ones.
 */
static int
turn_all_off (struct swap_teardown *t)
{
  for (unsigned i = t->state.device_count; i-- > 0; )
    if (teardown_deactivate (t, t->state.devices[i]) == -1)
      return -1;
  return 0;
}

static int
deactivate (struct swap_teardown *t)
{
  for (unsigned i = 0; i < t->state.device_count; ++i)
    shutdown_uncover (t->state.devices[i]);
  if (revive_server (t) == -1 || (t->mount && teardown_unmount (t) == -1))
    return -1;
  end_manager (t);
  if ((t->lost || check_room (t) == 0) && turn_all_off (t) == 0)
    return 0;
  manage_again (t);
  return -1;
}

/* ---- the rest ---- */

static int
stop_server (struct swap_teardown *t)
{
  bool unit = !t->no_systemd && swap_server_is_unit (t->name);
  bool runs = swap_server_is_running (t->name);
  char why[256];

  if (t->lost) {
    swap_remains_remove (t->name);
    return 0;
  }
  if (swap_server_stop (t->name, unit, why, sizeof why) == -1)
    return teardown_fail (t, why, NULL);
  if (runs)
    printf ("stopped server %s\n", t->name);
  return 0;
}

static void
print_sysctl (const char *key, enum sysctl_end end,
              const struct sysctl_change *c)
{
  if (end == SYSCTL_RESTORED)
    printf ("%s %s -> %s\n", key, c->new, c->old);
  else if (end == SYSCTL_FOREIGN)
    printf ("%s was changed by another program: it stays as it is\n", key);
  else if (end == SYSCTL_IN_USE)
    printf ("%s stays as it is: another swap needs it\n", key);
}

/* Finds no entries where a unit was stopped, which has restored them. */
static int
restore_sysctls (struct swap_teardown *t)
{
  struct sysctl_change c;
  char key[64];

  while (sysctl_last (t->name, key, sizeof key) == 0) {
    int end = sysctl_release (t->name, key, &c);

    if (end == -1)
      return teardown_fail (t, key, strerror (errno));
    print_sysctl (key, (enum sysctl_end) end, &c);
  }
  return errno == ENOENT ? 0
    : teardown_fail (t, "kernel.sysctls", strerror (errno));
}

/* Also the files of a process that was killed while it wrote them. */
static void
remove_files (const struct swap_teardown *t)
{
  static const char *const suffixes[] = {
    "conf", "conf.new", "mkfs.new", "mkfs", "swap.new", "swap",
  };

  for (size_t i = 0; i < ARRAY_SIZE (suffixes); ++i)
    run_remove (t->name, suffixes[i]);
}

/* ---- all of it ---- */

static int
take_down (struct swap_teardown *t)
{
  interrupt_catch ();
  t->shutdown = shutdown_has_begun ();
  if (deactivate (t) == -1) {
    if (!t->shutdown)
      return -1;
    /* --after-unit covers the device when the supervisor has ended. */
    printf ("%s %s stays on until the machine is off\n",
            t->mount ? "disk" : "swap", t->name);
    return 0;
  }
  if (stop_array (t) == -1 || detach_devices (t) == -1
      || stop_server (t) == -1)
    return -1;
  forget_attachments (t);
  if (restore_sysctls (t) == -1)
    return -1;
  remove_files (t);
  printf (t->mount ? "disk %s is gone\n" : "swap %s is off\n", t->name);
  return 0;
}

int
swap_teardown_command (struct swap_teardown *t, bool after_unit)
{
  char where[PATH_MAX];
  bool found;

  if (geteuid () != 0) {
    teardown_fail (t, "this needs root", NULL);
    return EXIT_FAILED;
  }
  found = find_all (t);
  if (after_unit)
    return teardown_after_unit (t) == 0 ? EXIT_OK : EXIT_FAILED;
  if (!found) {
    teardown_fail (t, t->mount ? "there is no such disk"
                   : "there is no such swap", NULL);
    return EXIT_NO_SERVER;
  }
  if (teardown_is_elsewhere (t, where)) {
    fprintf (stderr, "nbdzram umount: %s: the disk is mounted on %s, and not "
             "on %s: to undo that: nbdzram umount %s\n", t->name, where,
             t->directory, t->name);
    return EXIT_FAILED;
  }
  setvbuf (stdout, NULL, _IOLBF, 0); /* in order with errors, in a journal */
  return take_down (t) == 0 ? EXIT_OK : EXIT_FAILED;
}
