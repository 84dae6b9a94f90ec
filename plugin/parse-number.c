/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse-number.h"

bool
parse_number (const char *s, bool size, uint64_t *n)
{
  static const char suffixes[] = "KMGTP";
  const char *suffix;
  unsigned shift = 0;
  char *end;

  if (*s < '0' || *s > '9')
    return false;
  errno = 0;
  *n = strtoull (s, &end, 10);
  if (errno != 0)
    return false;
  suffix = size && *end ? strchr (suffixes, *end) : NULL;
  if (suffix) {
    shift = 10 * (unsigned) (suffix - suffixes + 1);
    ++end;
  }
  if (*end != '\0' || *n > UINT64_MAX >> shift)
    return false;
  *n <<= shift;
  return true;
}
