/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting a program when memory may be gone.
 *
 * All that it is to be called with is laid out beforehand; from then on
 * nothing is allocated: the child borrows our memory until it executes
 * the program (vfork), and the number of the process, which the protocol
 * of socket activation wants in the environment, is written by the child
 * into room that was left for it.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_LAUNCH_H
#define NBDZRAM_COMMAND_SUPERVISOR_LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

#include "command/base/process.h"

#define SPAWN_FDS_MAX 32

/* In the environment of all that a supervisor starts: DIRECTORY/NAME, by
 * which the next one finds it (find.c).
 */
#define SERVER_VARIABLE "NBDZRAM_SERVER"

struct program {
  char *path;                   /* of the file */
  char **argv;                  /* ended by NULL */
  char **envp;
  char *listen_pid;             /* in envp; NULL: not wanted */
};

/* What the program finds open, and where: the descriptor that is to be
 * number i, or -1.
 */
struct spawn_fds {
  int from[SPAWN_FDS_MAX];
  unsigned count;
  unsigned start_barrier; /* which of them is to be the child's end of
                                 * a gate (service/start-barrier.h); 0: it has none */
};

/* The environment of this process, but those names that begin as one of
 * LEFT_OUT (ended by NULL, each with its "="), and then ADDED; all of it
 * allocated.  NULL: no memory.
 */
char **environment_make (const char *const *left_out,
                         const char *const *added);

/* Where in ENVP the value of NAME (with its "=") is, or NULL. */
char *environment_value (char **envp, const char *name);

/* Free lists that are ended by NULL, and what they hold. */
void strings_free (char **list);

/* Start it, with no signal blocked or ignored, in a session of its own, so
 * that a terminal's interrupt does not reach it.  0 with *P, or -1 with
 * errno, which may be what execve gave.  If it has a gate, it waits there
 * for process_release.
 */
int spawn (const struct program *program, struct spawn_fds *fds,
           struct process *p);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_LAUNCH_H */
