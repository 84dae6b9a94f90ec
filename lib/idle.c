/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "device.h"
#include "idle.h"
#include "walk.h"

static bool
mark_page (struct device *d, uint64_t index, slot_t slot, page_info info,
           void *opaque)
{
  uint64_t *marked = opaque;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  /* Who wrote it meanwhile is no idler. */
  if (table_get (&d->table, index) == slot
      && info_age (table_info (&d->table, index)) >= info_age (info)) {
    table_mark (&d->table, index, INFO_IDLE, 0);
    ++*marked;
  }
  return true;
}

uint64_t
pool_mark_idle (struct pool *pool, uint64_t seconds)
{
  struct selection all = {
    .type = seconds == 0 ? PAGES_ALL : PAGES_IDLE,
    .idle_age = age_of_seconds (seconds),
  };
  const struct job always = { NULL, NULL };
  uint64_t marked = 0;

  MAINTENANCE_FOR_SCOPE (pool);
  walk_selected (pool, &all, &always, mark_page, &marked);
  return marked;
}

void
pool_sweep (struct pool *pool, uint64_t now)
{
  uint8_t older[AGE_CODES];

  MAINTENANCE_FOR_SCOPE (pool);
  if (pool->swept && now > pool->swept_at) {
    age_steps (pool->swept_at, now, older);
    for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
      if (pool->devices[n])
        table_sweep (&pool->devices[n]->table, older);
  }
  if (!pool->swept || now > pool->swept_at)
    pool->swept_at = now;
  pool->swept = true;
}
