/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram stop. */

#include <config.h>

#include "command/base/options.h"
#include "command/supervisor/request.h"

int
command_stop (const struct command *command, int argc, char *argv[])
{
  bool force = false;
  const struct option_entry entries[] = {
    { .name = "force", .letter = 'f', .flag = &force,
      .help = "even while in use as swap: swapped-out pages are lost" },
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);
  json_auto_t *reply = NULL;

  return supervisor_ask (name, json_pack ("{s:s, s:b}", "verb", "stop",
                                          "force", (int) force), &reply);
}
