/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs other programs. */

#ifndef NBDZRAM_COMMAND_BASE_RUN_PROGRAM_H
#define NBDZRAM_COMMAND_BASE_RUN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A program that was started. */
struct running_program {
  char name[32];
  pid_t pid;                    /* 0: none */
  int fd;                       /* its standard error */
};

/* Starts ARGV, ended by NULL, which is searched for in PATH and in the
 * directories of administrators' programs.  0 with *R, which program_wait or
 * program_ended frees; -1 with errno and a line in ERROR.
 */
int program_start (struct running_program *r, const char *const argv[],
                   char *error, size_t size);

/* Waits for it.  0 if it exits with 0; else -1 with EIO and in ERROR the last
 * line of its standard error, or how it ended.
 */
int program_wait (struct running_program *r, char *error, size_t size);

/* Returns whether it has ended.  If so, *RESULT is what program_wait would
 * have returned.
 */
bool program_ended (struct running_program *r, int *result, char *error,
                    size_t size);

/* Starts it and waits. */
int run_program (const char *const argv[], char *error, size_t size);

#endif /* NBDZRAM_COMMAND_BASE_RUN_PROGRAM_H */
