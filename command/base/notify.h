/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling a service manager how things are, by the protocol of
 * sd_notify(3): one datagram to the socket that NOTIFY_SOCKET names.
 * That is all of the protocol that is wanted, so no library is.
 */

#ifndef NBDZRAM_COMMAND_BASE_NOTIFY_H
#define NBDZRAM_COMMAND_BASE_NOTIFY_H

#include <stdbool.h>

/* Whether a service manager started this process and wants to be told. */
bool notify_is_wanted (void);

/* STATE is "READY=1", "STATUS=..." and so on, a line each.  Nothing
 * happens where nobody asked to be told; never waits.
 */
void notify (const char *state);

#endif /* NBDZRAM_COMMAND_BASE_NOTIFY_H */
