/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"
#include "lib/store/encode.h"
#include "lib/store/page-claim.h"
#include "lib/store/pool.h"

#include "reconfigure.h"

/* ---- the algorithm ---- */

static bool
make_stale (struct device *d, uint64_t index, slot_t slot, page_info info,
            void *opaque)
{
  (void) opaque;
  if (d->method != METHOD_OF_POOL
      || slot_is_group (slot) || slot_is_same_stored (slot)
      || info_tried (info) != 0)
    return true;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));
  if (table_get (&d->table, index) == slot)
    table_mark (&d->table, index, INFO_STALE, 0);
  return true;
}

int
pool_set_algorithm (struct pool *pool, const struct algorithm *algorithm)
{
  struct selection all = select_type (PAGES_ALL);

  MAINTENANCE_FOR_SCOPE (pool);
  if (pool_change_algorithm (pool, algorithm) == -1)
    return -1;
  walk_selected (pool, &all, NULL, make_stale, NULL);
  atomic_store (&pool->has_stale, true);
  return 0;
}

bool
pool_has_stale (const struct pool *pool)
{
  return atomic_load_explicit (&pool->has_stale, memory_order_relaxed);
}

struct refresher {
  struct stream *stream;        /* for one page at a time */
  uint8_t *object, *page;
  uint64_t *refreshed;
  int error;
};

/* 0, or -1 with errno ENOSPC. */
static int
refresh_page (struct refresher *r, struct device *d, uint64_t index,
              slot_t slot, page_info info)
{
  slot_t new;

  if (!page_claim (d, index, slot, r->object))
    return 0;
  if (decode_object (d, r->stream, slot, r->object, r->page) == -1) {
    page_unclaim (d, index, 0, INFO_STALE); /* a read will report it */
    return 0;
  }
  if (encode_anew (d, r->stream, r->page, &new) == -1) {
    page_unclaim (d, index, 0, 0);
    return fail_with (ENOSPC);
  }
  if (page_replace (d, index, new, info_age (info)))
    ++*r->refreshed;
  else
    release_slot (d, new);
  return 0;
}

static bool
each_stale (struct device *d, uint64_t index, slot_t slot, page_info info,
            void *opaque)
{
  struct streams *streams = &d->pool->streams;
  struct refresher *r = opaque;

  r->stream = stream_get (streams);
  if (refresh_page (r, d, index, slot, info) == -1)
    r->error = errno;
  stream_put (streams, r->stream);
  return r->error == 0;
}

static void
refresh_all (struct pool *pool, const struct job *job, struct refresher *r)
{
  struct selection stale = select_type (PAGES_STALE);

  walk_selected (pool, &stale, job, each_stale, r);
  if (r->error == 0 && job_goes_on (job))
    atomic_store (&pool->has_stale, false);
}

int
pool_refresh (struct pool *pool, const struct job *job, uint64_t *refreshed)
{
  uint32_t size = pool->sizes.page_size;
  struct refresher r = { .refreshed = refreshed };

  *refreshed = 0;

  MAINTENANCE_FOR_SCOPE (pool);
  if (budget_take (&pool->budget, 2 * size) == -1)
    return -1;
  r.object = malloc (2 * size);
  r.page = r.object + size;
  if (r.object)
    refresh_all (pool, job, &r);
  else
    r.error = ENOSPC;
  free (r.object);
  budget_give (&pool->budget, 2 * size);
  if (r.error == 0)
    return 0;
  return fail_with (r.error);
}
