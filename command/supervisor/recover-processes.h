/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking over processes and their descriptors, as a part of recovery
 * (recover.h).  All of them may be ending at this very moment.
 *
 * A generation, in whatever state it is recorded:
 *
 *   process  lock keeper  done
 *   lives    -            It goes on, continued by SIGCONT: an upgrade that
 *                         won't be finished may have stopped it.  If only
 *                         the search found it and it has a status to read,
 *                         it is STARTING until that is read.
 *   dead     lives        GONE: the lock keeper keeps the pool in memory
 *                         until a server is ready.
 *   dead     dead         It is forgotten.
 *
 * The listening sockets and the memfd of the pool, from the first that has
 * them:
 *
 *   1. this process, after an upgrade
 *   2. a living generation that has the newest sockets
 *   3. a living generation with older sockets, which are then created again
 *   4. the memfd only: a lock keeper, which has no descriptor of it, but maps
 *      it; the kernel lets root open the file of a mapping.  The sockets are
 *      then created again, with the same addresses.
 *
 * A watcher goes on if it lives, and is started again if it does not.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_RECOVER_PROCESSES_H
#define NBDZRAM_COMMAND_SUPERVISOR_RECOVER_PROCESSES_H

#include <stdbool.h>

#include <jansson.h>

#include "setup.h"

struct supervisor;

struct recovery {
  struct supervisor *s;
  json_t *state;                /* NAME.run, and what the search added */
  bool own;                     /* the descriptors in it are this process's,
                                 * after an upgrade */
  bool refused;                 /* the kernel refused to copy a descriptor */
  bool other_supervisor;        /* a living one was found */
  char subject[2 * MESSAGE_SIZE]; /* the other supervisor, or why NAME.run
                                 * can't be read; or "" */
};

/* Take over the generations, the pool, the sockets and the watchers that
 * are in r->state and live.
 */
void recover_processes (struct recovery *r);

/* Is the pool a memfd?  Else it is a file, which outlives all processes. */
bool recovery_has_memfd (const struct recovery *r);

/* The list of strings KEY of the object O, ended by NULL.  The caller frees
 * the list, but not the strings, which belong to O.  NULL: out of memory.
 */
const char **json_strings_at (const json_t *o, const char *key);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_RECOVER_PROCESSES_H */
