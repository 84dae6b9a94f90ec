/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/md-setup.h"
#include "command/attach/nbd-device.h"
#include "command/attach/partitions.h"
#include "command/base/run-file.h"

#include "area.h"
#include "server.h"
#include "setup-steps.h"
#include "sysctls.h"

static void
report_undo (const struct swap_setup *s, const char *what, int r,
             const char *why)
{
  if (r == 0)
    printf ("undone: %s\n", what);
  else
    fprintf (stderr, "nbdzram %s: %s: %s\n", s->verb, what, why);
}

static void
deactivate (struct swap_setup *s)
{
  for (unsigned k = s->state.device_count; k-- > 0; )
    if (s->activated[k]) {
      int r = swap_off (s->state.devices[k]);

      report_undo (s, s->state.devices[k], r, strerror (errno));
    }
}

static void
detach_devices (struct swap_setup *s)
{
  char why[256] = "", device[NBD_DEVICE_PATH_SIZE];
  char watcher[sizeof s->attached[0].name];

  if (s->array.begun && s->array.name[0] != '\0')
    report_undo (s, "array", md_stop (s->array.name, why, sizeof why), why);
  for (size_t k = 0; k < s->conf.remote_count; ++k)
    if (s->watcher_dials[k])
      swap_server_cancel_watch (s->name, attach_name (watcher, sizeof watcher,
                                                s->name, k));
  for (unsigned k = s->attached_count; k-- > 0; )
    if (s->watcher_started[k]) {
      nbd_device_path (device, s->attached[k].index);
      report_undo (s, device, swap_server_unwatch (s->name, &s->attached[k],
                                                   why, sizeof why), why);
    }
}

static void
restore_sysctls (struct swap_setup *s)
{
  for (unsigned i = s->changed_count; i-- > 0; ) {
    struct sysctl_change c;
    int r = sysctl_release (s->name, s->changed_sysctls[i], &c);

    report_undo (s, s->changed_sysctls[i], r == -1 ? -1 : 0, strerror (errno));
  }
}

void
setup_undo (struct swap_setup *s)
{
  char why[256] = "", path[4096];

  if (s->manager_started)
    swap_server_end_areas (s->name);
  setup_undo_mount (s);
  deactivate (s);
  if (s->areas_fd != -1)
    close (s->areas_fd);
  if (s->cut && partitions_remove (s->attached[0].index) == -1)
    report_undo (s, "areas", -1, strerror (errno));
  detach_devices (s);
  restore_sysctls (s);
  if (s->server_started)
    report_undo (s, "server", swap_server_stop (s->name, s->unit, why,
                                             sizeof why), why);
  if (s->conf_created) {
    conf_run_path (path, sizeof path, s->name);
    unlink (path);
  }
  /* swapoff needs the state if something could not be undone. */
  if (s->state_created && !swap_state_is_active (&s->state)) {
    swap_state_remove (s->name);
    run_remove (s->name, "mkfs");
  }
  /* Or systemd would start the supervisor of a unit again and again. */
  if (!s->unit && !s->server_started && getenv ("MAINPID"))
    swap_server_stop_failed (s->name);
}
