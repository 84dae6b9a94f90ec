/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of a supervisor, and of its children through it.
 *
 * Nothing here waits or allocates: the reader of the log, a journal or a
 * terminal, may itself wait for memory that we serve.  A line that can't be
 * written at once is dropped and counted.
 */

#ifndef NBDZRAM_COMMAND_BASE_LOG_H
#define NBDZRAM_COMMAND_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE 1024

/* Sets the beginning of lines, "nbdzram: NAME: ".  They go to standard error
 * until log_to_kernel is called.
 */
void log_open (const char *name);

/* Sends later lines to the kernel's log, which never waits, or nowhere if
 * that can't be opened.
 */
void log_to_kernel (void);

/* Logs a line. */
void log_line (const char *format, ...)
  __attribute__ ((format (printf, 1, 2)));

/* Writes TEXT there as it is, unless that would wait.  Returns whether it was
 * written.
 */
bool log_write (const char *text, size_t length);

/* ---- output of children ---- */

struct log_source {
  int fd;                       /* to read from, non-blocking; or -1 */
  char text[LOG_LINE];
  size_t length;
};

/* Opens a pipe for a child's standard error.  *WRITE_FD is the child's end,
 * and non-blocking, too.  Both descriptors are at least KEPT_FD_MIN.  0, or
 * -1 with errno.
 */
int log_source_open (struct log_source *s, int *write_fd);

/* Reads the next line without its newline; a line that is too long comes in
 * pieces.  LINE has LOG_LINE bytes.  False: no whole line is available.
 */
bool log_source_next (struct log_source *s, char *line);

void log_source_close (struct log_source *s);

#endif /* NBDZRAM_COMMAND_BASE_LOG_H */
