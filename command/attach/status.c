/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "command/base/proc-swaps.h"
#include "command/base/run-file.h"
#include "command/conf/conf.h"
#include "service/control-path.h"

#include "md.h"
#include "nbd-device.h"
#include "nbd-receivers.h"
#include "record.h"
#include "status.h"

static json_t *
describe_array (const char *array, int index, const char *device)
{
  char level[32];
  unsigned in_sync, members = md_count_members (array, &in_sync);

  md_read_level (array, level, sizeof level);
  return json_pack ("{s:s, s:s, s:s, s:i, s:i}", "device", device,
                    "level", level,
                    "half", md_member_text (md_member_state (array, index)),
                    "halves", (int) members, "in_sync", (int) in_sync);
}

/* SEEN is the array of the previous device: the swap on an array is shown
 * once.
 */
static json_t *
describe_attachment (const struct attachment *a, char seen[MD_NAME_SIZE])
{
  char device[NBD_DEVICE_PATH_SIZE], path[MD_DEVICE_PATH_SIZE];
  char array[MD_NAME_SIZE];
  const char *swap = device;
  bool is_shown = false;
  struct swap_area area;
  int receivers = nbd_receivers (a->index);
  json_t *object;

  nbd_device_path (device, a->index);
  object = json_pack ("{s:s, s:s, s:I, s:I, s:I, s:b}", "device", device,
                      "uri", a->uri, "size", (json_int_t) a->size,
                      "connections", (json_int_t) a->connections,
                      "reconnects", (json_int_t) a->reconnects,
                      "watched", (int) attach_is_watched (a->name));
  if (receivers != -1)
    json_object_set_new (object, "receivers", json_integer (receivers));
  if (md_find_array (array, a->index)) {
    swap = md_device_path (path, array);
    is_shown = strcmp (array, seen) == 0;
    strcpy (seen, array);
    json_object_set_new (object, "array",
                         describe_array (array, a->index, swap));
  }
  if (!is_shown && swap_find_on_disk (swap, &area))
    json_object_set_new (object, "swap",
                         json_pack ("{s:I, s:I, s:i}",
                                    "size", (json_int_t) area.size,
                                    "used", (json_int_t) area.used,
                                    "priority", area.priority));
  return object;
}

void
attach_status (json_t *reply)
{
  const char *name = json_string_value (json_object_get (reply, "name"));
  json_auto_t *list = json_array ();
  char watcher[72], array[MD_NAME_SIZE] = "";

  for (size_t k = 0; name && k < CONF_REMOTES_MAX; ++k) {
    struct attachment a;

    attach_name (watcher, sizeof watcher, name, k);
    if (attach_find_watched (&a, watcher))
      json_array_append_new (list, describe_attachment (&a, array));
  }
  if (json_array_size (list) > 0)
    json_object_set (reply, "attachments", list);
}

/* Is it the second watcher of a name, or a later one: "NAME.1"? */
static bool
is_further (const char *name)
{
  const char *dot = strrchr (name, '.');
  char path[RUN_PATH_SIZE], first[72];

  if (!dot || dot[1] == '\0' || dot[1 + strspn (dot + 1, "0123456789")])
    return false;
  snprintf (first, sizeof first, "%.*s", (int) (dot - name), name);
  return access (run_path (path, first, "attach"), F_OK) == 0;
}

static bool
has_server (const char *directory, const char *name)
{
  char path[CONTROL_PATH_SIZE];

  return control_path (path, directory, name) == 0
    && access (path, F_OK) == 0;
}

void
attach_status_remote (json_t *replies, const char *name)
{
  char directory[CONTROL_PATH_SIZE], found[72];
  const struct dirent *entry;
  CLEANUP_CLOSEDIR DIR *dir
    = opendir (control_directory (directory, sizeof directory));

  while (dir && (entry = readdir (dir)) != NULL) {
    json_auto_t *reply = NULL;

    if (!name_of_file (found, sizeof found, entry->d_name, ATTACH_SUFFIX)
        || (name && strcmp (found, name) != 0) || is_further (found)
        || has_server (directory, found))
      continue;
    reply = json_pack ("{s:s}", "name", found);
    attach_status (reply);
    if (json_object_get (reply, "attachments"))
      json_array_append (replies, reply);
  }
}
