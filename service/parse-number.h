/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and sizes as people write them; shared with the command. */

#ifndef NBDZRAM_SERVICE_PARSE_NUMBER_H
#define NBDZRAM_SERVICE_PARSE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Whole numbers from 0, with a suffix as in 4K where SIZE.  Returns
 * false when S is none.
 */
bool parse_number (const char *s, bool size, uint64_t *n);

/* COUNT descriptors with commas between, as one process of ours names them
 * to another in the environment; and nothing else.
 */
bool parse_descriptors (const char *s, int *fds, unsigned count);

/* The number of a TCP port, from 0 to 65535, in digits only: getaddrinfo
 * takes larger ones modulo 65536.
 */
bool parse_port (const char *s, uint64_t *port);

/* Is the port in a URI nbd://HOST:PORT/ or nbds://, if it has one, a number
 * from 1 to 65535?  True for all other URIs, which have no such port.
 */
bool uri_port_valid (const char *uri);

#endif /* NBDZRAM_SERVICE_PARSE_NUMBER_H */
