/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram swapoff: the options.  command/swap/teardown.h does the work. */

#include <config.h>

#include "command/base/control-client.h"
#include "command/base/options.h"
#include "command/conf/conf.h"
#include "command/swap/teardown.h"

int
command_swapoff (const struct command *command, int argc, char *argv[])
{
  static struct swap_teardown t = { .verb = "swapoff" };
  bool after_unit = false;
  const struct option_entry entries[] = {
    { .name = "force", .letter = 'f', .flag = &t.force,
      .help = "even if memory may be too small for its pages" },
    { .name = "no-systemd", .flag = &t.no_systemd,
      .help = "stop the server without systemd" },
    { .name = "after-unit", .flag = &after_unit,
      .help = "for ExecStopPost= of the unit" },
    { 0 },
  };
  int first = options_parse (command, argc, argv, entries);

  t.name = last_argument (command, first, argc, argv) ?: CONF_SWAP_NAME;
  if (!control_name_valid (t.name))
    usage_error (command, "'%s' can't be a name", t.name);
  return swap_teardown_command (&t, after_unit);
}
