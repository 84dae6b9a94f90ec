/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting a program while no memory may be free.
 *
 * Everything that the program is called with is prepared beforehand.  The
 * start itself allocates nothing: the child borrows the parent's memory until
 * it executes the program (vfork).  The protocol of socket activation wants
 * the child's process id in the environment: the child writes it into room
 * that was left for it.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_LAUNCH_H
#define NBDZRAM_COMMAND_SUPERVISOR_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "command/base/process.h"

#define SPAWN_FDS_MAX 32

/* In the environment of every process that a supervisor starts: its
 * DIRECTORY/NAME, by which the next supervisor finds the process (find.h).
 */
#define SERVER_VARIABLE "NBDZRAM_SERVER"

struct program {
  char *path;                   /* of the file */
  char **argv;                  /* ended by NULL */
  char **envp;
  char *listen_pid;             /* room in envp for the process id, or NULL */
};

/* The open descriptors of the new program. */
struct spawn_fds {
  int from[SPAWN_FDS_MAX];      /* its descriptor I is a copy of from[I]; -1:
                                 * closed */
  unsigned count;
  unsigned start_barrier;       /* the index of the child's end of its start
                                 * barrier (service/start-barrier.h); 0: the
                                 * program has none */
};

/* The environment of this process without the variables that begin with one
 * of LEFT_OUT (ended by NULL), and then ADDED.  The caller owns the list and
 * its strings.  NULL: out of memory.
 */
char **environment_make (const char *const *left_out,
                         const char *const *added);

/* Where in ENVP the value of NAME (with its "=") is, or NULL. */
char *environment_value (char **envp, const char *name);

/* Free a list that is ended by NULL, and its strings. */
void strings_free (char **list);

/* Store the path of the program that process PID executes in PATH, also if
 * its file was removed or replaced since.  Returns false if it can't be read.
 */
bool executable_path (pid_t pid, char *path, size_t size);

/* Start PROGRAM with no signal blocked or ignored, and in a session of its
 * own, so that a terminal's interrupt does not reach it.  With a start
 * barrier it waits there for process_release.  Returns 0 and sets *P, or -1
 * with errno, which may be that of execve.
 */
int spawn (const struct program *program, struct spawn_fds *fds,
           struct process *p);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_LAUNCH_H */
