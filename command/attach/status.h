/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nbdzram status says of a server's devices in the kernel. */

#ifndef NBDZRAM_COMMAND_ATTACH_STATUS_H
#define NBDZRAM_COMMAND_ATTACH_STATUS_H

#include <jansson.h>

/* Append to REPLY, a server's status, the list "attachments": what is in
 * the files NAME.attach, and of a device that is in use as swap "swap",
 * with "size" and "used" in bytes, and "priority".  A device that is of an
 * array has "array", with "device", "level", "half" (what it is to it),
 * "halves" and "in_sync" (how many it has, and how many of these have all
 * pages); what is swapped to it is told of the first device only.  Nothing
 * where nothing is attached.
 */
void attach_status (json_t *reply);

/* Append to REPLIES an object for each name, or the one called NAME, that
 * has devices attached to servers elsewhere, and none here: "name", and
 * "attachments".
 */
void attach_status_remote (json_t *replies, const char *name);

#endif /* NBDZRAM_COMMAND_ATTACH_STATUS_H */
