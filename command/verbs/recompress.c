/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram recompress. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/base/control-request.h"
#include "command/base/output.h"
#include "lib/base/util.h"

#include "range.h"

static void
print (const json_t *reply)
{
  char text[TEXT_SIZE];

  printf ("%" PRIu64 " of %" PRIu64 " pages recompressed, %s saved; %" PRIu64
          " found incompressible\n",
          json_number (reply, "recompressed_pages"),
          json_number (reply, "tried_pages"),
          text_of_size (text, json_number (reply, "saved_bytes")),
          json_number (reply, "incompressible_pages"));
}

/* Zero stands for an option that was not given. */
static void
put_number (json_t *request, const char *key, uint64_t n)
{
  if (n != 0)
    json_object_set_new (request, key, json_integer ((json_int_t) n));
}

int
command_recompress (const struct command *command, int argc, char *argv[])
{
  struct control_request q = { .name = NULL };
  struct range range = { NULL, NULL };
  const char *type = NULL;
  uint64_t threshold = 0, max_pages = 0, priority = 0;
  bool group = false;
  const struct option_entry entries[] = {
    { .name = "type", .letter = 't', .argument = "TYPE", .string = &type,
      .help = "idle, huge, huge_idle, stale, or all (the default)" },
    { .name = "threshold", .argument = "BYTES", .size = &threshold, .min = 1,
      .help = "only pages that take so much or more" },
    { .name = "max-pages", .argument = "N", .number = &max_pages,
      .min = 1,
      .help = "try at most so many, the largest first" },
    { .name = "priority", .argument = "N", .number = &priority,
      .min = 1,
      .help = "only this algorithm of recompress=, from 1" },
    { .name = "group", .flag = &group,
      .help = "put neighbours together" },
    OPTIONS_RANGE (&range),
    OPTIONS_QUESTION (&q),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  json_t *request = json_pack ("{s:s, s:s*}", "verb", "recompress",
                               "type", type);

  q.name = last_argument (command, index, argc, argv);
  put_number (request, "threshold", threshold);
  put_number (request, "max_pages", max_pages);
  put_number (request, "priority", priority);
  if (group)
    json_object_set_new (request, "group", json_true ());
  range_put (command, &range, request);
  return control_request_send (&q, request, print);
}
