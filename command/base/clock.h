/* SPDX-License-Identifier: GPL-2.0-or-later */

#ifndef NBDZRAM_COMMAND_BASE_CLOCK_H
#define NBDZRAM_COMMAND_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of a monotonic clock. */
static inline int64_t
now_ms (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif /* NBDZRAM_COMMAND_BASE_CLOCK_H */
