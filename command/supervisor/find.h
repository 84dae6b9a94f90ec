/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding the servers, lock keepers and watchers of NAME among the
 * processes, by a variable in their environment (SERVER_VARIABLE).  NAME.run
 * may be missing, damaged or out of date, so no supervisor concludes that
 * pages are lost before it has searched here.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_FIND_H
#define NBDZRAM_COMMAND_SUPERVISOR_FIND_H

#include <jansson.h>

struct supervisor;

/* The processes of PATH, which is DIRECTORY/NAME, as a state of the form of
 * NAME.run.  "supervisor" in it is the process id of a supervisor that lives.
 * The caller owns the result.  NULL: no process was found.
 */
json_t *find_processes (const char *path);

/* The same for S.  A supervisor that was killed a moment ago may still be
 * the parent of its servers: waits up to a second for its end.
 */
json_t *find_orphans (const struct supervisor *s);

/* Add to STATE, which may be NULL, the processes of FOUND that it lacks.
 * Owns both, and returns the union.
 */
json_t *find_merge (struct supervisor *s, json_t *state, json_t *found);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_FIND_H */
