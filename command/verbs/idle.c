/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram idle: all, or a number of seconds, as zram's attribute. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/base/control-request.h"
#include "command/base/output.h"
#include "service/parse-number.h"

static void
print (const json_t *reply)
{
  printf ("%" PRIu64 " pages are idle\n", json_number (reply, "idle_pages"));
}

static uint64_t
parse_age (const struct command *command, const char *s)
{
  uint64_t age;

  if (!s)
    usage_error (command, "which pages, all or those of an AGE?");
  if (strcmp (s, "all") == 0)
    return 0;
  if (!parse_number (s, false, &age) || age == 0 || age > INT64_MAX)
    usage_error (command, "%s: neither 'all' nor a number of seconds", s);
  return age;
}

int
command_idle (const struct command *command, int argc, char *argv[])
{
  struct control_request q = { .name = NULL };
  const struct option_entry entries[] = { OPTIONS_QUESTION (&q), { 0 } };
  int index = options_parse (command, argc, argv, entries);
  uint64_t age = parse_age (command, index < argc ? argv[index] : NULL);

  q.name = last_argument (command, index + 1, argc, argv);
  return control_request_send (&q, json_pack ("{s:s, s:I}", "verb", "idle",
                                              "age", (json_int_t) age), print);
}
