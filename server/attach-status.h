/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nbdzram status says of a server's devices in the kernel. */

#ifndef NBDZRAM_ATTACH_STATUS_H
#define NBDZRAM_ATTACH_STATUS_H

#include <jansson.h>

/* Append to REPLY, a server's status, the list "attachments": what is in
 * the files NAME.attach, and of a device that is in use as swap "swap",
 * with "size" and "used" in bytes, and "priority".  Nothing where nothing
 * is attached.
 */
void attach_status (json_t *reply);

#endif /* NBDZRAM_ATTACH_STATUS_H */
