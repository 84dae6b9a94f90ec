/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram writeback. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#include "command/base/control-request.h"
#include "command/base/output.h"

#include "range.h"

static void
print (const json_t *reply)
{
  char text[TEXT_SIZE];

  printf ("%" PRIu64 " of %" PRIu64 " pages written back, %s\n",
          json_number (reply, "written_pages"),
          json_number (reply, "tried_pages"),
          text_of_size (text, json_number (reply, "written_bytes")));
}

int
command_writeback (const struct command *command, int argc, char *argv[])
{
  struct control_request q = { .name = NULL };
  struct range range = { NULL, NULL };
  const char *type = NULL;
  const struct option_entry entries[] = {
    { .name = "type", .letter = 't', .argument = "TYPE", .string = &type,
      .help = "idle, huge, huge_idle, incompressible, or all" },
    OPTIONS_RANGE (&range),
    OPTIONS_QUESTION (&q),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  json_t *request = json_pack ("{s:s, s:s*}", "verb", "writeback",
                               "type", type);

  q.name = last_argument (command, index, argc, argv);
  if (!type && !range.pages && !range.export)
    usage_error (command, "which pages? --type, --range or --export says");
  range_put (command, &range, request);
  return control_request_send (&q, request, print);
}
