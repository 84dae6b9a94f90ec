/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory a pool holds, and the limit on it.
 *
 * Everything a pool keeps resident is taken from its budget before it
 * is touched and given back after it is released: object memory,
 * leaves of tables, bookkeeping, streams.  What the host program holds
 * besides (its code, its request buffers) is not the pool's.
 *
 * All functions are lock-free and may be called from any thread.
 */

#ifndef NBDZRAM_BASE_BUDGET_H
#define NBDZRAM_BASE_BUDGET_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
  _Atomic uint64_t used;        /* bytes held now */
  _Atomic uint64_t used_max;    /* the most ever held */
  _Atomic uint64_t limit;       /* 0: none */
};

/* Take without asking: for what is already resident (attach), and for
 * what must exist before there is a limit.
 */
static inline void
budget_force (struct budget *b, uint64_t bytes)
{
  uint64_t used = atomic_fetch_add (&b->used, bytes) + bytes;
  uint64_t max = atomic_load_explicit (&b->used_max, memory_order_relaxed);

  while (used > max
         && !atomic_compare_exchange_weak (&b->used_max, &max, used))
    ;
}

static inline void
budget_give (struct budget *b, uint64_t bytes)
{
  atomic_fetch_sub (&b->used, bytes);
}

/* 0, or -1 with ENOSPC when BYTES more would exceed the limit; never
 * more than the limit is held, not even for a moment.
 */
static inline int
budget_take (struct budget *b, uint64_t bytes)
{
  uint64_t limit = atomic_load_explicit (&b->limit, memory_order_relaxed);
  uint64_t used = atomic_load_explicit (&b->used, memory_order_relaxed);
  uint64_t max;

  if (bytes == 0)               /* even of a budget that is overdrawn */
    return 0;
  do {
    if (limit != 0 && (bytes > limit || used > limit - bytes)) {
      errno = ENOSPC;
      return -1;
    }
  } while (!atomic_compare_exchange_weak (&b->used, &used, used + bytes));

  used += bytes;
  max = atomic_load_explicit (&b->used_max, memory_order_relaxed);
  while (used > max
         && !atomic_compare_exchange_weak (&b->used_max, &max, used))
    ;
  return 0;
}

/* Could BYTES more be taken now? */
static inline bool
budget_has_room (const struct budget *b, uint64_t bytes)
{
  uint64_t limit = atomic_load_explicit (&b->limit, memory_order_relaxed);

  return limit == 0 || b->used + bytes <= limit;
}

#endif /* NBDZRAM_BASE_BUDGET_H */
