/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/nbd-device.h"
#include "command/attach/nbd-dial.h"
#include "command/attach/record.h"
#include "command/base/proc-swaps.h"
#include "command/base/run-file.h"
#include "command/conf/conf.h"
#include "command/supervisor/find.h"
#include "lib/base/util.h"
#include "service/control-path.h"
#include "service/control-socket.h"
#include "service/set-error.h"

#include "area.h"
#include "remains.h"
#include "server.h"
#include "sysctls.h"

#define DIAL_MS 5000
#define BLOCK_SIZE 4096         /* of an attached device */

static bool
has_file (const char *name, const char *suffix)
{
  char path[RUN_PATH_SIZE];

  return access (run_path (path, name, suffix), F_OK) == 0;
}

/* Also true if a device was attached, and its watcher died before it restored
 * the settings of the device's queue.
 */
static bool
is_attached (const char *name)
{
  char watcher[72];
  struct attachment a;

  for (size_t k = 0; k < CONF_REMOTES_MAX; ++k)
    if (attach_read (&a, attach_name (watcher, sizeof watcher, name, k)) == 0)
      return true;
  return false;
}

bool
swap_exists (const char *name)
{
  static const char *const suffixes[] = {
    "swap", "swap.new", "run", "conf", "conf.new", "mkfs", "mkfs.new",
  };
  char key[64];

  for (size_t i = 0; i < ARRAY_SIZE (suffixes); ++i)
    if (has_file (name, suffixes[i]))
      return true;
  return sysctl_last (name, key, sizeof key) == 0 || is_attached (name)
    || swap_server_is_running (name);
}

/* ---- processes ---- */

/* Does a process listen on the socket, even if it is too busy to answer?  True
 * if that can't be found out.
 */
static bool
is_listening (const char *name, const char *suffix)
{
  char path[RUN_PATH_SIZE];
  int alive = control_socket_is_alive (run_path (path, name, suffix));

  return alive == 1 || (alive == -1 && errno != ENOENT);
}

bool
swap_server_is_alive (const char *name)
{
  char path[RUN_PATH_SIZE], directory[RUN_PATH_SIZE];
  json_auto_t *found = NULL;

  snprintf (path, sizeof path, "%s/%s",
            control_directory (directory, sizeof directory), name);
  found = find_processes (path);
  return json_array_size (json_object_get (found, "generations")) > 0
    || is_listening (name, "ctl");
}

/* ---- pages ---- */

/* For a swap without NAME.run: was its device attached to a local socket? */
static bool
is_local (const char *name)
{
  struct attachment a;

  return attach_read (&a, name) == 0
    && strncmp (a.uri, "nbd+unix:", strlen ("nbd+unix:")) == 0;
}

bool
swap_is_lost (const char *name)
{
  json_auto_t *run = run_read (name, "run");
  bool in_memory = run
    ? json_integer_value (json_object_get (run, "pool")) >= 0
      && json_array_size (json_object_get (run, "argv")) > 0
    : is_local (name);

  return in_memory && !is_listening (name, "sup")
    && !swap_server_is_alive (name);
}

/* ---- cleaning up ---- */

/* Turns off the swap on DISK, and on its partitions.  0, or -1 with errno. */
static int
turn_off_all (const char *disk)
{
  struct swap_area list[SWAPS_MAX];
  int count = swaps_read (list), r = count == -1 ? -1 : 0;

  for (int i = 0; i < count; ++i)
    if (swap_is_on_disk (list[i].path, disk) && swap_off (list[i].path) == -1)
      r = -1;
  return r;
}

void
swap_remains_turn_off (const char *name)
{
  char device[NBD_DEVICE_PATH_SIZE], why[256];
  struct swap_area area;
  struct attachment a;

  if (swap_is_lost (name) && swap_server_is_orphaned (name, name, &a)
      && swap_find_on_disk (nbd_device_path (device, a.index), &area)
      && area.used == 0
      && swap_server_unwatch (name, &a, why, sizeof why) == 0
      && turn_off_all (device) == 0)
    printf ("turned off swap on %s, whose server is gone\n", device);
}

/* Does URI serve the disk that A was attached to? */
static bool
is_same_disk (const struct attachment *a, const char *uri)
{
  struct nbd_address address;
  struct nbd_dial dial;
  char why[256];

  if (nbd_resolve (&address, uri, why, sizeof why) == -1
      || nbd_dial (&dial, &address, DIAL_MS) == -1)
    return true;                /* unknown: leave it to the watcher */
  nbd_dialed_close (&dial.result);
  return strcmp (dial.result.description, a->description) == 0
    && dial.result.size / BLOCK_SIZE == a->size / BLOCK_SIZE;
}

/* This can't test whether something other than swap uses the device: to open
 * it would read from it.
 */
int
swap_remains_detach (const char *name, const char *watcher, const char *uri,
                     char *error, size_t size)
{
  char device[NBD_DEVICE_PATH_SIZE];
  struct attachment a;

  if (!swap_server_is_orphaned (name, watcher, &a) || is_same_disk (&a, uri))
    return 0;
  nbd_device_path (device, a.index);
  if (swap_find_on_disk (device, NULL))
    return set_error (error, size, "%s is in use as swap, and what was "
                      "swapped out is lost: run nbdzram swapoff %s", device,
                      name);
  if (swap_server_unwatch (name, &a, error, size) == -1)
    return -1;
  printf ("detached %s, whose server is gone\n", device);
  return 0;
}

void
swap_remains_remove (const char *name)
{
  static const char *const suffixes[] = {
    "run", "run.new", "sup", "ctl", "sock",
  };

  for (size_t i = 0; i < ARRAY_SIZE (suffixes); ++i)
    run_remove (name, suffixes[i]);
  attach_remove (name);
}
