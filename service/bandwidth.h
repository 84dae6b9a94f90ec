/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A limit of bytes a second.
 *
 * A request runs as soon as the time that earlier requests cost has passed,
 * and the next request waits for the cost of this one.  So a request that
 * still waits reserves nothing, and its client may disconnect.
 *
 * Any thread may call at any time.
 */

#ifndef NBDZRAM_SERVICE_BANDWIDTH_H
#define NBDZRAM_SERVICE_BANDWIDTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing has been sent. */
struct bandwidth {
  _Atomic uint64_t paid_at;     /* nanoseconds, of latency_clock */
};

/* Wait until COUNT bytes may be sent, at RATE bytes a second, which is not 0.
 * Waits by SLEEP, of nanoseconds, which returns -1 when the request has become
 * pointless, and asks IS_REMOVED (OPAQUE) in between.  Returns 0, or -1 with
 * errno ESHUTDOWN if one of them says that the wait is over.
 */
int bandwidth_wait (struct bandwidth *b, uint64_t rate, uint32_t count,
                    int (*sleep) (unsigned nanoseconds),
                    bool (*is_removed) (void *opaque), void *opaque);

#endif /* NBDZRAM_SERVICE_BANDWIDTH_H */
