/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much may be written back: in a day, and to the room that is left. */

#include <config.h>

#include "lib/base/util.h"
#include "lib/store/pool.h"

#include "writeback-internal.h"

#define DAY 86400               /* seconds */

void
pool_set_writeback_limit (struct pool *pool, uint64_t bytes)
{
  if (!pool->writeback)
    return;
  pool->writeback->daily_limit = bytes;
  pool->writeback->left = bytes;
}

void
pool_get_writeback_limit (struct pool *pool, uint64_t *bytes, uint64_t *left)
{
  *bytes = pool->writeback ? pool->writeback->daily_limit : 0;
  *left = pool->writeback ? pool->writeback->left : 0;
}

uint64_t
pool_writeback_room (struct pool *pool)
{
  const struct writeback *w = pool->writeback;
  enum backing_state state;
  struct backing_stats bs;
  uint64_t room;
  int error;

  if (!w)
    return 0;
  state = backing_get_state (pool->backing, &error);
  if (state != BACKING_OK && state != BACKING_FULL
      && state != BACKING_DEGRADED)
    return 0;
  backing_get_stats (pool->backing, &bs);
  room = bs.size > bs.live ? bs.size - bs.live : 0;
  return w->daily_limit > 0 ? MIN (room, w->left) : room;
}

void
pool_writeback_clock (struct pool *pool, uint64_t now)
{
  struct writeback *w = pool->writeback;

  if (!w)
    return;

  MAINTENANCE_FOR_SCOPE (pool);
  if (w->began && now - w->day_began < DAY)
    return;
  if (w->began)
    w->left = w->daily_limit;
  w->began = true;
  w->day_began = now;
}

bool
take_from_limit (struct writeback *w, uint32_t bytes)
{
  uint64_t left = w->left;

  if (w->daily_limit == 0)
    return true;
  do
    if (left < bytes)
      return false;
  while (!atomic_compare_exchange_weak (&w->left, &left, left - bytes));
  return true;
}

void
return_to_limit (struct writeback *w, uint32_t bytes)
{
  if (w->daily_limit != 0)
    atomic_fetch_add (&w->left, bytes);
}
