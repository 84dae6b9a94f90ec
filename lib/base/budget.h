/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The budget of a pool: how much memory it holds, and how much it may hold.
 *
 * All memory that a pool keeps resident is taken from its budget before it
 * is touched, and given back after it is released: objects, leaves of
 * tables, bookkeeping, streams.  The code and the request buffers of the
 * program around the pool don't count.
 *
 * All functions are lock-free, and any thread may call them.
 */

#ifndef NBDZRAM_BASE_BUDGET_H
#define NBDZRAM_BASE_BUDGET_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"

struct budget {
  _Atomic uint64_t used;        /* bytes held now */
  _Atomic uint64_t used_max;    /* highest value of used so far */
  _Atomic uint64_t limit;       /* bytes; 0: no limit */
};

/* Raise used_max to USED if that is higher. */
static inline void
budget_raise_max (struct budget *b, uint64_t used)
{
  uint64_t max = atomic_load_explicit (&b->used_max, memory_order_relaxed);

  while (used > max
         && !atomic_compare_exchange_weak (&b->used_max, &max, used))
    ;
}

/* Take BYTES even if that exceeds the limit: for memory that is resident
 * already (attach), and for memory that is needed before the limit is set.
 */
static inline void
budget_force (struct budget *b, uint64_t bytes)
{
  budget_raise_max (b, atomic_fetch_add (&b->used, bytes) + bytes);
}

static inline void
budget_give (struct budget *b, uint64_t bytes)
{
  atomic_fetch_sub (&b->used, bytes);
}

/* Take BYTES.  Returns 0, or -1 with errno ENOSPC if that would exceed the
 * limit.  USED never exceeds the limit through this function, not even for
 * a moment: other threads may read it at any time.
 */
static inline int
budget_take (struct budget *b, uint64_t bytes)
{
  uint64_t limit = atomic_load_explicit (&b->limit, memory_order_relaxed);
  uint64_t used = atomic_load_explicit (&b->used, memory_order_relaxed);

  if (bytes == 0)               /* succeeds even above the limit */
    return 0;
  do {
    if (limit != 0 && (bytes > limit || used > limit - bytes))
      return fail_with (ENOSPC);
  } while (!atomic_compare_exchange_weak (&b->used, &used, used + bytes));

  budget_raise_max (b, used + bytes);
  return 0;
}

/* Return whether budget_take would succeed now.  Other threads may take
 * the room at any time.
 */
static inline bool
budget_has_room (const struct budget *b, uint64_t bytes)
{
  uint64_t limit = atomic_load_explicit (&b->limit, memory_order_relaxed);

  return limit == 0 || b->used + bytes <= limit;
}

#endif /* NBDZRAM_BASE_BUDGET_H */
