/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking supervisors, through NAME.sup. */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_REQUEST_H
#define NBDZRAM_COMMAND_SUPERVISOR_REQUEST_H

#include "command/base/control-client.h"

#define SUPERVISOR_SUFFIX ".sup"

/* Ask the supervisor of NAME, or, where that is NULL, the only one that
 * runs, and wait some minutes for its reply.  REQUEST is taken over; the
 * reply is the caller's.  EXIT_OK, or another code after a message.
 */
int supervisor_ask (const char *name, json_t *request, json_t **reply);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_REQUEST_H */
