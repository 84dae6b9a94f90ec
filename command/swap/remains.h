/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of a swap when all its processes were killed: the device
 * that the kernel still swaps to, files, and changed settings, but no pages,
 * since the memory that they were in went with the last process.
 */

#ifndef NBDZRAM_COMMAND_SWAP_REMAINS_H
#define NBDZRAM_COMMAND_SWAP_REMAINS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether anything of NAME is there: files, processes, a device, settings. */
bool swap_exists (const char *name);

/* Whether a process of NAME lives that has its pages: a server, one that is
 * about to be it, or one that keeps the memory of a dead server.
 */
bool swap_server_is_alive (const char *name);

/* Whether the pages of NAME are lost: its pool was memory of its processes,
 * and none of them lives.  Not where the pool is a file, or the servers are
 * on other machines.
 */
bool swap_is_lost (const char *name);

/* Turn off swap whose pages are lost, where there are none in it. */
void swap_remains_turn_off (const char *name);

/* Disconnect the device of WATCHER if it is left from another disk than the
 * one at URI: it would not be connected to this, and so keep all that read
 * it waiting.  0, also where there is no such device, or -1 with a line in
 * ERROR: it is in use as swap.
 */
int swap_remains_detach (const char *name, const char *watcher,
                         const char *uri, char *error, size_t size);

/* Remove the files of NAME's dead processes. */
void swap_remains_remove (const char *name);

#endif /* NBDZRAM_COMMAND_SWAP_REMAINS_H */
