/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a supervisor says, and what its children say through it.
 *
 * Nothing here waits or allocates: who reads our words, a journal or a
 * terminal, may itself be waiting for the memory that we serve.  A line
 * that can't be taken at once is dropped and counted.
 */

#ifndef NBDZRAM_COMMAND_BASE_LOG_H
#define NBDZRAM_COMMAND_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE 1024

/* Lines begin with "nbdzram: NAME: ".  They go to standard error, until
 * log_to_kernel.
 */
void log_open (const char *name);

/* From now on to the kernel's log, which never waits, or nowhere, where
 * that can't be opened.
 */
void log_to_kernel (void);

/* Say a line. */
void log_line (const char *format, ...)
  __attribute__ ((format (printf, 1, 2)));

/* ---- what children say ---- */

struct log_source {
  int fd;                       /* to read from, not blocking; or -1 */
  char text[LOG_LINE];
  size_t length;
};

/* A pipe for a child's standard error: the source's end, and in *WRITE_FD
 * the child's, which does not block either.  Both at KEPT_FD_MIN or
 * beyond.  0, or -1 with errno.
 */
int log_source_open (struct log_source *s, int *write_fd);

/* The next whole line that is there, without its end; of one that is too
 * long, what fits.  LINE has LOG_LINE bytes.
 */
bool log_source_next (struct log_source *s, char *line);

void log_source_close (struct log_source *s);

#endif /* NBDZRAM_COMMAND_BASE_LOG_H */
