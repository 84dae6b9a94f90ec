/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells a service manager the state of this process by the protocol of
 * sd_notify(3): one datagram to the socket in NOTIFY_SOCKET.  Nothing else of
 * the protocol is needed, so no library is.
 */

#ifndef NBDZRAM_COMMAND_BASE_NOTIFY_H
#define NBDZRAM_COMMAND_BASE_NOTIFY_H

#include <stdbool.h>

/* Did a service manager ask to be notified? */
bool notify_is_wanted (void);

/* Sends STATE: "READY=1", "STATUS=..." and so on, a line each.  Does nothing
 * unless notify_is_wanted; never waits.
 */
void notify (const char *state);

#endif /* NBDZRAM_COMMAND_BASE_NOTIFY_H */
