/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that adds areas to a swap and removes them, as the plan says
 * (area-plan.h).  The supervisor runs it, beside the watcher of the device.
 *
 * It keeps no state: it looks at the kernel and at the server each time, so it
 * may be killed at any moment, and another one goes on.  What it does not know
 * for certain, it leaves alone.
 */

#ifndef NBDZRAM_COMMAND_SWAP_AREA_MANAGER_H
#define NBDZRAM_COMMAND_SWAP_AREA_MANAGER_H

/* Manages the areas of NAME, MOST at most, of which the first has PRIORITY
 * (-1: the kernel's choice), until SIGTERM comes.  What it does is logged to
 * standard error.  Returns 0, or -1 if no device is attached, or no longer, or
 * its partitions are none of ours.
 */
int area_manager_run (const char *name, int priority, unsigned most);

#endif /* NBDZRAM_COMMAND_SWAP_AREA_MANAGER_H */
