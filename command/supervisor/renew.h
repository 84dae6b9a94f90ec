/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replacing stale servers: those that were started before a listening socket
 * was created again, since its file had been removed (files.h).  No client
 * can connect to a stale server any more.
 *
 * A stale server that has connections stays: they are worth more than the
 * clients that wait to connect.  It is replaced when its last connection is
 * closed, when it ends, or by an upgrade.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_RENEW_H
#define NBDZRAM_COMMAND_SUPERVISOR_RENEW_H

#include <stdbool.h>

struct generation;
struct supervisor;

/* Kill a stale standby when a new one waits, and a stale server without
 * connections.  Returns whether a stale generation is left.
 */
bool servers_renew (struct supervisor *s);

/* Returns how many connections G has, or -1 if that can't be read. */
int generation_count_connections (const struct supervisor *s,
                                  const struct generation *g);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_RENEW_H */
