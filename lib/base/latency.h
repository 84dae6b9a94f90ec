/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A histogram of how long requests take.
 *
 * Bucket 0 counts requests that take less than 2^LATENCY_SHIFT nanoseconds.
 * Bucket N counts those that take at least half of, and less than,
 * 2^(N + LATENCY_SHIFT) nanoseconds.  The last bucket counts all that take
 * longer.
 *
 * Each stream has a histogram of its own.  Only the thread that holds the
 * stream writes to it, so recording needs no lock and no atomic addition.
 * Any thread may read it at any time.
 */

#ifndef NBDZRAM_BASE_LATENCY_H
#define NBDZRAM_BASE_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define LATENCY_SHIFT 9         /* bucket 0: up to half a microsecond */
#define LATENCY_BUCKETS 24      /* bucket 22: up to two seconds */

enum request_kind {
  REQUEST_READ,
  REQUEST_WRITE,
  REQUEST_KINDS,
};

struct latency {
  _Atomic uint64_t counts[LATENCY_BUCKETS];
  _Atomic uint64_t nanoseconds; /* sum over all requests */
  _Atomic uint64_t bytes;       /* read or written by them */
};

/* Return the time of the monotonic clock in nanoseconds. */
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

/* Add N to *TO, which only the calling thread changes. */
static inline void
latency_add (_Atomic uint64_t *to, uint64_t n)
{
  atomic_store_explicit (to, atomic_load_explicit (to, memory_order_relaxed)
                         + n, memory_order_relaxed);
}

/* Record a request of BYTES bytes that began at START (latency_clock) and
 * has just ended.
 */
static inline void
latency_record (struct latency *l, uint64_t start, uint64_t bytes)
{
  uint64_t nanoseconds = latency_clock () - start;

  latency_add (&l->counts[latency_bucket (nanoseconds)], 1);
  latency_add (&l->nanoseconds, nanoseconds);
  latency_add (&l->bytes, bytes);
}

#endif /* NBDZRAM_BASE_LATENCY_H */
