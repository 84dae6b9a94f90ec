/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prepares a process that must work when memory is short: its pages stay in
 * memory, and it need not wait for others'.
 */

#ifndef NBDZRAM_COMMAND_BASE_HARDEN_SELF_H
#define NBDZRAM_COMMAND_BASE_HARDEN_SELF_H

#include <stdbool.h>
#include <stddef.h>

#include "service/hardening.h"

/* - Locks present and future mappings in memory, makes the heap grow by HEAP
 *   bytes, which malloc keeps, and loads the code that may run from now on.
 * - Keeps the OOM killer away.
 * - Marks the process as an I/O flusher, so that its allocations don't wait
 *   for I/O that waits for the process.
 * - Runs it before other processes, at real-time PRIORITY.
 *
 * Call it after everything has run once.  Returns false if the system
 * refused something.
 */
bool harden_self (size_t heap, int priority, struct refusals *refused);

#endif /* NBDZRAM_COMMAND_BASE_HARDEN_SELF_H */
