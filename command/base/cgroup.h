/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control groups of a process, and those above them, let it have. */

#ifndef NBDZRAM_COMMAND_BASE_CGROUP_H
#define NBDZRAM_COMMAND_BASE_CGROUP_H

#include <stdint.h>

/* Bytes of memory, from which on the kernel kills, or makes all wait.
 * UINT64_MAX: as much as there is.
 */
uint64_t cgroup_memory_limit (int pid);

/* May any of it be swapped out?  1, 0, or -1: there is no such limit, which
 * is so for the group of the whole machine.
 */
int cgroup_may_swap (int pid);

#endif /* NBDZRAM_COMMAND_BASE_CGROUP_H */
