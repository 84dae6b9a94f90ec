/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a program that ended is started again. */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_BACKOFF_H
#define NBDZRAM_COMMAND_SUPERVISOR_BACKOFF_H

#include <stdint.h>

#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 5000

/* A process that lived longer than this has started well: failures before it
 * do not count any more.
 */
#define STEADY_MS 10000

/* The pause in milliseconds after the first try and RETRIES more have failed:
 * the first retry is immediate, the pauses before the next ones double.
 */
static inline int64_t
backoff_ms (unsigned retries)
{
  if (retries == 0)
    return 0;
  if (retries > 6)
    return BACKOFF_MAX_MS;
  return BACKOFF_MS << (retries - 1);
}

#endif /* NBDZRAM_COMMAND_SUPERVISOR_BACKOFF_H */
