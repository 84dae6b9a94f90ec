/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running other programs for their effect. */

#ifndef NBDZRAM_RUN_PROGRAM_H
#define NBDZRAM_RUN_PROGRAM_H

#include <stddef.h>

/* Run ARGV, ended by NULL, found in PATH or where administrators' programs
 * are, and wait for it.  0 when it exits with 0; else -1, with errno where
 * it could not be run, and in ERROR why: the last line that it said, or
 * how it ended.
 */
int run_program (char *const argv[], char *error, size_t size);

#endif /* NBDZRAM_RUN_PROGRAM_H */
