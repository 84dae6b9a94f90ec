/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "lib/base/mutex.h"
#include "lib/store/device-objects.h"
#include "lib/store/devices.h"
#include "lib/store/walk.h"

#include "idle.h"

static bool
mark_page (struct device *d, uint64_t index, slot_t slot, page_info info,
           void *opaque)
{
  uint64_t *marked = opaque;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  /* It may have been accessed meanwhile. */
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

static bool
count_page (struct device *d, uint64_t index, slot_t slot, page_info info,
            void *opaque)
{
  uint64_t *count = opaque;

  (void) d;
  (void) index;
  (void) info;
  *count += !slot_is_same_stored (slot);
  return true;
}

uint64_t
pool_count_idle (struct pool *pool)
{
  struct selection idle = {
    .type = PAGES_IDLE,
    .idle_age = age_of_seconds (pool->idle_age),
  };
  uint64_t count = 0;

  while ((idle.device = device_pin_next (pool, idle.device)) != NULL) {
    idle.end = idle.device->pages;
    walk_selected (pool, &idle, NULL, count_page, &count);
  }
  return count;
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
