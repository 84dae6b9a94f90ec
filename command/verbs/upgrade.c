/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram upgrade. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#include "command/base/options.h"
#include "command/base/output.h"
#include "command/supervisor/request.h"

static void
print_versions (const json_t *reply)
{
  printf ("version %s instead of %s, after a pause of %" PRIu64 " ms\n",
          json_text (reply, "new_version"), json_text (reply, "old_version"),
          json_number (reply, "pause_ms"));
}

int
command_upgrade (const struct command *command, int argc, char *argv[])
{
  bool json = false;
  const struct option_entry entries[] = {
    { .name = "json", .letter = 'J', .flag = &json,
      .help = "print the supervisor's reply" },
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);
  json_auto_t *reply = NULL;
  int code = supervisor_ask (name, json_pack ("{s:s}", "verb", "upgrade"),
                             &reply);

  if (code != EXIT_OK)
    return code;
  if (json)
    return print_json (json_incref (reply));
  print_versions (reply);
  return EXIT_OK;
}
