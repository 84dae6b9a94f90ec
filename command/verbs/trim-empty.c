/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram trim-empty. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#include "command/base/control-request.h"
#include "command/base/output.h"

static void
print (const json_t *reply)
{
  printf ("%" PRIu64 " pages trimmed\n", json_number (reply, "trimmed_pages"));
}

int
command_trim_empty (const struct command *command, int argc, char *argv[])
{
  struct control_request q;

  control_request_parse (&q, command, argc, argv);
  return control_request_send (&q, json_pack ("{s:s}", "verb", "trim-empty"),
                               print);
}
