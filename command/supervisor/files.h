/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files in the runtime directory.  It may be removed, as logind removes
 * /run/user/UID at logout, or become full or read-only.  The supervisor
 * creates missing files again as soon as that is possible, NAME.sup first: if
 * another supervisor has that, then the other files are its own, too.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_FILES_H
#define NBDZRAM_COMMAND_SUPERVISOR_FILES_H

#include <stdint.h>

#include "setup.h"

struct supervisor;

struct runtime_files {
  int64_t next_check;           /* milliseconds */
  char reported[MESSAGE_SIZE];  /* the last message about them, or "" */
};

/* Create what is missing: the directory, NAME.sup, the sockets, NAME.run.
 * Returns when to check again, in milliseconds, or 0.
 */
int64_t files_poll (struct supervisor *s);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_FILES_H */
