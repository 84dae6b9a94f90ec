/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse-number.h"

bool
parse_number (const char *s, uint64_t *n)
{
  if (s[0] == '\0' || s[strspn (s, "0123456789")] != '\0')
    return false;
  errno = 0;
  *n = strtoull (s, NULL, 10);
  return errno == 0;
}

bool
parse_descriptors (const char *s, int *fds, unsigned count)
{
  for (unsigned i = 0; i < count; ++i) {
    char text[16];
    size_t length = strcspn (s, ",");
    uint64_t n;

    snprintf (text, sizeof text, "%.*s", (int) length, s);
    if (length >= sizeof text || !parse_number (text, &n)
        || n > INT_MAX)
      return false;
    fds[i] = (int) n;
    s += length;
    if (*s != (i + 1 < count ? ',' : '\0'))
      return false;
    ++s;
  }
  return true;
}

bool
parse_port (const char *s, uint64_t *port)
{
  return parse_number (s, port) && *port <= UINT16_MAX;
}

bool
uri_port_valid (const char *uri)
{
  const char *host = strstr (uri, "://"), *end, *colon;
  char text[8];
  uint64_t port;

  if (strncmp (uri, "nbd://", 6) != 0 && strncmp (uri, "nbds://", 7) != 0)
    return true;
  host += strlen ("://");
  end = host + strcspn (host, "/?#");
  colon = memrchr (host, ':', (size_t) (end - host));
  /* The colons of [2001:db8::1] are no port's. */
  if (!colon || memchr (colon, ']', (size_t) (end - colon)))
    return true;
  if (end - colon - 1 >= (ptrdiff_t) sizeof text)
    return false;
  snprintf (text, sizeof text, "%.*s", (int) (end - colon - 1), colon + 1);
  return parse_port (text, &port) && port > 0;
}
