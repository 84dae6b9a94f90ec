/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of a supervisor, as a JSON object: what the next one needs to
 * recover.  It is in NAME.run (state-file.h) or, for an upgrade, in a memfd.
 *
 * Printing allocates nothing, since it happens when a server has died.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_STATE_H
#define NBDZRAM_COMMAND_SUPERVISOR_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define STATE_SIZE 65536        /* bytes, at most */

struct supervisor;

/* Print the state as one line in TEXT.  Its descriptors have the numbers
 * that they have in the supervisor's children or, with OWN, in the supervisor
 * itself.  Returns the length, or -1 if SIZE is too small.
 */
int state_print (const struct supervisor *s, bool own, char *text,
                 size_t size);

/* Read the state from NAME.run or, if RESUME is not -1, from that descriptor,
 * which is closed.  Stores in *LINE which line it was.  The caller owns the
 * result.  NULL: no file, where ERROR is "", or ERROR says why not.
 */
json_t *state_read (const struct supervisor *s, int resume, unsigned *line,
                    char *error, size_t size);

/* The integer KEY of the object O, or OTHERWISE. */
int64_t json_integer_at (const json_t *o, const char *key,
                         int64_t otherwise);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_STATE_H */
