/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long page-ins take, as the program sees them that needs the page.
 *
 * What might have to wait for a page stands between page_in_begin and
 * page_in_end.  Whether it did, the kernel's count of this thread's major
 * faults tells; only then its time counts.
 *
 * They are counted in a histogram, which takes 9 KB of the footprint
 * however many there are: 32 buckets for each power of two, so what is read
 * from it is right within 3 %.
 */

#ifndef NBDZRAM_BENCH_REMOTE_PAGE_IN_H
#define NBDZRAM_BENCH_REMOTE_PAGE_IN_H

#include <stdint.h>

#define PAGE_IN_STEPS 32        /* buckets of a power of two */
#define PAGE_IN_BUCKETS (36 * PAGE_IN_STEPS)    /* to 18 minutes */

/* All zero at first.  One thread's. */
struct page_ins {
  uint64_t count, faults, start;
  uint64_t buckets[PAGE_IN_BUCKETS];
};

/* This thread's major faults so far. */
uint64_t major_faults (void);

void page_in_begin (struct page_ins *p);

/* Where there were several faults in between, each has taken its part. */
void page_in_end (struct page_ins *p);

/* Count FAULTS that took so many nanoseconds each. */
void page_in_count (struct page_ins *p, uint64_t ns, uint64_t faults);

/* Read the byte at ADDRESS, between these. */
void page_in (struct page_ins *p, const void *address);

/* The time in microseconds that a share (0 to 1) of all page-ins did not
 * exceed, rounded up to its bucket's end; 0 where there were none.
 */
double page_in_quantile (const struct page_ins *p, double share);

/* Print a line "latency MICROSECONDS COUNT" for each bucket, by its end,
 * that is not empty.
 */
void page_in_print (const struct page_ins *p);

#endif /* NBDZRAM_BENCH_REMOTE_PAGE_IN_H */
