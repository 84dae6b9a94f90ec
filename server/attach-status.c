/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>

#include "attach-status.h"
#include "conf.h"
#include "nbd-device.h"
#include "run-file.h"
#include "swap-server.h"
#include "swaps.h"

static json_t *
describe (const struct attachment *a)
{
  char device[NBD_DEVICE_PATH_SIZE];
  struct swap_area area;
  json_t *object;

  nbd_device_path (device, a->index);
  object = json_pack ("{s:s, s:s, s:I, s:I, s:I}", "device", device,
                      "uri", a->uri, "size", (json_int_t) a->size,
                      "connections", (json_int_t) a->connections,
                      "reconnects", (json_int_t) a->reconnects);
  if (swap_find (device, &area))
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
  json_t *list = json_array ();
  char watcher[72];

  for (size_t k = 0; name && k < CONF_REMOTES_MAX; ++k) {
    struct attachment a;

    swap_watcher_name (watcher, sizeof watcher, name, k);
    if (swap_server_attached (watcher, &a))
      json_array_append_new (list, describe (&a));
  }
  if (json_array_size (list) > 0)
    json_object_set (reply, "attachments", list);
  json_decref (list);
}
