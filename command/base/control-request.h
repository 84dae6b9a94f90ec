/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For verbs that send one request to one server and print the reply. */

#ifndef NBDZRAM_COMMAND_BASE_CONTROL_REQUEST_H
#define NBDZRAM_COMMAND_BASE_CONTROL_REQUEST_H

#include "control-client.h"
#include "options.h"

struct control_request {
  const char *name;             /* of the server, or NULL */
  const char *control;
  bool json;
};

#define OPTIONS_REQUEST(q)                                              \
  { .name = "json", .letter = 'J', .flag = &(q)->json,                  \
    .help = "print the server's reply" },                               \
  OPTION_CONTROL (&(q)->control)

/* Sends REQUEST, which is taken over, waits for the reply without a limit,
 * and prints it by PRINT, or as JSON.  Returns the exit code.
 */
int control_request_send (const struct control_request *q, json_t *request,
                          void (*print) (const json_t *reply));

/* Finds the server, puts it into S, and asks for its status.  EXIT_OK with
 * *REPLY, which is the caller's, or another code after a message.
 */
int control_request_status (const struct control_request *q,
                            struct server *s, json_t **reply);

#endif /* NBDZRAM_COMMAND_BASE_CONTROL_REQUEST_H */
