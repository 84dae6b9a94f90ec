/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of a server: lines for the functions of the program that serves
 * (struct exports_host).  Any thread may call.
 */

#ifndef NBDZRAM_SERVICE_LOG_H
#define NBDZRAM_SERVICE_LOG_H

/* Log by these functions, which get one line each.  Before the first call of
 * those below.
 */
void log_to (void (*error) (const char *line),
             void (*debug) (const char *line));

void log_error (const char *format, ...)
  __attribute__ ((format (printf, 1, 2)));
void log_debug (const char *format, ...)
  __attribute__ ((format (printf, 1, 2)));

#endif /* NBDZRAM_SERVICE_LOG_H */
