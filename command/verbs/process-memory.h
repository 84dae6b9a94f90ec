/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of a running process that can be swapped out: what it wrote to
 * private mappings without a file.
 *
 * Functions print nothing.  The process may end at any time, which only makes
 * pages unreadable.
 */

#ifndef NBDZRAM_COMMAND_VERBS_PROCESS_MEMORY_H
#define NBDZRAM_COMMAND_VERBS_PROCESS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct process_memory {
  size_t page_size;             /* the machine's */
  FILE *maps;
  int pagemap, mem;
  uint64_t mapped;              /* bytes of the mappings walked so far */
  uint64_t skipped;             /* pages that could not be read */
};

/* PID in digits.  0, or -1 with errno set: ENOENT, EACCES, ... */
int process_memory_open (struct process_memory *p, const char *pid);
void process_memory_close (struct process_memory *p);

/* Bytes of all these mappings, whether their pages are present or not. */
uint64_t process_memory_mapped (struct process_memory *p);

/* Call FN for each present page, in order of address, until it returns false.
 * 0, or -1 with errno ENOMEM.
 */
int process_memory_walk (struct process_memory *p,
                         bool (*fn) (void *opaque, const void *page),
                         void *opaque);

#endif /* NBDZRAM_COMMAND_VERBS_PROCESS_MEMORY_H */
