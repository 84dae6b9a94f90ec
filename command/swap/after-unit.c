/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram swapoff --after-unit and umount --after-unit, ExecStopPost= of
 * nbdzram-swap@.service and nbdzram-mount@.service.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "shutdown.h"
#include "teardown-steps.h"

static int
cover_devices (struct swap_teardown *t)
{
  int r = 0;

  for (unsigned i = 0; i < t->state.device_count; ++i)
    if (shutdown_cover (t->state.devices[i]) == -1)
      r = teardown_fail (t, t->state.devices[i], strerror (errno));
  shutdown_read_command_lines ();
  return r;
}

/* systemd sets the environment, as systemd.exec(5) tells. */
static bool
unit_exited_normally (void)
{
  const char *code = getenv ("EXIT_CODE"), *status = getenv ("EXIT_STATUS");

  return code && strcmp (code, "exited") == 0
    && status && strcmp (status, "0") == 0;
}

/* The swap stays on for good at shutdown.  Otherwise there was no room to
 * turn it off, and it needs a supervisor again; systemd itself starts one
 * that was killed.
 */
int
teardown_after_unit (struct swap_teardown *t)
{
  char why[256];

  if (!(t->mount ? teardown_is_mounted (t)
        : swap_state_is_active (&t->state)))
    return 0;
  if (shutdown_has_begun ())
    return t->mount ? 0 : cover_devices (t);
  if (!unit_exited_normally ())
    return 0;
  if (swap_server_unit_start (t->name, why, sizeof why) == -1)
    return teardown_fail (t, why, NULL);
  printf ("%s %s is still on: starting its unit again\n",
          t->mount ? "disk" : "swap", t->name);
  return 0;
}
