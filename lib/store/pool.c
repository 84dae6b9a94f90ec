/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/backing/backing.h"
#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "devices.h"
#include "group-header.h"
#include "pool.h"

/* What a pool needs before it keeps its first page, besides a stream: the head
 * of the file, and this many zspages with their bookkeeping.
 */
#define MIN_ZSPAGES 8

static uint64_t
fixed_bytes (const struct pool_file *file)
{
  return MAX (2 * (uint64_t) OS_PAGE_SIZE, file->granule)
    + sizeof (struct pool) + sizeof (struct slot_locks);
}

/* Open the streams and the scratch buffers for all algorithms. */
static int
open_streams (struct pool *pool)
{
  const struct pool_options *o = &pool->options;
  uint32_t page_size = pool->sizes.page_size;
  size_t group_bytes = group_pages_max (&pool->sizes) * (size_t) page_size;

  if (streams_open (&pool->streams, &o->algorithm, page_size, &pool->budget)
      == -1)
    return -1;
  for (unsigned i = 0; i < o->recompress_count; ++i)
    if (streams_add_codec (&pool->streams, o->recompress[i].codec->id) == -1)
      return -1;
  if ((o->recompress_count > 0 || o->dedup != DEDUP_OFF)
      && streams_add_groups (&pool->streams, GROUP_BYTES_MAX) == -1)
    return -1;
  return scratch_open (&pool->scratch, o->recompress, o->recompress_count,
                       page_size, group_bytes, &pool->budget);
}

/* Bytes that the dictionaries of OPTIONS and their use take. */
static uint64_t
dictionary_bytes (const struct pool_options *o)
{
  uint32_t page_size = o->geometry.page_size;
  uint64_t bytes = method_cost (&o->algorithm, page_size);

  for (unsigned i = 0; i < o->recompress_count; ++i)
    bytes += method_cost (&o->recompress[i], page_size);
  return bytes;
}

uint64_t
pool_mem_limit_min (const struct pool_options *options)
{
  struct pool pool = {
    .options = *options,
    .file.granule = OS_PAGE_SIZE,
  };
  uint64_t scratch = UINT64_MAX;

  size_classes_init (&pool.sizes, options->geometry.page_size);
  if (open_streams (&pool) == 0)
    scratch = pool.budget.used;
  scratch_close (&pool.scratch);
  streams_close (&pool.streams);
  return scratch == UINT64_MAX ? UINT64_MAX
    : align_up (fixed_bytes (&pool.file) + scratch
                + dictionary_bytes (options)
                + (uint64_t) MIN_ZSPAGES * ZSPAGE_PAGES
                  * options->geometry.page_size, 64 * KIB);
}

uint64_t
pool_least_limit (const struct pool *pool)
{
  uint64_t least = pool_mem_limit_min (&pool->options);

  return least == UINT64_MAX ? least : least + pool->writeback_memory;
}

int
pool_set_mem_limit (struct pool *pool, uint64_t limit)
{
  uint64_t least = limit == 0 ? 0 : pool_least_limit (pool);

  if (least == UINT64_MAX)
    return fail_with (ENOMEM);
  if (limit < least)
    return fail_with (ERANGE);
  pool->budget.limit = limit;
  if (budget_has_room (&pool->budget, 1))
    reclaim_done (&pool->reclaim, true);
  return 0;
}

static int
open_parts (struct pool *pool, const struct pool_options *options)
{
  if (options->mem_limit != 0) {
    uint64_t least = pool_mem_limit_min (options);

    if (least == UINT64_MAX)
      return -1;
    if (options->mem_limit < least)
      return fail_with (ERANGE);
  }
  if (pool_file_open (&pool->file, options->path, &options->geometry) == -1)
    return -1;
  budget_force (&pool->budget, fixed_bytes (&pool->file));
  pool->budget.limit = options->mem_limit;
  size_classes_init (&pool->sizes, pool->file.geometry.page_size);

  pool->locks = aligned_alloc (CACHE_LINE, sizeof *pool->locks);
  if (!pool->locks)
    return -1;
  slot_locks_init (pool->locks);
  return open_streams (pool);
}

struct pool *
pool_open (const struct pool_options *options)
{
  struct pool *pool = aligned_alloc (CACHE_LINE,
                                     align_up (sizeof *pool, CACHE_LINE));

  if (!pool)
    return NULL;
  memset (pool, 0, sizeof *pool);
  pool->options = *options;
  pool->options.path = NULL;    /* belongs to the caller */
  pool->is_kept = options->path != NULL;
  pool->file.fd = -1;
  mutex_init (&pool->maintenance);
  mutex_init (&pool->devices_lock);
  reclaim_init (&pool->reclaim);
  if (getrandom (&pool->attach_sign, sizeof pool->attach_sign, 0) == -1)
    pool->attach_sign = (uint32_t) getpid ();

  if (open_parts (pool, options) == -1) {
    int err = errno;

    pool_close (pool);
    errno = err;
    return NULL;
  }
  return pool;
}

int
pool_try_map (struct pool *pool, uint64_t size)
{
  uint64_t frames = pool->file.arena_size / pool->sizes.zspage_size;
  uint64_t len = align_up (pool->file.arena_size
                           + frames * sizeof (struct zspage)
                           + table_bytes (div_up (size,
                                                  pool->sizes.page_size)),
                           pool->file.granule);
  void *p = os_map_file (pool->file.fd, 0, len);

  os_unmap (p, len);
  return p ? 0 : -1;
}

/* Open the index if dedup is on, or if some objects of the pool are shared
 * from earlier: only the index knows how many slots refer to them.
 */
static int
open_dedup (struct pool *pool)
{
  const struct pool_options *o = &pool->options;

  if (o->dedup == DEDUP_POOL)
    pool_file_set_shared_by_devices (&pool->file);
  pool->objects_are_owned = !pool_file_is_shared_by_devices (&pool->file);
  pool->has_dedup = o->dedup != DEDUP_OFF || pool_file_is_shared (&pool->file);
  if (!pool->has_dedup)
    return 0;
  /* An existing pool may need more than the limit. */
  if (dedup_open (&pool->dedup, &pool->budget,
                  pool->file.created ? o->dedup_limit : 0) == -1)
    return -1;
  pool->dedup.held.limit = o->dedup_limit;
  pool_file_set_shared (&pool->file);
  return 0;
}

/* ---- dictionaries ---- */

/* Put the dictionary generation that ALGORITHM begins with in *GENERATION,
 * held, or NO_GENERATION.  0, or -1 with errno as by dictionaries_add.
 */
static int
hold_first_generation (struct pool *pool, const struct algorithm *a,
                       int *generation)
{
  *generation = NO_GENERATION;
  if (a->dictionary) {
    *generation = dictionaries_add (&pool->dictionaries,
                                    a->dictionary->bytes,
                                    a->dictionary->length);
    return *generation == -1 ? -1 : 0;
  }
  if (a->auto_dictionary)
    *generation = dictionaries_find_used (&pool->dictionaries);
  return 0;
}

/* Use GENERATION for the algorithm of priority PRIORITY; 0 is the algorithm of
 * new pages.
 */
static int
use_generation (struct pool *pool, unsigned priority, int generation)
{
  const struct pool_options *o = &pool->options;

  if (priority > 0)
    return scratch_set_dictionary (&pool->scratch, priority,
                                   &pool->dictionaries, generation);
  return streams_set_pool_method (&pool->streams, &o->algorithm,
                                  &pool->dictionaries, generation);
}

static const struct algorithm *
algorithm_of (const struct pool *pool, unsigned priority)
{
  return priority == 0 ? &pool->options.algorithm
                       : &pool->options.recompress[priority - 1];
}

/* Of the dictionaries in the file, keep those that pages need, and start to
 * use those that algorithms want.
 */
static int
start_dictionaries (struct pool *pool)
{
  dictionaries_drop_unused (&pool->dictionaries);
  for (unsigned p = 0; p <= pool->options.recompress_count; ++p) {
    int generation;

    if (hold_first_generation (pool, algorithm_of (pool, p), &generation)
          == -1
        || (generation != NO_GENERATION
            && use_generation (pool, p, generation) == -1))
      return -1;
  }
  return 0;
}

static void
update_wants_dictionary (struct pool *pool)
{
  bool wants = false;

  for (unsigned p = 0; p <= pool->options.recompress_count; ++p)
    wants |= algorithm_of (pool, p)->auto_dictionary;
  pool->wants_dictionary = wants;
}

bool
pool_wants_dictionary (const struct pool *pool)
{
  return pool->wants_dictionary;
}

bool
pool_wants_dictionary_for (const struct pool *pool, const struct device *d)
{
  const struct pool_options *o = &pool->options;

  for (unsigned i = 0; i < o->recompress_count; ++i)
    if (o->recompress[i].auto_dictionary)
      return true;
  return d->method == METHOD_OF_POOL && pool_wants_dictionary (pool);
}

int
pool_use_dictionary (struct pool *pool, const void *content, size_t length)
{
  struct dictionaries *d = &pool->dictionaries;
  int generation, r = 0;

  MAINTENANCE_FOR_SCOPE (pool);
  dictionaries_drop_unused (d);
  generation = dictionaries_add (d, content, length);
  if (generation == -1)
    return -1;
  for (unsigned p = 0; r == 0 && p <= pool->options.recompress_count; ++p)
    if (algorithm_of (pool, p)->auto_dictionary) {
      dictionaries_hold (d, generation);
      r = use_generation (pool, p, generation);
    }
  dictionaries_release (d, generation);
  dictionaries_drop_unused (d);
  return r;
}

int
pool_change_algorithm (struct pool *pool, const struct algorithm *algorithm)
{
  int generation;

  if (hold_first_generation (pool, algorithm, &generation) == -1
      || streams_set_pool_method (&pool->streams, algorithm,
                                  &pool->dictionaries, generation)
        == -1)
    return -1;
  pool->options.algorithm = *algorithm;
  pool->options.algorithm.dictionary = NULL; /* it is in the pool file */
  update_wants_dictionary (pool);
  dictionaries_drop_unused (&pool->dictionaries);
  return 0;
}

static enum attach_result
start_parts (struct pool *pool)
{
  enum attach_result r;

  if (dictionaries_open (&pool->dictionaries, &pool->file, &pool->budget)
      == -1)
    return ATTACH_FAILED;
  pool->streams.dictionaries = &pool->dictionaries;
  if (arena_open (&pool->arena, &pool->file, &pool->budget,
                  pool->sizes.zspage_size) == -1
      || objects_open (&pool->objects, &pool->sizes, &pool->arena) == -1
      || open_dedup (pool) == -1)
    return ATTACH_FAILED;
  r = devices_attach (pool);
  if (r != ATTACH_OK)
    return r;
  if (pool->has_dedup)
    dedup_forget (&pool->dedup, pool->options.dedup == DEDUP_OFF
                                ? 0 : pool->options.dedup_limit);
  if (!pool->file.created)
    objects_attach_done (&pool->objects);
  return pool->backing && backing_attach_done (pool->backing) == -1
    ? ATTACH_FAILED : ATTACH_OK;
}

/* A pool that is full of pages must start, too.  So what it needs for that is
 * taken without regard to the limit.
 */
enum attach_result
pool_start (struct pool *pool)
{
  enum attach_result r;

  update_wants_dictionary (pool);
  pool->budget.limit = 0;
  r = start_parts (pool);
  if (r == ATTACH_OK && start_dictionaries (pool) == -1)
    r = ATTACH_FAILED;
  pool->budget.limit = pool->options.mem_limit;
  return r;
}

/* The largest table that is made resident is this part of all memory. */
#define TABLE_PART 32

int
pool_make_resident (struct pool *pool, unsigned streams)
{
  const struct pool_file *file = &pool->file;

  /* Huge pages are never swapped, and those of a file are always mapped. */
  if (file->granule == OS_PAGE_SIZE
      && os_populate_data (file->fd, pool->arena.base, file->arena_offset,
                           file->arena_size) == -1)
    return -1;
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    struct device *d = pool->devices[n];

    if (d && table_resident_bytes (&d->table)
             <= os_total_memory () / TABLE_PART
        && table_make_resident (&d->table) == -1)
      return -1;
  }
  return streams_make (&pool->streams, streams);
}

void
pool_close (struct pool *pool)
{
  if (!pool)
    return;
  reserve_stop (&pool->reserve);
  devices_close (pool);
  dedup_close (&pool->dedup);
  objects_close (&pool->objects);
  arena_close (&pool->arena);
  if (pool->close_writeback)
    pool->close_writeback (pool);
  scratch_close (&pool->scratch);
  streams_close (&pool->streams);
  dictionaries_close (&pool->dictionaries);
  if (!pool->is_kept)
    pool_file_wipe_key (&pool->file);
  if (pool->locks)
    slot_locks_destroy (pool->locks);
  free (pool->locks);
  pool_file_close (&pool->file);
  reclaim_destroy (&pool->reclaim);
  pthread_mutex_destroy (&pool->maintenance);
  pthread_mutex_destroy (&pool->devices_lock);
  free (pool);
}

int
pool_find_device (struct pool *pool, const char *name, uint64_t *size)
{
  struct device_record record;

  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    if (pool_file_get_device (&pool->file, n, &record) == -1) {
      if (errno == ENOENT)
        continue;
      return -1;
    }
    if (!record.removed && strcmp (record.name, name) == 0) {
      *size = record.size;
      return (int) n;
    }
  }
  return fail_with (ENOENT);
}
