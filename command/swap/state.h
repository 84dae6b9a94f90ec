/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.swap: what swapon has done, for swapoff to undo.  Each step is recorded
 * before it is done, so nothing is forgotten when the process is killed.  The
 * kernel's settings are recorded separately: see sysctls.h.
 *
 * Functions that return int return 0, or -1 with errno.
 */

#ifndef NBDZRAM_COMMAND_SWAP_STATE_H
#define NBDZRAM_COMMAND_SWAP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/conf/conf.h"
#include "lib/base/util.h"

/* One for each remote server, or for each area of a disk and the disk. */
#define SWAP_DEVICES_MAX (MAX (CONF_REMOTES_MAX, CONF_AREAS_MAX) + 1)

struct swap_state {
  char name[72];
  char devices[SWAP_DEVICES_MAX][32]; /* "/dev/nbd0", or "/dev/nbd0p1" */
  unsigned device_count;
  int priority;                 /* -1: the kernel's choice */
  unsigned areas;               /* at most so many; 0: not known */
};

/* ENOENT: NAME has no state. */
int swap_state_read (struct swap_state *s, const char *name);
int swap_state_write (const struct swap_state *s);
void swap_state_remove (const char *name);

/* Adds DEVICE, unless it is one of its devices already. */
void swap_state_add (struct swap_state *s, const char *device);

/* Adds the partitions of /dev/nbdINDEX.  Returns whether there are any. */
bool swap_state_add_areas (struct swap_state *s, int index);

/* Does the kernel swap to one of the devices? */
bool swap_state_is_active (const struct swap_state *s);

/* The value for vm.min_free_kbytes in KiB: a 64th of RAM bytes of memory,
 * from 8 to 256 MiB, but never less than NOW, the present value in KiB.
 */
uint64_t swap_min_free (uint64_t ram, uint64_t now);

#endif /* NBDZRAM_COMMAND_SWAP_STATE_H */
