/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/nbd.h>

#include "command/attach/nbd-dial.h"

#include "check-swap.h"
#include "remains.h"
#include "server.h"
#include "setup-steps.h"

#define DIAL_MS 5000

void
swap_setup_forget_earlier (const struct swap_setup *s)
{
  struct swap_state state;
  char path[4096];

  swap_remains_turn_off (s->name);
  conf_run_path (path, sizeof path, s->name);
  if (!swap_server_is_running (s->name)
      && swap_state_read (&state, s->name) == -1 && errno == ENOENT)
    unlink (path);
}

/* ---- remote servers ---- */

/* A server that can't be reached is found here, where the user sees the
 * message, and not later by a watcher.
 */
static int
probe_remote (struct swap_setup *s, const char *uri)
{
  struct nbd_address address;
  struct nbd_dial dial;

  if (nbd_resolve (&address, uri, s->error, sizeof s->error) == -1)
    return -1;
  if (nbd_dial (&dial, &address, DIAL_MS) == -1)
    return setup_fail (s, "%s: %s", uri, dial.error);
  nbd_dialed_close (&dial.result);
  if (s->conf.connections > 1
      && !(dial.result.flags & NBD_FLAG_CAN_MULTI_CONN))
    return setup_fail (s, "%s: the server allows no more than one connection",
                       uri);
  return 0;
}

/* A member that is missing may have newer content of a disk; but what is
 * swapped belongs to this boot, so a mirror of swap may begin without it.
 */
static bool
can_begin_degraded (const struct swap_setup *s)
{
  return s->conf.mirror && !s->conf.attach_only;
}

int
setup_probe_remotes (struct swap_setup *s)
{
  char watcher[sizeof s->attached[0].name];
  size_t unreachable = 0;

  for (size_t k = 0; k < s->conf.remote_count; ++k) {
    struct attachment a;

    attach_name (watcher, sizeof watcher, s->name, k);
    if (attach_find_watched (&a, watcher)
        || probe_remote (s, s->conf.remotes[k]) == 0)
      continue;
    if (!can_begin_degraded (s) || ++unreachable == s->conf.remote_count)
      return -1;
    s->unreachable[k] = true;
    printf ("%s: the mirror begins without it\n", s->error);
  }
  return 0;
}

/* ---- the server of this machine ---- */

static int
check_may_attach (struct swap_setup *s)
{
  char unit[128];

  if (swap_server_may_attach (s->name, unit, sizeof unit))
    return 0;
  if (unit[0] == '\0')
    return setup_fail (s, "its server may not attach a device, since it was "
                       "started without --swap or without CAP_SYS_ADMIN: stop "
                       "it, which loses the content of the disk, and run this "
                       "command again");
  return setup_fail (s, "its server is %s, which may not attach a device: "
                     "stop that unit, which loses the content of the disk, "
                     "and start %s%s.service instead", unit,
                     swap_server_unit_template (), s->name);
}

/* The server reads its settings from a file, since systemd passes nothing
 * else on.
 */
int
setup_start_server (struct swap_setup *s)
{
  char path[4096];
  bool existed;

  if (swap_server_is_running (s->name)) {
    if (check_may_attach (s) == -1)
      return -1;
    printf ("server %s runs already, with the settings that it was "
            "started with\n", s->name);
    return 0;
  }
  conf_run_path (path, sizeof path, s->name);
  existed = access (path, F_OK) == 0;
  if (conf_write (&s->conf, path, s->error, sizeof s->error) == -1)
    return -1;
  s->conf_created = !existed;
  swap_check_forget_refusal (s->name);
  if (swap_server_start (s->name, s->unit, s->error, sizeof s->error) == -1) {
    swap_check_print_refusal (s->name);
    return -1;
  }
  s->server_started = true;
  if (s->unit)
    printf ("started %s.service for %s\n", swap_server_unit_template (),
            s->name);
  else
    printf ("started %s %s\n",
            s->conf.remote_count > 0 ? "supervisor" : "server", s->name);
  return 0;
}
