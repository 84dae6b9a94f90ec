/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram watch as it is, but for its netlink: see netlink.c. */

#include <config.h>

#include "command/base/command.h"

int
main (int argc, char *argv[])
{
  static const struct command watch = {
    .name = "watch", .arguments = "NAME", .summary = "", .run = command_watch,
  };

  return watch.run (&watch, argc, argv);
}
