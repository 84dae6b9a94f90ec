/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram watch with a fake netlink (netlink.c); the rest is real. */

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
