/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What remains of a swap when all its processes were killed: the device that
 * the kernel still swaps to, files, and changed kernel settings.  The pages
 * are lost, since their memory was freed with the last process.
 */

#ifndef NBDZRAM_COMMAND_SWAP_REMAINS_H
#define NBDZRAM_COMMAND_SWAP_REMAINS_H

#include <stdbool.h>
#include <stddef.h>

/* Does anything of NAME exist: files, processes, a device, settings? */
bool swap_exists (const char *name);

/* Does a process live that has the pages of NAME: a server, a standby, or a
 * process that keeps the memory of a dead server?
 */
bool swap_server_is_alive (const char *name);

/* Are the pages of NAME lost?  They are if its pool was memory of its
 * processes, and none of these lives.  They are not if the pool is a file or
 * the servers are on other machines.
 */
bool swap_is_lost (const char *name);

/* Turn off a swap whose server is dead, if nothing is swapped out to it. */
void swap_remains_turn_off (const char *name);

/* Disconnect the device of WATCHER if it has no watcher and belongs to
 * another disk than the one at URI.  Such a device can't be connected to URI,
 * so all its readers would wait forever.  0, also if there is no such device;
 * -1 with a line in ERROR if it is in use as swap.
 */
int swap_remains_detach (const char *name, const char *watcher,
                         const char *uri, char *error, size_t size);

/* Remove the files that NAME's dead processes left. */
void swap_remains_remove (const char *name);

#endif /* NBDZRAM_COMMAND_SWAP_REMAINS_H */
