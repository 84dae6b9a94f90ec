/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child of the supervisor waits at its gate until it is on record, in
 * NAME.run: a server or a watcher of which the next supervisor did not know
 * would go on for ever beside its successors, and keep the pool from them.
 *
 * NBDZRAM_GATE=N in the environment is the reading end of a pipe.  A byte
 * comes when the child may go on; the end, when its supervisor was killed
 * before it had written anything down.
 */

#ifndef NBDZRAM_SERVICE_START_BARRIER_H
#define NBDZRAM_SERVICE_START_BARRIER_H

#define START_BARRIER_VARIABLE "NBDZRAM_GATE"

/* Wait; take the variable out of the environment and close its descriptor.
 * 0, at once where there is no gate; -1 with errno: EOWNERDEAD (nobody is
 * to know of us, so we had better end), EINVAL (the variable makes no
 * sense), EBADF.
 */
int start_barrier_pass (void);

#endif /* NBDZRAM_SERVICE_START_BARRIER_H */
