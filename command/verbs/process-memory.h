/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory that a living process really uses: what it wrote to private
 * memory with no file behind it, the kind that is swapped.
 *
 * Functions print nothing; the process may end at any time, which only
 * makes pages unreadable.
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
  uint64_t mapped;              /* bytes of the mappings looked at so far */
  uint64_t skipped;             /* pages that could not be read */
};

/* PID in digits.  0, or -1 with errno set: ENOENT, EACCES, ... */
int process_memory_open (struct process_memory *p, const char *pid);
void process_memory_close (struct process_memory *p);

/* Bytes of all mappings of the kind, present or not. */
uint64_t process_memory_mapped (struct process_memory *p);

/* Call FN for each page that is present, in order of address.  FN
 * returns false to stop.  0, or -1 with errno ENOMEM.
 */
int process_memory_walk (struct process_memory *p,
                         bool (*fn) (void *opaque, const void *page),
                         void *opaque);

#endif /* NBDZRAM_COMMAND_VERBS_PROCESS_MEMORY_H */
