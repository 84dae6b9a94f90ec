/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram reset. */

#include <config.h>

#include <stdio.h>

#include "command/base/control-request.h"

static void
print (const json_t *reply)
{
  (void) reply;
  puts ("all pages are gone");
}

int
command_reset (const struct command *command, int argc, char *argv[])
{
  struct control_request q;

  control_request_parse (&q, command, argc, argv);
  /* Nobody shall lose the content of the wrong disk. */
  if (!q.name && !q.control)
    usage_error (command, "say which server, by NAME or --control");
  return control_request_send (&q, json_pack ("{s:s}", "verb", "reset"),
                               print);
}
