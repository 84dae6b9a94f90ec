/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking supervisors, through NAME.sup. */

#ifndef NBDZRAM_SERVER_SUPERVISOR_FIND_H
#define NBDZRAM_SERVER_SUPERVISOR_FIND_H

#include "client.h"

#define SUPERVISOR_SUFFIX ".sup"

/* The supervisor of NAME, or, where that is NULL, the only one that runs.
 * EXIT_OK, or another code after a message.
 */
int supervisor_find (struct server *s, const char *name);

#endif /* NBDZRAM_SERVER_SUPERVISOR_FIND_H */
