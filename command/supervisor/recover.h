/* SPDX-License-Identifier: GPL-2.0-or-later */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_RECOVER_H
#define NBDZRAM_COMMAND_SUPERVISOR_RECOVER_H

#include <stddef.h>

struct supervisor;

/* Recover from NAME.run, from the processes that run, or, after an upgrade,
 * from the descriptor RESUME (-1: none), where this process's former program
 * left its state.  Returns 1: recovered; 0: there is nothing to recover; -1
 * with a message in ERROR, and perhaps the supervisor's EXIT_CODE.
 */
int recover (struct supervisor *s, int resume, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_RECOVER_H */
