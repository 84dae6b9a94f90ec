/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's settings that swapon changed: one list for all swaps, in the
 * order of the changes, in the file kernel.sysctls of the runtime directory.
 *
 * An entry records which swap changed which setting, its old and its new
 * value.  When a swap is turned off,
 *
 * - the last entry of a setting restores the old value, if the setting still
 *   has the new one; otherwise an administrator has changed it since;
 * - an earlier entry changes nothing, but passes its old value on to the next
 *   entry, if the old value of that one is the new value of this one.
 *
 * So the settings suit the remaining swaps, and the last swap restores the
 * value from before the first one, in whatever order they are turned off.
 *
 * The file is written before a setting is changed, and after it is restored:
 * when a command is killed in between, running it again has the same result.
 * The directory is locked during this, since units start swaps in parallel.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SYSCTLS_H
#define NBDZRAM_COMMAND_SWAP_SYSCTLS_H

#include <stdint.h>

/* Bytes of a value as the kernel prints it. */
#define SYSCTL_SIZE 24

struct sysctl_change {
  char old[SYSCTL_SIZE], new[SYSCTL_SIZE];
};

/* Set KEY, for example "vm.swappiness", to VALUE for the swap NAME, and record
 * the value from before.  1: NAME has a new entry; 0: it had one already; -1
 * with errno.  CHANGE is the entry.
 */
int sysctl_set (const char *name, const char *key, uint64_t value,
                struct sysctl_change *change);

enum sysctl_end {
  SYSCTL_RESTORED,
  SYSCTL_UNCHANGED,             /* it had the old value already */
  SYSCTL_FOREIGN,               /* it has a third value, which stays */
  SYSCTL_IN_USE,                /* another swap needs it */
};

/* Remove the entry of NAME and KEY, and restore the setting if no other swap
 * needs it.  Returns an enum sysctl_end, with the entry in CHANGE; or -1 with
 * errno, ENOENT if there is no entry.
 */
int sysctl_release (const char *name, const char *key,
                    struct sysctl_change *change);

/* Put the key of NAME's last entry into KEY, of SIZE bytes.  0, or -1 with
 * errno, ENOENT if NAME has no entry.
 */
int sysctl_last (const char *name, char *key, size_t size);

/* Move the changes that version 0.1 recorded in NAME.swap to the list, for all
 * swaps.  The other functions do this too; it must be done before such a file
 * is rewritten.  0, or -1 with errno.
 */
int sysctls_import (void);

#endif /* NBDZRAM_COMMAND_SWAP_SYSCTLS_H */
