/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's settings that swapon changed: one list for all swaps, in the
 * order of the changes, in the file kernel.sysctls of the runtime directory.
 *
 * An entry tells which swap changed which setting from which value to which
 * other one.  When a swap goes away,
 *
 * - the last entry of a setting puts the old value back, if the setting
 *   still has the new one: else an administrator has changed it since;
 * - an earlier entry changes nothing, but hands its old value on to the next
 *   entry, if that one began with our new value.
 *
 * So the settings suit the swaps that remain, and the last swap restores
 * what was there before the first one, whatever the order.
 *
 * The file is written before a setting is changed, and after it is
 * restored: a command that is killed in between is repeated, and comes to
 * the same end.  The directory is locked meanwhile, since units start swaps
 * in parallel.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SYSCTLS_H
#define NBDZRAM_COMMAND_SWAP_SYSCTLS_H

#include <stdint.h>

/* A value, as the kernel writes it. */
#define SYSCTL_SIZE 24

struct sysctl_change {
  char old[SYSCTL_SIZE], new[SYSCTL_SIZE];
};

/* Set KEY, as "vm.swappiness", to VALUE for the swap NAME, and write down
 * what it was before NAME changed it.  1: NAME has a new entry; 0: it had
 * one; -1 with errno.  CHANGE is the entry.
 */
int sysctl_set (const char *name, const char *key, uint64_t value,
                struct sysctl_change *change);

enum sysctl_end {
  SYSCTL_RESTORED,
  SYSCTL_UNCHANGED,             /* it has the old value anyway */
  SYSCTL_FOREIGN,               /* it has another value: that stays */
  SYSCTL_IN_USE,                /* another swap needs it */
};

/* Remove the entry of NAME and KEY.  An enum sysctl_end, with the entry in
 * CHANGE; or -1 with errno, ENOENT where there is no entry.
 */
int sysctl_release (const char *name, const char *key,
                    struct sysctl_change *change);

/* The key of the last entry of NAME, in KEY, of SIZE bytes.  0, or -1 with
 * errno, ENOENT where there is none.
 */
int sysctl_last (const char *name, char *key, size_t size);

/* Take over what version 0.1 wrote down in NAME.swap, of all swaps, before
 * such a file is written anew; the other functions do this, too.  0, or -1
 * with errno.
 */
int sysctls_import (void);

#endif /* NBDZRAM_COMMAND_SWAP_SYSCTLS_H */
