/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the workloads share: their arguments, what is measured of them, and
 * what they print.
 *
 *   PROGRAM MIB [KEY=VALUE...]
 *
 * Each first fills its memory, then does its work, which is what counts,
 * and last verifies what the work did not.  It prints lines "latency ..."
 * (page-in.h) and one line "result KEY=VALUE ...":
 *
 *   fill_seconds, seconds      to fill, and to work
 *   major_faults               of the work
 *   pswpin, pswpout            pages that the machine swapped meanwhile
 *   p50_us, p99_us, p999_us    of the work's page-ins
 *   wrong                      what was not as it was written
 *
 * With hold=1 it then keeps its memory until its standard input ends.  The
 * exit status is 1 when something was wrong, 2 when the arguments are.
 */

#ifndef NBDZRAM_BENCH_REMOTE_WORKLOAD_H
#define NBDZRAM_BENCH_REMOTE_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page-in.h"

/* One of NUMBER and REAL, which has what holds without it. */
struct parameter {
  const char *name;
  uint64_t *number;
  double *real;
};

struct workload {
  uint64_t mib, seed, hold;
  uint64_t wrong;               /* for the program to count */
  struct page_ins page_ins;     /* of what is between begin and end */
  double start, fill_seconds, seconds;
  uint64_t faults, pswpin, pswpout;
};

/* Fill W from the arguments, which are seed, hold, and N of the program's
 * own.  Ends the program with a message when they make no sense.
 */
void workload_start (struct workload *w, int argc, char *argv[],
                     const struct parameter *own, size_t n);

/* Around the work. */
void workload_begin (struct workload *w);
void workload_end (struct workload *w);

/* Print, hold, and return the exit status. */
int workload_finish (const struct workload *w);

/* Memory of whole OS pages that nobody merges into huge ones, all zero, to
 * be kept until the program ends.
 */
void *workload_memory (size_t size);

#endif /* NBDZRAM_BENCH_REMOTE_WORKLOAD_H */
