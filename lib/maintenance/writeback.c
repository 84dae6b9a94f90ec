/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/os.h"
#include "lib/base/util.h"
#include "lib/store/device-objects.h"
#include "lib/store/group.h"
#include "lib/store/page-claim.h"
#include "lib/store/page-fetch.h"
#include "lib/store/pool.h"

#include "writeback-internal.h"

#define ANY_INFO ((page_info) ~0)

/* Milliseconds of a resync before other jobs have their turn. */
#define RESYNC_MS 250

/* Bytes of free space that cleaning keeps, since they are soon written
 * again.
 */
#define KEEP_BYTES (8 * MIB)

/* ---- opening ---- */

static struct moves *
moves_new (struct backing *b, bool cleaning)
{
  struct moves *m = calloc (1, sizeof *m);

  if (!m)
    return NULL;
  m->batch = backing_batch_new (b, WRITEBACK_BATCH, cleaning);
  if (m->batch)
    return m;
  free (m);
  return NULL;
}

static void
moves_free (struct moves *m)
{
  if (!m)
    return;
  backing_batch_free (m->batch);
  free (m);
}

static void
close_writeback (struct pool *pool)
{
  struct writeback *w = pool->writeback;

  if (w) {
    moves_free (w->out);
    moves_free (w->cleaning);
    free (w->object);
    budget_give (&pool->budget, w->bytes);
    free (w);
    pool->writeback = NULL;
  }
  if (pool->backing) {
    backing_close (pool->backing);
    free (pool->backing);
    pool->backing = NULL;
  }
  pool->writeback_memory = 0;
}

/* A pool that has encrypted pages goes on, so that forgetting the option does
 * not write plain pages.
 */
static bool
is_encrypted (const struct pool *pool, const struct writeback_options *o)
{
  return o->with_key || pool_file_needs_key (&pool->file);
}

static int
open_file (struct pool *pool, const struct writeback_options *o,
           struct backing_error *error)
{
  struct backing_options bo = {
    .path = o->path,
    .other_path = o->other_path,
    .size = o->size,
    .timeout = o->timeout,
    .log = o->log,
    .page_size = pool->sizes.page_size,
    .pool_is_kept = pool->is_kept,
    .record = pool_file_backing (&pool->file),
    .pool_fd = pool->file.fd,
    .budget = &pool->budget,
  };
  struct backing_room sums;
  struct backing_key key;
  struct backing *b;

  if (pool_file_open_sums (&pool->file, &sums) == -1)
    return -1;
  bo.sums = &sums;
  if (is_encrypted (pool, o)) {
    if (pool_file_open_key (&pool->file, &key) == -1)
      return -1;
    bo.key = &key;
  }
  b = aligned_alloc (CACHE_LINE, align_up (sizeof *b, CACHE_LINE));
  if (!b)
    return -1;
  memset (b, 0, sizeof *b);
  memcpy (bo.pool_id, pool_file_id (&pool->file), sizeof bo.pool_id);
  if (backing_open (b, &bo, error) == -1) {
    free (b);
    return -1;
  }
  pool->backing = b;
  return 0;
}

static size_t
scratch_bytes (const struct pool *pool)
{
  return sizeof (struct writeback) + 2 * sizeof (struct moves)
    + backing_read_size (pool->sizes.page_size);
}

uint64_t
pool_writeback_memory (const struct pool *pool, bool with_key)
{
  return align_up (scratch_bytes (pool)
                   + backing_memory (pool->file.granule, with_key)
                   + 2 * backing_batch_memory (WRITEBACK_BATCH), 64 * KIB);
}

static int
open_scratch (struct pool *pool)
{
  struct writeback *w = calloc (1, sizeof *w);
  size_t object = backing_read_size (pool->sizes.page_size);
  size_t bytes = scratch_bytes (pool);

  if (!w)
    return -1;
  pool->writeback = w;
  if (budget_take (&pool->budget, bytes) == -1)
    return -1;
  w->bytes = bytes;
  w->object = aligned_alloc (BACKING_BLOCK, object);
  w->out = moves_new (pool->backing, false);
  w->cleaning = moves_new (pool->backing, true);
  return w->object && w->out && w->cleaning ? 0 : -1;
}

/* Checked before the file is created, which would be left behind. */
static int
check_limit (const struct pool *pool, const struct writeback_options *o,
             struct backing_error *error)
{
  uint64_t limit = pool->budget.limit;

  if (limit == 0)
    return 0;
  error->needed = pool_mem_limit_min (&pool->options)
    + pool_writeback_memory (pool, is_encrypted (pool, o));
  return limit >= error->needed
    ? 0 : backing_error_set (error, BACKING_ERROR_MEM_LIMIT);
}

int
pool_open_writeback (struct pool *pool, const struct writeback_options *o,
                     struct backing_error *error)
{
  *error = (struct backing_error) { .path = o->path };
  if (check_limit (pool, o, error) == -1)
    return -1;
  if (open_file (pool, o, error) == 0 && open_scratch (pool) == 0) {
    pool->writeback_memory
      = pool_writeback_memory (pool, pool->backing->sealer != NULL);
    pool->close_writeback = close_writeback;
    pool_set_writeback_limit (pool, o->daily_limit);
    return 0;
  }
  if (error->reason == BACKING_ERROR_NONE)
    backing_error_set (error, BACKING_ERROR_SYSTEM);
  close_writeback (pool);
  return -1;
}

/* ---- from memory ---- */

struct writer {
  struct pool *pool;
  const struct job *job;
  struct writeback_result *result;
  int error;
};

static void
publish_out (const struct move *move, slot_t slot, void *opaque)
{
  struct writer *w = opaque;
  struct device *d = move->device;

  if (slot == SLOT_EMPTY) {
    page_unclaim (d, move->index, 0, 0);
    return_to_limit (w->pool->writeback, move->charged);
    return;
  }
  claim_written_back (d, slot);
  if (!page_replace (d, move->index, slot, move->info)) {
    release_slot (d, slot);
    return;
  }
  w->result->written++;
  w->result->bytes += move->charged;
  atomic_fetch_add (&w->pool->counters.bd_writes, 1);
}

static int
flush_out (struct writer *w)
{
  if (moves_flush (w->pool->writeback->out, publish_out, w) == 0)
    return 0;
  w->error = errno;
  return -1;
}

/* The page of the batch that shares the object of SLOT, or NULL.  It is not
 * enough that it had the same slot: it may have been written since, and its
 * object freed and allocated again for this page.  As long as it is claimed,
 * that has not happened.
 */
static const struct move *
find_twin (struct writeback *wb, slot_t slot)
{
  const struct move *twin = moves_find (wb->out, slot);

  return twin && page_is_claimed (twin->device, twin->index, twin->slot)
    ? twin : NULL;
}

/* Add a page to the batch.  It is claimed, and its object copied. */
static int
add_page (struct writer *w, struct move *move)
{
  struct writeback *wb = w->pool->writeback;
  const struct move *twin = find_twin (wb, move->slot);

  move->charged = twin ? 0 : object_bytes (move->device, move->slot);
  if (!take_from_limit (wb, move->charged))
    return fail_with (EDQUOT);
  if (moves_add (wb->out, move, wb->object, twin) == 0)
    return 0;
  /* The batch is full: its twin is written without it. */
  if (twin && take_from_limit (wb, object_bytes (move->device, move->slot)))
    move->charged = object_bytes (move->device, move->slot);
  if (flush_out (w) == 0 && moves_add (wb->out, move, wb->object, NULL) == 0)
    return 0;
  return_to_limit (wb, move->charged);
  return -1;
}

static int
write_page (struct writer *w, struct device *d, uint64_t index, slot_t slot,
            page_info info)
{
  struct move move = {
    .device = d,
    .index = index,
    .slot = slot,
    .info = info & ~INFO_CLAIMED,
  };

  if (!page_claim (d, index, slot, w->pool->writeback->object))
    return 0;
  w->result->tried++;
  if (add_page (w, &move) == 0)
    return 0;
  w->error = errno;
  page_unclaim (d, index, 0, 0);
  return -1;
}

/* Are all live pages of the group of SLOT among SLOTS, which are selected? */
static bool
is_group_selected (struct device *d, uint64_t index, slot_t slot,
                   const slot_t slots[LEAF_SLOTS])
{
  unsigned i = index % LEAF_SLOTS / GROUP_PAGES_MAX * GROUP_PAGES_MAX;
  unsigned end = i + GROUP_PAGES_MAX, going = 0, pages;

  for (; i < end; ++i)
    going += slot_is_group (slots[i])
      && group_slot (slots[i], 0) == group_slot (slot, 0);
  return going >= group_count_live (d, index, slot, &pages);
}

static bool
can_be_written_back (struct device *d, uint64_t index, slot_t slot,
                     const slot_t slots[LEAF_SLOTS])
{
  if (slot == SLOT_EMPTY || slot_is_same_stored (slot))
    return false;
  return !slot_is_group (slot) || is_group_selected (d, index, slot, slots);
}

static bool
write_leaf (struct device *d, uint64_t first, const slot_t slots[LEAF_SLOTS],
            const page_info infos[LEAF_SLOTS], void *opaque)
{
  struct writer *w = opaque;

  for (unsigned i = 0; i < LEAF_SLOTS; ++i) {
    if (!can_be_written_back (d, first + i, slots[i], slots))
      continue;
    if (write_page (w, d, first + i, slots[i], infos[i]) == -1
        || !job_goes_on (w->job))
      return false;
  }
  return true;
}

int
pool_write_back (struct pool *pool, const struct selection *which,
                 const struct job *job, struct writeback_result *result)
{
  struct writer w = { .pool = pool, .job = job, .result = result };

  *result = (struct writeback_result) { .tried = 0 };
  if (!pool->writeback)
    return fail_with (ENXIO);

  MAINTENANCE_FOR_SCOPE (pool);
  walk_leaves (pool, which, job, write_leaf, &w);
  flush_out (&w);
  if (w.error == 0)
    return 0;
  return fail_with (w.error);
}

/* ---- cleaning ---- */

struct cleaner {
  struct pool *pool;
  const struct job *job;
  int error;
};

static void
publish_moved (const struct move *move, slot_t slot, void *opaque)
{
  (void) opaque;
  if (slot == SLOT_EMPTY)
    return;
  claim_written_back (move->device, slot);
  if (!page_replace_if (move->device, move->index, move->slot, slot,
                        ANY_INFO))
    release_slot (move->device, slot);
}

static int
flush_cleaned (struct cleaner *c)
{
  if (moves_flush (c->pool->writeback->cleaning, publish_moved, c) == 0)
    return 0;
  c->error = errno;
  return -1;
}

/* Read the object of SLOT from one replica after the other until one has it,
 * and mark those corrupt that had something else.
 */
static const uint8_t *
read_each_replica (struct cleaner *c, struct device *d, uint64_t index,
                   slot_t slot)
{
  struct backing *b = c->pool->backing;
  uint8_t *room = c->pool->writeback->object;
  uint64_t offset = slot_offset (slot);
  bool is_damaged[BACKING_REPLICAS] = { false };

  for (unsigned n = 0; n < BACKING_REPLICAS; ++n) {
    const uint8_t *object = backing_read_replica (b, n, offset,
                                                  object_bytes (d, slot), room,
                                                  false);

    is_damaged[n] = object || errno == EUCLEAN;
    if (!object || !page_is_intact (d, index, slot, object))
      continue;
    for (unsigned k = 0; k < n; ++k)
      if (is_damaged[k])
        backing_mark_corrupt (b, k, offset);
    return object;
  }
  return NULL;
}

/* Read the object of SLOT.  It must be as it was written, since its new blocks
 * get checksums that match whatever is moved there.
 */
static const uint8_t *
read_to_move (struct cleaner *c, struct device *d, uint64_t index, slot_t slot)
{
  struct backing *b = c->pool->backing;
  const uint8_t *object = backing_read_now (b, slot_offset (slot),
                                            object_bytes (d, slot),
                                            c->pool->writeback->object);

  bool is_stale = !object && errno == EUCLEAN;

  if (is_stale)
    page_count_stale (c->pool);
  if (b->replicated
      && (is_stale || (object && !page_is_intact (d, index, slot, object))))
    object = read_each_replica (c, d, index, slot);
  return object;
}

/* Nothing is written to the place of this object before the batch is written,
 * so its slot alone shows whether it is still the same.
 */
static int
clean_page (struct cleaner *c, struct device *d, uint64_t index, slot_t slot)
{
  struct writeback *wb = c->pool->writeback;
  struct move move = { .device = d, .index = index, .slot = slot };
  const struct move *twin = moves_find (wb->cleaning, slot);
  const uint8_t *object = wb->object;

  if (!twin) {
    object = read_to_move (c, d, index, slot);
    if (!object && backing_may_write (c->pool->backing))
      return 0;                 /* a read will report the damage */
    if (!object) {
      c->error = ENOTCONN;
      return -1;
    }
  }
  if (moves_add (wb->cleaning, &move, object, twin) == 0)
    return 0;
  return flush_cleaned (c);     /* this object is moved the next time */
}

static bool
is_victim (const struct backing *b, const struct device *d, slot_t slot)
{
  uint64_t offset = slot_offset (slot);
  uint32_t bytes = object_bytes (d, slot);

  return slot_is_written_back (slot) && backing_contains (b, offset, bytes)
    && backing_is_victim (b, offset, bytes);
}

static bool
clean_leaf (struct device *d, uint64_t leaf, void *opaque)
{
  struct cleaner *c = opaque;
  slot_t slots[LEAF_SLOTS];
  uint64_t first = leaf * LEAF_SLOTS;

  if (!table_copy_leaf (&d->table, leaf, slots))
    return true;
  for (unsigned i = 0; i < LEAF_SLOTS && first + i < d->pages; ++i)
    if (is_victim (c->pool->backing, d, slots[i])
        && (clean_page (c, d, first + i, slots[i]) == -1
            || !job_goes_on (c->job)))
      return false;
  return true;
}

static uint64_t
used_bytes (const struct pool *pool)
{
  struct backing_stats st;

  backing_get_stats (pool->backing, &st);
  return st.used;
}

int
pool_clean (struct pool *pool, const struct job *job)
{
  struct cleaner c = { .pool = pool, .job = job };
  uint64_t used;

  if (!pool->writeback)
    return fail_with (ENXIO);

  MAINTENANCE_FOR_SCOPE (pool);
  do {
    used = used_bytes (pool);
    if (!backing_needs_cleaning (pool->backing)
        || backing_choose_victims (pool->backing, WRITEBACK_BATCH / 2) == 0)
      break;
    walk_all_leaves (pool, NULL, clean_leaf, &c);
    flush_cleaned (&c);
    backing_cleaning_done (pool->backing);
    /* Stop when this freed nothing: objects may have sizes that can't be
     * packed any better, and would be moved forever.
     */
  } while (used_bytes (pool) < used && c.error == 0 && job_goes_on (job));
  backing_give_back (pool->backing, KEEP_BYTES);
  if (c.error == 0)
    return 0;
  return fail_with (c.error);
}

/* ---- resync ---- */

bool
pool_resync (struct pool *pool, const struct job *job)
{
  uint64_t until = os_milliseconds () + RESYNC_MS;

  if (!pool->backing)
    return false;

  MAINTENANCE_FOR_SCOPE (pool);
  while (backing_resync (pool->backing))
    if (os_milliseconds () >= until || !job_goes_on (job))
      return true;
  return false;
}
