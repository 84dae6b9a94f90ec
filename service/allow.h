/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which addresses may connect: allow=ADDRESS[/BITS][,...].
 *
 * Unix sockets are not asked about: who may connect there, the permissions
 * of the file say.
 */

#ifndef NBDZRAM_SERVICE_ALLOW_H
#define NBDZRAM_SERVICE_ALLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct allow_rule {
  uint8_t prefix[16];           /* IPv6; an IPv4 address as ::ffff:A.B.C.D */
  unsigned bits;                /* of it, from the first */
};

/* All zero: everybody may. */
struct allow {
  struct allow_rule *rules;
  size_t count;
};

/* Add the addresses of LIST.  0, or -1 with a line in ERROR; then A is only
 * good for allow_free.
 */
int allow_add (struct allow *a, const char *list, char *error, size_t size);

bool allow_permits (const struct allow *a, const struct sockaddr *peer);

void allow_free (struct allow *a);

/* PEER, for people. */
#define ALLOW_NAME_SIZE 64
const char *allow_name (const struct sockaddr *peer,
                        char name[ALLOW_NAME_SIZE]);

#endif /* NBDZRAM_SERVICE_ALLOW_H */
