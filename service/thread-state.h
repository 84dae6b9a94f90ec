/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says of a thread in /proc/PID/task/TID/stat. */

#ifndef NBDZRAM_SERVICE_THREAD_STATE_H
#define NBDZRAM_SERVICE_THREAD_STATE_H

#include <stdbool.h>

/* From the kernel's include/linux/sched.h: what PR_SET_IO_FLUSHER sets,
 * which only a thread itself could ask for, and not without a capability.
 */
#define PF_MEMALLOC_NOIO 0x00080000

struct thread_state {
  char name[32];
  unsigned long flags;          /* PF_* */
  int priority, policy;         /* real-time priority, SCHED_* */
};

/* False: LINE is not such a file. */
bool thread_state_parse (const char *line, struct thread_state *t);

#endif /* NBDZRAM_SERVICE_THREAD_STATE_H */
