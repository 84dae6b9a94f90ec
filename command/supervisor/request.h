/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to supervisors, through NAME.sup. */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_REQUEST_H
#define NBDZRAM_COMMAND_SUPERVISOR_REQUEST_H

#include "command/base/control-client.h"

#define SUPERVISOR_SUFFIX ".sup"

/* Send REQUEST to the supervisor of NAME or, if that is NULL, to the only one
 * that runs, and wait up to five minutes for its reply.  REQUEST is released;
 * the caller owns *REPLY.  Returns EXIT_OK, or another code after a message.
 */
int supervisor_ask (const char *name, json_t *request, json_t **reply);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_REQUEST_H */
