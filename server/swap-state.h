/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.swap: what swapon has done, for swapoff to undo.  It is written
 * before what it tells of is done, so that nothing is forgotten by a
 * process that is killed; and settings of the kernel in it are restored
 * only where they still are what swapon made of them.
 *
 * Functions return 0, or -1 with errno.
 */

#ifndef NBDZRAM_SWAP_STATE_H
#define NBDZRAM_SWAP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

#define SWAP_SETTINGS 3

/* A setting of the kernel; values as it writes them. */
struct swap_setting {
  char key[32];                 /* "vm.page-cluster" */
  char old[24], new[24];
};

struct swap_state {
  char name[72];
  char devices[CONF_REMOTES_MAX][32]; /* "/dev/nbd0" */
  unsigned device_count;
  int priority;                 /* -1: the kernel's choice */
  struct swap_setting settings[SWAP_SETTINGS];
  unsigned setting_count;
};

/* ENOENT: there is none. */
int swap_state_read (struct swap_state *s, const char *name);
int swap_state_write (const struct swap_state *s);
void swap_state_remove (const char *name);

bool swap_state_has (const struct swap_state *s, const char *device);

/* Set KEY to VALUE, remember what it was, and write the state.  1 when it
 * changed, 0 when it was that already, -1.
 */
int swap_setting_change (struct swap_state *s, const char *key,
                         uint64_t value);

/* What is remembered of KEY, or NULL. */
const struct swap_setting *swap_setting_find (const struct swap_state *s,
                                              const char *key);

/* Put it back.  1 when it was, 0 when somebody else has set it since. */
int swap_setting_restore (const struct swap_setting *t);

/* What vm.min_free_kbytes should be, in KiB, where RAM is in bytes and
 * NOW is what it is: a 64th of memory, within reason, and never less.
 */
uint64_t swap_min_free (uint64_t ram, uint64_t now);

#endif /* NBDZRAM_SWAP_STATE_H */
