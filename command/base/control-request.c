/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "control-request.h"
#include "output.h"

int
control_request_send (const struct control_request *q, json_t *request,
                      void (*print) (const json_t *reply))
{
  struct server s;
  json_auto_t *reply = NULL;
  int code = server_find (&s, q->name, q->control);

  if (code != EXIT_OK) {
    json_decref (request);
    return code;
  }
  code = server_ask (&s, request, 0, &reply);
  if (code != EXIT_OK)
    return code;
  if (q->json)
    return print_json (json_incref (reply));
  print (reply);
  return EXIT_OK;
}

int
control_request_status (const struct control_request *q, struct server *s,
                        json_t **reply)
{
  int code = server_find (s, q->name, q->control);

  return code != EXIT_OK ? code
    : server_ask (s, json_pack ("{s:s}", "verb", "status"), TIMEOUT, reply);
}
