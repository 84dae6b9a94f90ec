/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as people and processes write them; shared with the command. */

#ifndef NBDZRAM_SERVICE_PARSE_NUMBER_H
#define NBDZRAM_SERVICE_PARSE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Read S as a whole number from 0, in digits only.  Returns false if it is
 * something else.
 */
bool parse_number (const char *s, uint64_t *n);

/* Read S as exactly COUNT file descriptors with commas between, as the
 * supervisor passes them to the server in the environment.
 */
bool parse_descriptors (const char *s, int *fds, unsigned count);

/* Read S as a TCP port, from 0 to 65535, in digits only: getaddrinfo takes
 * larger numbers modulo 65536.
 */
bool parse_port (const char *s, uint64_t *port);

/* Returns false if URI is nbd://HOST:PORT/ or nbds:// with a port that is
 * not a number from 1 to 65535.  True if it has no port, or is of another
 * kind.
 */
bool uri_port_valid (const char *uri);

#endif /* NBDZRAM_SERVICE_PARSE_NUMBER_H */
