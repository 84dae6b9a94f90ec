/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "lib/base/latency.h"
#include "lib/base/util.h"

#include "bandwidth.h"

/* What was not used counts for so long. */
#define BURST_NSEC UINT64_C (100000000)

/* How often who waits looks again: others may have come first. */
#define LOOK_NSEC UINT64_C (100000000)

/* Let COST, in nanoseconds, be paid for from now on: 0, or how many
 * nanoseconds are still to be paid for before that.
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
                bool (*is_in_vain) (void *opaque), void *opaque)
{
  uint64_t cost = (uint64_t) ((double) count * 1e9 / (double) rate), wait;

  while ((wait = try_to_pay (b, cost)) > 0)
    if (is_in_vain (opaque)
        || nbdkit_nanosleep (0, (unsigned) MIN (wait, LOOK_NSEC)) == -1) {
      errno = ESHUTDOWN;
      return -1;
    }
  return 0;
}
