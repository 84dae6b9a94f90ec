/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "control-request.h"
#include "output.h"

int
control_request_send (const struct control_request *q, json_t *request,
                      void (*print) (const json_t *reply))
{
  struct server s;
  json_t *reply;
  int code = server_find (&s, q->name, q->control);

  if (code != EXIT_OK) {
    json_decref (request);
    return code;
  }
  code = server_ask (&s, request, 0, &reply);
  if (code != EXIT_OK)
    return code;
  if (q->json)
    return print_json (reply);
  print (reply);
  json_decref (reply);
  return EXIT_OK;
}

void
control_request_parse (struct control_request *q,
                       const struct command *command, int argc, char *argv[])
{
  const struct option_entry entries[] = { OPTIONS_QUESTION (q), { 0 } };
  int index;

  *q = (struct control_request) { .name = NULL };
  index = options_parse (command, argc, argv, entries);
  q->name = last_argument (command, index, argc, argv);
}
