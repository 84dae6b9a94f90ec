/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A limit of bytes a second.
 *
 * A request goes when all that went before it has been paid for by time, and
 * is paid for by who comes next.  So nothing is set aside for who still
 * waits, and whose client may be gone before its turn has come.
 *
 * Any thread may call at any time.
 */

#ifndef NBDZRAM_PLUGIN_BANDWIDTH_H
#define NBDZRAM_PLUGIN_BANDWIDTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing has been sent. */
struct bandwidth {
  _Atomic uint64_t paid_at;     /* nanoseconds, of latency_clock */
};

/* Wait until COUNT bytes may be sent, at RATE bytes a second, which is not 0.
 * Called by a thread of nbdkit's in a request.  0, or -1 with errno ESHUTDOWN:
 * the client has gone, the server ends, or IS_IN_VAIN (OPAQUE), which is
 * asked now and then.
 */
int bandwidth_wait (struct bandwidth *b, uint64_t rate, uint32_t count,
                    bool (*is_in_vain) (void *opaque), void *opaque);

#endif /* NBDZRAM_PLUGIN_BANDWIDTH_H */
