/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram stop. */

#include <config.h>

#include <stdio.h>

#include "options.h"
#include "supervisor-find.h"

int
command_stop (const struct command *command, int argc, char *argv[])
{
  bool force = false;
  const struct option_entry entries[] = {
    { .name = "force", .letter = 'f', .flag = &force,
      .help = "even while swap uses it: what is swapped out is lost" },
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);
  struct server s;
  json_t *reply;
  int code = supervisor_find (&s, name);

  if (code == EXIT_OK)
    code = server_ask (&s, json_pack ("{s:s, s:b}", "verb", "stop", "force",
                                      (int) force), 0, &reply);
  if (code == EXIT_OK)
    json_decref (reply);
  return code;
}
