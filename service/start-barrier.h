/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The start barrier: a child of the supervisor waits until the supervisor has
 * recorded it in NAME.run.  Otherwise the next supervisor would not know of
 * the server or watcher, which would run for ever beside its successors and
 * keep the pool from them.
 *
 * NBDZRAM_GATE=N in the environment is the reading end of a pipe.  The child
 * reads a byte when it may continue, or the end of the file when the
 * supervisor was killed before it had recorded the child.
 */

#ifndef NBDZRAM_SERVICE_START_BARRIER_H
#define NBDZRAM_SERVICE_START_BARRIER_H

#define START_BARRIER_VARIABLE "NBDZRAM_GATE"

/* Wait; remove the variable from the environment and close its descriptor.
 * Returns 0, at once if the variable is not set; or -1 with errno: EOWNERDEAD
 * (this process is not recorded, so it should end), EINVAL (the value of the
 * variable is not valid), EBADF.
 */
int start_barrier_pass (void);

#endif /* NBDZRAM_SERVICE_START_BARRIER_H */
