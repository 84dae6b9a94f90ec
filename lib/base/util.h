/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small helpers that most files need: sizes, rounding, cache lines,
 * errors.
 */

#ifndef NBDZRAM_BASE_UTIL_H
#define NBDZRAM_BASE_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof (a) / sizeof ((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Alignment that keeps data of different threads in different cache lines:
 * the size of one on x86.
 */
#define CACHE_LINE 64

#define KIB ((uint64_t) 1 << 10)
#define MIB ((uint64_t) 1 << 20)
#define GIB ((uint64_t) 1 << 30)
#define TIB ((uint64_t) 1 << 40)
#define PIB ((uint64_t) 1 << 50)

/* Set errno for a caller that returns -1. */
static inline int
fail_with (int err)
{
  errno = err;
  return -1;
}

static inline bool
is_power_of_2 (uint64_t n)
{
  return n != 0 && (n & (n - 1)) == 0;
}

/* ALIGN must be a power of two. */
static inline uint64_t
align_up (uint64_t n, uint64_t align)
{
  return (n + align - 1) & ~(align - 1);
}

static inline uint64_t
align_down (uint64_t n, uint64_t align)
{
  return n & ~(align - 1);
}

static inline uint64_t
div_up (uint64_t n, uint64_t d)
{
  return n / d + (n % d != 0);
}

/* Load LEN bytes at P into the cache, all lines at once: a copy or a decoder
 * would wait for one line after the other.  WRITE is 1 if they will be
 * written, otherwise 0.
 */
#define PREFETCH(p, len, write)                                         \
  do {                                                                  \
    for (size_t at_ = 0; at_ < (len); at_ += CACHE_LINE)                \
      __builtin_prefetch ((const char *) (p) + at_, (write));           \
  } while (0)

#endif /* NBDZRAM_BASE_UTIL_H */
