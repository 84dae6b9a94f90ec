/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control groups of a process: their memory limits, with those of the
 * groups above, and the unit of systemd.
 */

#ifndef NBDZRAM_COMMAND_BASE_CGROUP_H
#define NBDZRAM_COMMAND_BASE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of memory at which the kernel kills or throttles the group.
 * UINT64_MAX: no limit.
 */
uint64_t cgroup_memory_limit (int pid);

/* May memory of the group be swapped out?  1, 0, or -1: it has no swap limit,
 * like the root group.
 */
int cgroup_may_swap (int pid);

/* Puts the name of the service of systemd that the process is part of in UNIT.
 * Returns false if there is none, or the name is too long.
 */
bool cgroup_service (int pid, char *unit, size_t size);

#endif /* NBDZRAM_COMMAND_BASE_CGROUP_H */
