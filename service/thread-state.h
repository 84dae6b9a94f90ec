/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of a thread, from /proc/PID/task/TID/stat. */

#ifndef NBDZRAM_SERVICE_THREAD_STATE_H
#define NBDZRAM_SERVICE_THREAD_STATE_H

#include <stdbool.h>

/* From the kernel's include/linux/sched.h: what PR_SET_IO_FLUSHER sets,
 * which a thread can only query for itself, and only with a capability.
 */
#define PF_MEMALLOC_NOIO 0x00080000

struct thread_state {
  char name[32];
  unsigned long flags;          /* PF_* */
  int priority, policy;         /* real-time priority, SCHED_* */
};

/* Parse LINE, the content of such a file.  Returns false if it is something
 * else.
 */
bool thread_state_parse (const char *line, struct thread_state *t);

#endif /* NBDZRAM_SERVICE_THREAD_STATE_H */
