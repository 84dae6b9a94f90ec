/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running other programs for their effect. */

#ifndef NBDZRAM_COMMAND_BASE_RUN_PROGRAM_H
#define NBDZRAM_COMMAND_BASE_RUN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One that was started. */
struct running_program {
  char name[32];
  pid_t pid;                    /* 0: none */
  int fd;                       /* what it says on standard error */
};

/* Start ARGV, ended by NULL, found in PATH or where administrators'
 * programs are.  0 with *R, which program_wait or program_ended ends; -1
 * with errno and a line in ERROR.
 */
int program_start (struct running_program *r, char *const argv[],
                   char *error, size_t size);

/* Wait for it.  0 when it exits with 0; else -1 with EIO, and in ERROR
 * why: the last line that it said, or how it ended.
 */
int program_wait (struct running_program *r, char *error, size_t size);

/* Has it ended?  Then *RESULT is what program_wait would have returned. */
bool program_ended (struct running_program *r, int *result, char *error,
                    size_t size);

/* Both: start it, and wait. */
int run_program (char *const argv[], char *error, size_t size);

#endif /* NBDZRAM_COMMAND_BASE_RUN_PROGRAM_H */
