/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram compact. */

#include <config.h>

#include <stdio.h>

#include "command/base/control-request.h"
#include "command/base/output.h"

static void
print (const json_t *reply)
{
  char text[TEXT_SIZE];

  printf ("%s given back\n",
          text_of_size (text, json_number (reply, "freed_bytes")));
}

int
command_compact (const struct command *command, int argc, char *argv[])
{
  struct control_request q;

  control_request_parse (&q, command, argc, argv);
  return control_request_send (&q, json_pack ("{s:s}", "verb", "compact"),
                               print);
}
