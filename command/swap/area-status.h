/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The areas of a swap, for nbdzram status and metrics. */

#ifndef NBDZRAM_COMMAND_SWAP_AREA_STATUS_H
#define NBDZRAM_COMMAND_SWAP_AREA_STATUS_H

#include <jansson.h>

/* Adds "areas" to REPLY, a server's reply to "status", if its disk is cut into
 * areas: a list of objects with "device", "size", "used" by the kernel,
 * "stored" by the server, and "dead", what is stored and not used, in bytes;
 * and "area_room", how much more the pool can hold at worst.
 */
void area_status (json_t *reply);

#endif /* NBDZRAM_COMMAND_SWAP_AREA_STATUS_H */
