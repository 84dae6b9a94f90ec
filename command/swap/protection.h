/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a process protected as those must be that swap depends on?  As the
 * kernel says, and not as it was asked for.
 */

#ifndef NBDZRAM_COMMAND_SWAP_PROTECTION_H
#define NBDZRAM_COMMAND_SWAP_PROTECTION_H

#include <stdbool.h>
#include <stddef.h>

#define PROTECTION_LOCK 1u      /* its memory is locked */
#define PROTECTION_OOM 2u       /* it is never killed for memory */
#define PROTECTION_FLUSHER 4u   /* it waits for no I/O to get memory */
#define PROTECTION_REAL_TIME 8u /* it runs before ordinary processes */
#define PROTECTION_ALL 15u

/* What to do about what is missing. */
#define PROTECTION_REMEDY                                               \
  "start it as root, or with CAP_IPC_LOCK, CAP_SYS_NICE and "           \
  "CAP_SYS_RESOURCE"

/* Does PID, each of its threads, have all of WANTED?  If not, what it has
 * not is in MISSING, as "no real-time priority, no locked memory".
 */
bool protection_has (int pid, unsigned wanted, char *missing, size_t size);

#endif /* NBDZRAM_COMMAND_SWAP_PROTECTION_H */
