/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command/attach/nbd-device.h"
#include "command/base/output.h"
#include "command/base/proc-swaps.h"
#include "command/base/run-program.h"
#include "lib/base/util.h"

#include "check-swap.h"
#include "interrupt.h"
#include "setup-steps.h"
#include "shutdown.h"
#include "sysctls.h"

int
setup_fail (struct swap_setup *s, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vsnprintf (s->error, sizeof s->error, format, ap);
  va_end (ap);
  return -1;
}

/* ---- steps about the machine ---- */

static int
check_real_time_allowed (struct swap_setup *s)
{
  return swap_check_real_time (s->name) ? 0
    : setup_fail (s, "no server of swap can run without "
                  "real-time priority");
}

static int
load_nbd_module (struct swap_setup *s)
{
  const char *const argv[] = { "modprobe", "nbd", NULL };
  char why[256];

  if (nbd_is_loaded ())
    return 0;
  if (run_program (argv, why, sizeof why) == -1 || !nbd_is_loaded ())
    return setup_fail (s, "this kernel has no nbd: %s", errno == EIO ? why
                       : "modprobe nbd did not load it");
  puts ("loaded nbd");
  return 0;
}

/* Swap that is on already is no safer when the supervisor of a unit, which
 * was started again, is ended.
 */
static bool
can_refuse (const struct swap_setup *s)
{
  bool any_off = false;

  for (unsigned k = 0; k < s->state.device_count; ++k)
    any_off = any_off || !swap_find (s->state.devices[k], NULL);
  return any_off && !s->conf.force;
}

/* Ask the kernel about all processes, which run by now, before the first page
 * is swapped.
 */
static int
check_safety (struct swap_setup *s)
{
  const struct swap_check c = {
    .name = s->name, .remote = s->conf.remote_count > 0,
    .refuse = can_refuse (s),
  };

  switch (swap_check (&c)) {
  case SWAP_REFUSED:
    return setup_fail (s, "swap would not be safe: see above what is "
                       "missing; to swap anyway: --force, or force = on in "
                       "%s.conf", s->name);
  case SWAP_UNKNOWN:
    return setup_fail (s, "can't check whether swap is safe: the server "
                       "does not answer");
  default:
    return 0;
  }
}

/* ---- the state ---- */

int
swap_setup_read_state (struct swap_setup *s)
{
  if (sysctls_import () == -1)
    return setup_fail (s, "kernel.sysctls: %s", strerror (errno));
  if (swap_state_read (&s->state, s->name) == -1) {
    if (errno != ENOENT)
      return setup_fail (s, "%s.swap: %s", s->name, strerror (errno));
    s->state_created = true;
    s->state = (struct swap_state) { .device_count = 0 };
    snprintf (s->state.name, sizeof s->state.name, "%s", s->name);
  }
  s->state.priority = s->conf.priority;
  s->state.areas = (unsigned) s->conf.areas;
  /* It stayed on during a shutdown after which the machine went on. */
  for (unsigned i = 0; i < s->state.device_count; ++i)
    shutdown_uncover (s->state.devices[i]);
  return 0;
}

/* ---- all steps ---- */

/* The sysctls come before the first page is swapped: with too little memory
 * in reserve, the first pages may be the last.  The state is read after the
 * server was started, as the unit has run this command, too.
 */
static const struct {
  int (*run) (struct swap_setup *s);
  enum { ALWAYS, FOR_SWAP, FOR_MOUNT } when;
} steps[] = {
  { check_real_time_allowed, ALWAYS },
  { load_nbd_module, ALWAYS },
  { setup_probe_remotes, ALWAYS },
  { setup_start_server, ALWAYS },
  { swap_setup_read_state, ALWAYS },
  { setup_attach, ALWAYS },
  { setup_join_array, ALWAYS },
  { setup_cut_areas, FOR_SWAP },
  { setup_set_sysctls, FOR_SWAP },
  { setup_stop_read_ahead, FOR_SWAP },
  { check_safety, FOR_SWAP },
  { setup_activate, FOR_SWAP },
  { setup_manage_areas, FOR_SWAP },
  { setup_make_file_system, FOR_MOUNT },
  { setup_mount, FOR_MOUNT },
};

static int
run_steps (struct swap_setup *s)
{
  for (size_t i = 0; i < ARRAY_SIZE (steps); ++i) {
    if (is_interrupted ())
      return setup_fail (s, "interrupted");
    if ((steps[i].when == FOR_SWAP && s->conf.attach_only)
        || (steps[i].when == FOR_MOUNT && !s->mount))
      continue;
    if (steps[i].run (s) == -1)
      return -1;
    output_flush ();
  }
  return 0;
}

int
swap_setup_run (struct swap_setup *s)
{
  s->areas_fd = -1;
  interrupt_catch ();
  if (run_steps (s) == 0)
    return 0;
  output_flush ();
  fprintf (stderr, "nbdzram %s: %s: %s\n", s->verb, s->name, s->error);
  setup_undo (s);
  return -1;
}
