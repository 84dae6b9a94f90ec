/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/attach/nbd-device.h"
#include "command/attach/nbd-netlink.h"
#include "command/base/output.h"

#include "remains.h"
#include "server.h"
#include "setup-steps.h"

int
setup_write_state (struct swap_setup *s)
{
  if (swap_state_write (&s->state) == -1)
    return setup_fail (s, "%s.swap: %s", s->name, strerror (errno));
  return 0;
}

static void
print_attached (const struct attachment *a)
{
  char text[TEXT_SIZE];
  bool tcp = strncmp (a->uri, "nbd://", strlen ("nbd://")) == 0;

  printf ("attached /dev/nbd%d (%s, %" PRIu64 " connections%s%s)\n",
          a->index, text_of_size (text, a->size), a->connections,
          tcp ? ", " : "", tcp ? a->uri : "");
}

/* Have a watcher attach a device when the Kth remote can be reached. */
static int
attach_later (struct swap_setup *s, size_t k)
{
  char watcher[sizeof s->attached[0].name];
  int known;

  attach_name (watcher, sizeof watcher, s->name, k);
  known = swap_server_watch_later (s->name, watcher, s->conf.remotes[k],
                                   &s->conf, s->error, sizeof s->error);
  s->watcher_dials[k] = known == 0;
  return known == -1 ? -1 : 0;
}

/* Have the Kth watcher attach a device to URI now. */
static int
attach_now (struct swap_setup *s, size_t k, const char *uri)
{
  struct attachment *a = &s->attached[s->attached_count];
  char watcher[sizeof a->name], device[NBD_DEVICE_PATH_SIZE];
  bool before;

  attach_name (watcher, sizeof watcher, s->name, k);
  if (swap_remains_detach (s->name, watcher, uri, s->error, sizeof s->error)
      == -1)
    return -1;
  before = attach_find_watched (a, watcher);
  if (swap_server_watch (s->name, watcher, uri, &s->conf, a, s->error,
                         sizeof s->error) == -1)
    return -1;
  s->watcher_started[s->attached_count++] = !before;
  print_attached (a);
  nbd_device_path (device, a->index);
  swap_state_add (&s->state, device);
  return setup_write_state (s);
}

/* The user sees here what would keep each watcher from attaching a device,
 * and need not find it in a log.
 */
static int
probe_netlink (struct swap_setup *s)
{
  struct nbd_netlink nl;

  if (nbd_open (&nl) == -1)
    return setup_fail (s, "%s", nl.error);
  nbd_close_netlink (&nl);
  return 0;
}

static int
attach_local (struct swap_setup *s)
{
  char uri[1024];

  if (swap_server_uri (uri, sizeof uri, s->name, s->error, sizeof s->error)
      == -1)
    return -1;
  return attach_now (s, 0, uri);
}

int
setup_attach (struct swap_setup *s)
{
  if (probe_netlink (s) == -1)
    return -1;
  s->state.device_count = 0;
  if (s->conf.remote_count == 0)
    return attach_local (s);
  for (size_t k = 0; k < s->conf.remote_count; ++k)
    if ((s->unreachable[k] ? attach_later (s, k)
         : attach_now (s, k, s->conf.remotes[k])) == -1)
      return -1;
  return 0;
}

int
setup_join_array (struct swap_setup *s)
{
  struct array *a = &s->array;

  if (!s->conf.mirror && !s->conf.stripe)
    return 0;
  *a = (struct array) { .title = s->name, .mirror = s->conf.mirror };
  for (unsigned k = 0; k < s->attached_count; ++k)
    a->index[a->count++] = s->attached[k].index;
  a->missing = (unsigned) s->conf.remote_count - a->count;
  if (array_join (a, s->error, sizeof s->error) == -1)
    return -1;
  s->state.device_count = 1;
  md_device_path (s->state.devices[0], a->name);
  return setup_write_state (s);
}
