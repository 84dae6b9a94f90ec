/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nbdzram status shows of a server's devices in the kernel. */

#ifndef NBDZRAM_COMMAND_ATTACH_STATUS_H
#define NBDZRAM_COMMAND_ATTACH_STATUS_H

#include <jansson.h>

/* Appends to REPLY, a server's status, the list "attachments", unless no
 * device is attached.  An entry has what is in NAME.attach; "watched": does
 * its watcher live; and "receivers": how many connections the kernel reads
 * from, if it shows that (nbd-receivers.h).  A device that is in use as swap
 * has "swap", with "size" and "used" in bytes, and "priority".  A member of
 * an array has "array", with "device", "level", "half" (its state), "halves"
 * and "in_sync" (how many members the array has, and how many are in sync);
 * only the first member of an array has "swap".
 */
void attach_status (json_t *reply);

/* Appends to REPLIES an object with "name" and "attachments" for each name
 * that has devices attached to remote servers and no local server; only for
 * NAME if that is not NULL.
 */
void attach_status_remote (json_t *replies, const char *name);

#endif /* NBDZRAM_COMMAND_ATTACH_STATUS_H */
