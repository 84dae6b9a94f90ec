/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keywords without regard to case.  The functions of the C library follow
 * the locale: in a Turkish one, the upper case of "i" is not "I".
 */

#ifndef NBDZRAM_COMMAND_BASE_ASCII_H
#define NBDZRAM_COMMAND_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

static inline char
ascii_upper (char c)
{
  return c >= 'a' && c <= 'z' ? (char) (c - 'a' + 'A') : c;
}

/* Are the first LENGTH characters of A and B the same? */
static inline bool
ascii_same (const char *a, const char *b, size_t length)
{
  size_t i = 0;

  while (i < length && ascii_upper (a[i]) == ascii_upper (b[i]))
    ++i;
  return i == length;
}

#endif /* NBDZRAM_COMMAND_BASE_ASCII_H */
