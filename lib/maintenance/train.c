/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Training a dictionary from a sample of the pool's pages. */

#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/base/mutex.h"
#include "lib/codec/dictionary-train.h"
#include "lib/store/devices.h"
#include "lib/store/encode.h"
#include "lib/store/pool.h"

#include "reconfigure.h"

/* Count the pages that a dictionary would be used for. */
static uint64_t
count_pages (struct pool *pool)
{
  uint64_t pages = 0;

  for (struct device *d = NULL; (d = device_pin_next (pool, d)) != NULL; )
    if (pool_wants_dictionary_for (pool, d))
      pages += d->counts[SLOT_KIND_STORED] + d->counts[SLOT_KIND_GROUP];
  return pages;
}

bool
pool_needs_training (struct pool *pool)
{
  return pool_wants_dictionary (pool)
    && count_pages (pool)
       >= MAX (2 * DICTIONARY_TRAIN_PAGES, 2 * pool->trained_pages);
}

/* Every STRIDE-th of these pages. */
struct sample {
  uint8_t *pages;
  uint64_t stride, seen;
  unsigned count;
};

static bool
take_page (struct device *d, uint64_t index, slot_t slot, page_info info,
           void *opaque)
{
  struct sample *s = opaque;
  uint8_t *page = s->pages + (size_t) s->count * device_page_size (d);
  struct stream *stream;

  (void) info;
  if (!pool_wants_dictionary_for (d->pool, d)
      || slot_is_huge (slot) || slot_is_same_stored (slot)
      || s->seen++ % s->stride != 0)
    return true;

  stream = stream_get (&d->pool->streams);
  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (table_get (&d->table, index) == slot
        && decode_slot (d, stream, slot, page) == 0)
      s->count++;
  }
  stream_put (&d->pool->streams, stream);
  return s->count < DICTIONARY_TRAIN_PAGES;
}

static void
take_sample (struct pool *pool, struct sample *s, const struct job *job)
{
  struct selection all = select_type (PAGES_ALL);

  MAINTENANCE_FOR_SCOPE (pool);
  pool->trained_pages = count_pages (pool);
  s->stride = MAX (1, pool->trained_pages / DICTIONARY_TRAIN_PAGES);
  walk_selected (pool, &all, job, take_page, s);
}

static int
train_and_use (struct pool *pool, const struct sample *s,
               const struct job *job)
{
  uint8_t *dictionary = malloc (DICTIONARY_TRAIN_SIZE);
  ssize_t length;
  int r = -1;

  if (!dictionary)
    return -1;
  length = dictionary_train (s->pages, s->count, pool->sizes.page_size,
                             DICTIONARY_TRAIN_SIZE, dictionary, &pool->budget,
                             job ? job->go_on : NULL,
                             job ? job->opaque : NULL);
  if (length == 0)              /* nothing in common */
    r = 0;
  else if (length > 0)
    r = pool_use_dictionary (pool, dictionary, (size_t) length);
  free (dictionary);
  return r;
}

int
pool_train (struct pool *pool, const struct job *job)
{
  uint64_t bytes = (uint64_t) DICTIONARY_TRAIN_PAGES * pool->sizes.page_size
                   + DICTIONARY_TRAIN_SIZE;
  struct sample s = { .count = 0 };
  int r = -1;

  if (budget_take (&pool->budget, bytes) == -1)
    return -1;
  s.pages = malloc (bytes);
  if (s.pages) {
    take_sample (pool, &s, job);
    r = s.count > 0 ? train_and_use (pool, &s, job) : 0;
  }
  free (s.pages);
  budget_give (&pool->budget, bytes);
  return r;
}
