/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram compact. */

#include <config.h>

#include <stdio.h>

#include "client.h"
#include "output.h"

int
command_compact (const struct command *command, int argc, char *argv[])
{
  const char *control = NULL;
  bool json = false;
  const struct option_entry entries[] = {
    { .name = "json", .letter = 'J', .flag = &json,
      .help = "print the server's reply" },
    OPTION_CONTROL (&control),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);
  char text[TEXT_SIZE];
  struct server s;
  json_t *reply;
  int code = server_find (&s, name, control);

  if (code == EXIT_OK)
    code = server_ask (&s, json_pack ("{s:s}", "verb", "compact"), 0, &reply);
  if (code != EXIT_OK)
    return code;
  if (json)
    return print_json (reply);
  printf ("%s given back\n",
          text_of_size (text, json_number (reply, "freed_bytes")));
  json_decref (reply);
  return EXIT_OK;
}
