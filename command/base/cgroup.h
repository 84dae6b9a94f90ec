/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory limits of the control groups of a process, with those above. */

#ifndef NBDZRAM_COMMAND_BASE_CGROUP_H
#define NBDZRAM_COMMAND_BASE_CGROUP_H

#include <stdint.h>

/* Bytes of memory at which the kernel kills or throttles the group.
 * UINT64_MAX: no limit.
 */
uint64_t cgroup_memory_limit (int pid);

/* May memory of the group be swapped out?  1, 0, or -1: it has no swap limit,
 * like the root group.
 */
int cgroup_may_swap (int pid);

#endif /* NBDZRAM_COMMAND_BASE_CGROUP_H */
