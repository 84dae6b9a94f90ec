/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allow.h"
#include "set-error.h"

/* Bits of an IPv6 address before the mapped IPv4 address. */
#define IPV4_BITS 96

static void
map_ipv4 (uint8_t address[16], const struct in_addr *ipv4)
{
  static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

  memcpy (address, mapped, sizeof mapped);
  memcpy (address + sizeof mapped, ipv4, sizeof *ipv4);
}

/* Parses the number after the slash.  Returns -1 if it is not a number up to
 * MAX.
 */
static int
parse_bits (const char *text, int max)
{
  size_t digits = strspn (text, "0123456789");
  int bits;

  if (digits == 0 || digits > 3 || text[digits] != '\0')
    return -1;
  bits = atoi (text);
  return bits <= max ? bits : -1;
}

/* Parses one address or network.  Changes TEXT. */
static int
parse_rule (char *text, struct allow_rule *rule)
{
  char *slash = strchr (text, '/');
  struct in_addr ipv4;
  int before = 0, bits;

  if (slash)
    *slash++ = '\0';
  if (inet_pton (AF_INET, text, &ipv4) == 1) {
    map_ipv4 (rule->prefix, &ipv4);
    before = IPV4_BITS;
  }
  else if (inet_pton (AF_INET6, text, rule->prefix) != 1)
    return -1;
  bits = slash ? parse_bits (slash, 128 - before) : 128 - before;
  rule->bits = (unsigned) (before + bits);
  return bits == -1 ? -1 : 0;
}

static int
add_rule (struct allow *a, const char *text, size_t length, char *error,
          size_t size)
{
  char copy[128];
  struct allow_rule *more;

  snprintf (copy, sizeof copy, "%.*s", (int) length, text);
  more = reallocarray (a->rules, a->count + 1, sizeof *more);
  if (!more)
    return set_error (error, size, "out of memory");
  a->rules = more;
  if (length >= sizeof copy || parse_rule (copy, &more[a->count]) == -1)
    return set_error (error, size, "'%.*s' is neither an address nor a "
                      "network, as 192.0.2.0/24 or 2001:db8::/32",
                      (int) (length < 100 ? length : 100), text);
  ++a->count;
  return 0;
}

int
allow_add (struct allow *a, const char *list, char *error, size_t size)
{
  for (;;) {
    size_t length = strcspn (list, ",");

    if (add_rule (a, list, length, error, size) == -1)
      return -1;
    if (list[length] == '\0')
      return 0;
    list += length + 1;
  }
}

static bool
is_in_network (const struct allow_rule *rule, const uint8_t address[16])
{
  unsigned whole = rule->bits / 8, rest = rule->bits % 8;

  return memcmp (rule->prefix, address, whole) == 0
    && (rest == 0
        || (rule->prefix[whole] ^ address[whole]) >> (8 - rest) == 0);
}

bool
allow_permits (const struct allow *a, const struct sockaddr *peer)
{
  const struct sockaddr_in *in = (const void *) peer;
  const struct sockaddr_in6 *in6 = (const void *) peer;
  uint8_t address[16];

  if (a->count == 0 || peer->sa_family == AF_UNIX)
    return true;
  if (peer->sa_family == AF_INET)
    map_ipv4 (address, &in->sin_addr);
  else if (peer->sa_family == AF_INET6)
    memcpy (address, &in6->sin6_addr, sizeof address);
  else
    return false;
  for (size_t i = 0; i < a->count; ++i)
    if (is_in_network (&a->rules[i], address))
      return true;
  return false;
}

void
allow_free (struct allow *a)
{
  free (a->rules);
  *a = (struct allow) { .rules = NULL };
}

const char *
allow_name (const struct sockaddr *peer, char name[ALLOW_NAME_SIZE])
{
  const struct sockaddr_in *in = (const void *) peer;
  const struct sockaddr_in6 *in6 = (const void *) peer;
  const void *address = peer->sa_family == AF_INET6
    ? (const void *) &in6->sin6_addr : (const void *) &in->sin_addr;

  if ((peer->sa_family != AF_INET && peer->sa_family != AF_INET6)
      || !inet_ntop (peer->sa_family, address, name, ALLOW_NAME_SIZE))
    return "a client";
  return name;
}
