/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/latency.h"
#include "lib/base/util.h"

#include "bandwidth.h"

/* Bandwidth that was not used can be used for so long. */
#define BURST_NSEC UINT64_C (100000000)

/* The longest sleep of a waiting request: then it looks whether another
 * request came first, and whether the export is removed.
 */
#define SLEEP_NSEC UINT64_C (100000000)

/* Tries to begin a request that costs COST nanoseconds.  Returns 0, or the
 * nanoseconds that earlier requests still cost.
 */
static uint64_t
try_to_pay (struct bandwidth *b, uint64_t cost)
{
  uint64_t now = latency_clock (), before = b->paid_at, start;

  do {
    if (before > now)
      return before - now;
    start = MAX (before, now - BURST_NSEC);
  } while (!atomic_compare_exchange_weak (&b->paid_at, &before, start + cost));
  return 0;
}

int
bandwidth_wait (struct bandwidth *b, uint64_t rate, uint32_t count,
                int (*sleep) (unsigned nanoseconds),
                bool (*is_removed) (void *opaque), void *opaque)
{
  uint64_t cost = (uint64_t) ((double) count * 1e9 / (double) rate), wait;

  while ((wait = try_to_pay (b, cost)) > 0)
    if (is_removed (opaque)
        || sleep ((unsigned) MIN (wait, SLEEP_NSEC)) == -1)
      return fail_with (ESHUTDOWN);
  return 0;
}
