/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which addresses may connect: allow=ADDRESS[/BITS][,...].
 *
 * Clients on a Unix socket are always allowed: the permissions of its file
 * decide.
 */

#ifndef NBDZRAM_SERVICE_ALLOW_H
#define NBDZRAM_SERVICE_ALLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct allow_rule {
  uint8_t prefix[16];           /* IPv6; an IPv4 address as ::ffff:A.B.C.D */
  unsigned bits;                /* how many of its first bits count */
};

/* All zero: every client is allowed. */
struct allow {
  struct allow_rule *rules;
  size_t count;
};

/* Add the addresses of LIST.  Returns 0, or -1 with a line in ERROR; then the
 * caller must call allow_free.
 */
int allow_add (struct allow *a, const char *list, char *error, size_t size);

/* May a client with the address PEER connect? */
bool allow_permits (const struct allow *a, const struct sockaddr *peer);

void allow_free (struct allow *a);

/* The address PEER as text, in NAME, or "a client". */
#define ALLOW_NAME_SIZE 64
const char *allow_name (const struct sockaddr *peer,
                        char name[ALLOW_NAME_SIZE]);

#endif /* NBDZRAM_SERVICE_ALLOW_H */
