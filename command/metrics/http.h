/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers one HTTP request, as a program that systemd or inetd starts for each
 * connection: there is one page, and the connection is closed after it.
 */

#ifndef NBDZRAM_COMMAND_METRICS_HTTP_H
#define NBDZRAM_COMMAND_METRICS_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_PAGE "/metrics"

/* Returns the status for the LENGTH bytes of a request whose header is
 * complete: 200 for the page, or that of an error.  *HEAD: only the header is
 * asked for.
 */
int http_parse (const char *request, size_t length, bool *head);

/* Reads a request from IN and replies to OUT, both of which may be the same
 * socket.  MAKE returns the page, to be freed, or NULL.  Ends the program with
 * status 0 if the client takes too long.
 */
void http_serve (int in, int out,
                 char *(*make) (void *opaque, size_t *length), void *opaque);

#endif /* NBDZRAM_COMMAND_METRICS_HTTP_H */
