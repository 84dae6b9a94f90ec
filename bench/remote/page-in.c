/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "page-in.h"

static uint64_t
nanoseconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

uint64_t
major_faults (void)
{
  struct rusage usage;

  getrusage (RUSAGE_THREAD, &usage);
  return (uint64_t) usage.ru_majflt;
}

/* ---- buckets ---- */

/* The first 2 * STEPS have one nanosecond each. */
static unsigned
bucket_of (uint64_t ns)
{
  unsigned shift = 0, bucket;

  while (ns >> shift >= 2 * PAGE_IN_STEPS)
    ++shift;
  bucket = shift * PAGE_IN_STEPS + (unsigned) (ns >> shift);
  return bucket < PAGE_IN_BUCKETS ? bucket : PAGE_IN_BUCKETS - 1;
}

/* The longest time that is counted in it, in microseconds. */
static double
end_of (unsigned bucket)
{
  unsigned shift = bucket < 2 * PAGE_IN_STEPS ? 0 : bucket / PAGE_IN_STEPS - 1;
  uint64_t first = bucket - shift * PAGE_IN_STEPS;

  return (double) (((first + 1) << shift) - 1) / 1000;
}

/* ---- page-ins ---- */

void
page_in_begin (struct page_ins *p)
{
  p->faults = major_faults ();
  p->start = nanoseconds ();
}

void
page_in_end (struct page_ins *p)
{
  uint64_t elapsed = nanoseconds () - p->start;
  uint64_t faults = major_faults () - p->faults;

  if (faults > 0)
    page_in_count (p, elapsed / faults, faults);
}

void
page_in_count (struct page_ins *p, uint64_t ns, uint64_t faults)
{
  p->buckets[bucket_of (ns)] += faults;
  p->count += faults;
}

void
page_in (struct page_ins *p, const void *address)
{
  page_in_begin (p);
  (void) *(const volatile char *) address;
  page_in_end (p);
}

double
page_in_quantile (const struct page_ins *p, double share)
{
  uint64_t seen = 0;

  for (unsigned i = 0; p->count > 0 && i < PAGE_IN_BUCKETS; ++i) {
    seen += p->buckets[i];
    if ((double) seen >= share * (double) p->count)
      return end_of (i);
  }
  return 0;
}

void
page_in_print (const struct page_ins *p)
{
  for (unsigned i = 0; i < PAGE_IN_BUCKETS; ++i)
    if (p->buckets[i] > 0)
      printf ("latency %.3f %" PRIu64 "\n", end_of (i), p->buckets[i]);
}
