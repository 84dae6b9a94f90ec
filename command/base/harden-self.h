/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process needs that must work when memory is gone: its own pages
 * in memory, and the rights not to wait for others'.
 */

#ifndef NBDZRAM_COMMAND_BASE_HARDEN_SELF_H
#define NBDZRAM_COMMAND_BASE_HARDEN_SELF_H

#include <stdbool.h>
#include <stddef.h>

/* Lock what is mapped now and what will be, make the heap grow by HEAP
 * bytes, which malloc keeps, and bring in the code that may run from now
 * on; never be killed for want of memory; let the kernel not wait for the
 * I/O that waits for us; run before other processes, at real-time
 * PRIORITY.
 *
 * Call it when everything has run once.  Returns false where something
 * was refused, and names it in MISSING.
 */
bool harden_self (size_t heap, int priority, char *missing, size_t size);

#endif /* NBDZRAM_COMMAND_BASE_HARDEN_SELF_H */
