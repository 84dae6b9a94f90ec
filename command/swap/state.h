/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.swap: what swapon has done, for swapoff to undo.  It is written
 * before what it tells of is done, so that nothing is forgotten by a
 * process that is killed.  The kernel's settings are in sysctls.h.
 *
 * Functions return 0, or -1 with errno.
 */

#ifndef NBDZRAM_COMMAND_SWAP_STATE_H
#define NBDZRAM_COMMAND_SWAP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/conf/conf.h"

struct swap_state {
  char name[72];
  char devices[CONF_REMOTES_MAX][32]; /* "/dev/nbd0" */
  unsigned device_count;
  int priority;                 /* -1: the kernel's choice */
};

/* ENOENT: there is none. */
int swap_state_read (struct swap_state *s, const char *name);
int swap_state_write (const struct swap_state *s);
void swap_state_remove (const char *name);

bool swap_state_has (const struct swap_state *s, const char *device);

/* Does the kernel swap to one of the devices? */
bool swap_state_is_active (const struct swap_state *s);

/* What vm.min_free_kbytes should be, in KiB, where RAM is in bytes and
 * NOW is what it is: a 64th of memory, within reason, and never less.
 */
uint64_t swap_min_free (uint64_t ram, uint64_t now);

#endif /* NBDZRAM_COMMAND_SWAP_STATE_H */
