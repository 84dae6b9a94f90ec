/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a process protected as each process must be that swap depends on?  The
 * kernel is asked, since what was requested may not have been granted.
 */

#ifndef NBDZRAM_COMMAND_SWAP_PROTECTION_H
#define NBDZRAM_COMMAND_SWAP_PROTECTION_H

#include <stdbool.h>
#include <stddef.h>

#define PROTECTION_LOCK 1u      /* its memory is locked */
#define PROTECTION_OOM 2u       /* the OOM killer spares it */
#define PROTECTION_FLUSHER 4u   /* it never waits for I/O to get memory */
#define PROTECTION_REAL_TIME 8u /* it runs before ordinary processes */
#define PROTECTION_ALL 15u

/* What to do about what is missing. */
#define PROTECTION_REMEDY                                               \
  "start it as root, or with CAP_IPC_LOCK, CAP_SYS_NICE and "           \
  "CAP_SYS_RESOURCE"

/* Do PID and all its threads have all bits of WANTED, and enough memory in
 * their control group?  If not, MISSING of SIZE bytes tells what they lack, as
 * "no real-time priority, no locked memory".
 */
bool protection_has (int pid, unsigned wanted, char *missing, size_t size);

#endif /* NBDZRAM_COMMAND_SWAP_PROTECTION_H */
