/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <signal.h>

#include "interrupt.h"

static volatile sig_atomic_t interrupted;

static void
on_signal (int signal)
{
  (void) signal;
  interrupted = 1;
}

static void
set_handler (void (*handler) (int))
{
  const struct sigaction action = { .sa_handler = handler };

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
}

void
interrupt_catch (void)
{
  set_handler (on_signal);
}

void
interrupt_restore (void)
{
  set_handler (SIG_DFL);
}

bool
is_interrupted (void)
{
  return interrupted;
}
