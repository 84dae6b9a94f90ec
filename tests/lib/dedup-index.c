/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "unit.h"

#include <cmocka.h>

#include "dedup-index.h"

void
open_index (struct fixture *f, uint64_t limit)
{
  f->budget = (struct budget) { .used = ALREADY_USED };
  assert_int_equal (dedup_open (&f->x, &f->budget, limit), 0);
  assert_true (f->budget.used == ALREADY_USED);
}

void
close_index (struct fixture *f)
{
  assert_index_ok (&f->x);
  dedup_close (&f->x);
  assert_true (f->budget.used == ALREADY_USED);
  dedup_close (&f->x);
}

void
assert_stats (struct fixture *f, uint64_t nodes, uint64_t shared)
{
  struct dedup_stats st;

  dedup_get_stats (&f->x, &st);
  assert_true (st.nodes == nodes);
  assert_true (st.shared == shared);
  assert_true (st.bytes == f->budget.used - ALREADY_USED);
  assert_true (nodes > 0 || st.bytes == 0);
}

slot_t
slot_of (uint64_t id, uint32_t fp)
{
  return id % 4 == 0
    ? slot_huge (id * 4096, fp)
    : slot_stored (id * 4096 + id % 128 * 32, 1 + (uint32_t) (id * 7 % 65536),
                   id % 16);
}

uint32_t
fp_of (uint64_t n)
{
  struct rng r = { n };

  return (uint32_t) rng_next (&r) & FP_MASK;
}

slot_t
take (struct fixture *f, uint32_t fp, unsigned scope)
{
  return dedup_take (&f->x, fp, scope, NULL, NULL);
}

bool
is_this (slot_t slot, void *opaque)
{
  return slot == *(slot_t *) opaque;
}

bool
drop (struct dedup *x, uint32_t fp, slot_t slot)
{
  return dedup_drop (x, fp, slot) != DEDUP_SHARED;
}

unsigned
insert_until_full (struct fixture *f, unsigned n)
{
  errno = 0;
  while (dedup_insert (&f->x, fp_of (n), 0, slot_of (n, fp_of (n))) == 0)
    ++n;
  assert_int_equal (errno, ENOSPC);
  return n;
}
