/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process does to itself so that it works while memory is gone:
 * its memory is locked and there is some in reserve for malloc, it is not
 * what the kernel kills to get memory, it never waits for I/O to get some
 * (PR_SET_IO_FLUSHER), and it comes before others when processors are
 * short.  Children inherit all but the lock.
 */

#ifndef NBDZRAM_SERVER_PROTECT_H
#define NBDZRAM_SERVER_PROTECT_H

#include <stddef.h>

/* Do all of it, with SCHED_FIFO at PRIORITY.  What the machine refuses is
 * listed in REFUSED, SIZE bytes: "" if nothing is.
 */
void protect (int priority, char *refused, size_t size);

#endif /* NBDZRAM_SERVER_PROTECT_H */
