/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long requests take, as a histogram: bucket N counts those of less
 * than 2^(N + LATENCY_SHIFT) nanoseconds that no smaller one counts, and
 * the last one all others.
 *
 * Each stream has its own, written by the thread that holds the stream,
 * so recording needs no lock and no atomic addition; readers may look at
 * any time.
 */

#ifndef NBDZRAM_BASE_LATENCY_H
#define NBDZRAM_BASE_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define LATENCY_SHIFT 9         /* from half a microsecond */
#define LATENCY_BUCKETS 24      /* to four seconds, and beyond */

enum request_kind {
  REQUEST_READ,
  REQUEST_WRITE,
  REQUEST_KINDS,
};

struct latency {
  _Atomic uint64_t counts[LATENCY_BUCKETS];
  _Atomic uint64_t nanoseconds; /* of all requests together */
  _Atomic uint64_t bytes;       /* read or written */
};

/* Nanoseconds of a clock that never goes back. */
static inline uint64_t
latency_clock (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static inline unsigned
latency_bucket (uint64_t nanoseconds)
{
  uint64_t n = nanoseconds >> LATENCY_SHIFT;
  unsigned bits = n == 0 ? 0 : 64 - (unsigned) __builtin_clzll (n);

  return bits < LATENCY_BUCKETS ? bits : LATENCY_BUCKETS - 1;
}

/* Add to a number that only this thread changes. */
static inline void
latency_add (_Atomic uint64_t *to, uint64_t n)
{
  atomic_store_explicit (to, atomic_load_explicit (to, memory_order_relaxed)
                         + n, memory_order_relaxed);
}

/* A request of so many bytes that began at START has ended. */
static inline void
latency_record (struct latency *l, uint64_t start, uint64_t bytes)
{
  uint64_t nanoseconds = latency_clock () - start;

  latency_add (&l->counts[latency_bucket (nanoseconds)], 1);
  latency_add (&l->nanoseconds, nanoseconds);
  latency_add (&l->bytes, bytes);
}

#endif /* NBDZRAM_BASE_LATENCY_H */
