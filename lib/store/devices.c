/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device is put into pool->devices with devices_lock held, and taken out
 * with maintenance held, too: so each of the two locks keeps what is there.
 */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/latency.h"
#include "lib/base/os.h"

#include "devices.h"
#include "page.h"

/* ---- one of them ---- */

static int
open_table (struct device *d, const struct device_record *record,
            struct table *t)
{
  struct pool *pool = d->pool;

  if (table_open (t, &pool->file, &pool->budget, &d->held, pool->locks,
                  record->table_offset,
                  div_up (record->size, pool->sizes.page_size)) == 0)
    return 0;
  errno = ENOMEM;
  return -1;
}

static void
set_size (struct device *d, uint64_t size)
{
  d->size = size;
  d->pages = div_up (size, d->pool->sizes.page_size);
}

/* From record number N.  NULL with errno ENOMEM. */
static struct device *
device_new (struct pool *pool, unsigned n, const struct device_record *record)
{
  struct device *d = aligned_alloc (CACHE_LINE,
                                    align_up (sizeof *d, CACHE_LINE));

  if (!d)
    return NULL;
  memset (d, 0, sizeof *d);
  d->pool = pool;
  d->number = n;
  d->id = record->id;
  memcpy (d->name, record->name, sizeof d->name);
  set_size (d, record->size);
  if (open_table (d, record, &d->table) == -1) {
    free (d);
    errno = ENOMEM;
    return NULL;
  }
  return d;
}

static void
device_free (struct device *d)
{
  table_close (&d->table);
  streams_drop_method (&d->pool->streams, d->method);
  if (d->free_extra)
    d->free_extra (d->extra);
  free (d);
}

/* Take all that the table names into account. */
static int
attach_pages (struct device *d)
{
  slot_t slots[LEAF_SLOTS];

  for (uint64_t leaf = table_next_leaf (&d->table, 0); leaf < d->table.leaves;
       leaf = table_next_leaf (&d->table, leaf + 1)) {
    uint64_t first = leaf * LEAF_SLOTS;

    table_copy_leaf (&d->table, leaf, slots);
    for (unsigned i = 0; i < LEAF_SLOTS && first + i < d->pages; ++i)
      if (slots[i] != SLOT_EMPTY && page_attach (d, first + i, slots[i]) == -1)
        return -1;
  }
  return 0;
}

/* ---- all of them ---- */

static uint64_t
end_of_table (const struct device *d)
{
  return align_up (d->table.offset + table_bytes (d->table.pages),
                   d->pool->file.granule);
}

/* The end of the table that OFFSET of the file is in; or, if it is in none,
 * 0 and in *NEXT where the next one begins, if that is before.  Checksums of
 * a backing file's blocks are in the same part of the file, and of use as
 * long as there is one.
 */
static uint64_t
table_around (const struct pool *pool, uint64_t offset, uint64_t *next)
{
  uint64_t end = pool->backing
    ? pool_file_sums_around (&pool->file, offset, next) : 0;

  if (end != 0)
    return end;
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    const struct device *d = pool->devices[n];

    if (!d)
      continue;
    if (offset >= d->table.offset && offset < end_of_table (d))
      return end_of_table (d);
    if (d->table.offset > offset)
      *next = MIN (*next, d->table.offset);
  }
  return 0;
}

/* Give back the memory of tables that nobody has: something was killed
 * before or after it wrote a record.
 */
static void
drop_orphans (struct pool *pool)
{
  const struct pool_file *file = &pool->file;
  uint64_t offset = file->arena_offset + file->arena_size, start, stop, end;
  struct stat st;

  if (fstat (file->fd, &st) == -1)
    return;
  while (pool_file_next_data (file, offset, (uint64_t) st.st_size, &start,
                              &stop)) {
    end = table_around (pool, start, &stop);
    if (end == 0) {
      os_punch (file->fd, start, stop - start);
      end = stop;
    }
    offset = end;
  }
}

int
devices_attach (struct pool *pool)
{
  struct device_record record;

  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    struct device *d;

    if (pool_file_get_device (&pool->file, n, &record) == -1) {
      if (errno == ENOENT)
        continue;
      return -1;
    }
    /* Killed when it was removed: nobody has named its objects since. */
    if (record.removed) {
      pool_file_forget_device (&pool->file, n);
      continue;
    }
    budget_force (&pool->budget, OS_PAGE_SIZE);
    pool->devices[n] = d = device_new (pool, n, &record);
    if (!d || attach_pages (d) == -1)
      return -1;
    pool->device_count++;
  }
  if (!pool->file.created)
    drop_orphans (pool);
  return 0;
}

void
devices_close (struct pool *pool)
{
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (pool->devices[n])
      device_free (pool->devices[n]);
}

/* ---- finding ---- */

/* devices_lock is held. */
static struct device *
find (struct pool *pool, const char *name)
{
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    struct device *d = pool->devices[n];

    if (d && !d->removed && strcmp (d->name, name) == 0)
      return d;
  }
  errno = ENOENT;
  return NULL;
}

static struct device *
use (struct device *d)
{
  if (d && d->resizing) {
    errno = EBUSY;
    return NULL;
  }
  if (d)
    d->users++;
  return d;
}

struct device *
device_find (struct pool *pool, const char *name)
{
  LOCK_FOR_SCOPE (&pool->devices_lock);

  return use (find (pool, name));
}

struct device *
device_pin_next (struct pool *pool, struct device *d)
{
  LOCK_FOR_SCOPE (&pool->devices_lock);

  for (unsigned n = d ? d->number + 1 : 0; n < POOL_DEVICES_MAX; ++n) {
    struct device *next = pool->devices[n];

    if (!next || next->removed)
      continue;
    next->pins++;
    if (d)
      d->pins--;
    return next;
  }
  if (d)
    d->pins--;
  return NULL;
}

void
device_unpin (struct device *d)
{
  LOCK_FOR_SCOPE (&d->pool->devices_lock);
  d->pins--;
}

/* devices_lock is held, and let go meanwhile. */
static void
wait_for_lookers (struct device *d)
{
  const struct timespec pause = { .tv_nsec = 1000000 };

  while (d->pins > 0) {
    pthread_mutex_unlock (&d->pool->devices_lock);
    nanosleep (&pause, NULL);
    pthread_mutex_lock (&d->pool->devices_lock);
  }
}

/* ---- coming ---- */

static int
free_number (struct pool *pool)
{
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (!pool->devices[n])
      return (int) n;
  errno = ENOSPC;
  return -1;
}

/* Keeps errno. */
static void
forget (struct pool *pool, unsigned n)
{
  int err = errno;

  if (pool_file_forget_device (&pool->file, n) == 0)
    budget_give (&pool->budget, OS_PAGE_SIZE);
  errno = err;
}

/* The number of ALGORITHM, which may be NULL, in *METHOD, to be dropped. */
static int
add_method (struct pool *pool, const struct algorithm *algorithm,
            unsigned *method)
{
  int number = algorithm ? streams_add_method (&pool->streams, algorithm)
                         : METHOD_OF_POOL;

  if (number == -1)
    return -1;
  *method = (unsigned) number;
  return 0;
}

/* One that is recorded.  The method comes last, since it alone leaves nothing
 * behind when it can't be had.
 */
static struct device *
equip (struct pool *pool, unsigned n, const struct device_record *record,
       const struct algorithm *algorithm)
{
  struct device *d = device_new (pool, n, record);

  if (d && add_method (pool, algorithm, &d->method) == -1) {
    int err = errno;

    device_free (d);
    errno = err;
    return NULL;
  }
  return d;
}

/* devices_lock is held. */
static struct device *
create (struct pool *pool, struct device_record *record,
        const struct algorithm *algorithm)
{
  uint64_t pages = div_up (record->size, pool->sizes.page_size);
  int n = free_number (pool);
  struct device *d;

  if (getrandom (&record->id, sizeof record->id, 0) == -1)
    record->id = latency_clock ();
  if (n == -1 || budget_take (&pool->budget, OS_PAGE_SIZE) == -1)
    return NULL;
  if (pool_file_add_device (&pool->file, (unsigned) n, record,
                            table_bytes (pages)) == -1) {
    budget_give (&pool->budget, OS_PAGE_SIZE);
    return NULL;
  }
  d = equip (pool, (unsigned) n, record, algorithm);
  if (!d) {
    forget (pool, (unsigned) n);
    return NULL;
  }
  pool->devices[n] = d;
  pool->device_count++;
  return d;
}

static int
make_record (struct device_record *record, const char *name, uint64_t size,
             const char *settings)
{
  *record = (struct device_record) { .size = size };
  errno = ENAMETOOLONG;
  if (strlen (name) > DEVICE_NAME_MAX
      || strlen (settings) > DEVICE_SETTINGS_MAX)
    return -1;
  errno = EINVAL;
  if (size == 0 || size > DEVICE_SIZE_MAX)
    return -1;
  strcpy (record->name, name);
  strcpy (record->settings, settings);
  return 0;
}

struct device *
device_add (struct pool *pool, const char *name, uint64_t size,
            const char *settings, const struct algorithm *algorithm)
{
  struct device_record record;

  if (make_record (&record, name, size, settings) == -1)
    return NULL;
  LOCK_FOR_SCOPE (&pool->devices_lock);
  if (find (pool, name)) {
    errno = EEXIST;
    return NULL;
  }
  return use (create (pool, &record, algorithm));
}

struct device *
device_open (struct pool *pool, const char *name, uint64_t size)
{
  struct device *d = device_find (pool, name);

  return d ? d : device_add (pool, name, size, "", NULL);
}

/* ---- going ---- */

static void
trim_all (struct device *d)
{
  device_zero (d, d->size, 0);
}

/* Its last user has left. */
static void
bury (struct device *d)
{
  struct pool *pool = d->pool;

  /* Before maintenance is held, which a write may be waiting for. */
  trim_all (d);
  MAINTENANCE_FOR_SCOPE (pool);
  LOCK_FOR_SCOPE (&pool->devices_lock);
  wait_for_lookers (d);
  pool->devices[d->number] = NULL;
  pool->device_count--;
  forget (pool, d->number);
  device_free (d);
}

void
device_put (struct device *d)
{
  bool is_last;

  {
    LOCK_FOR_SCOPE (&d->pool->devices_lock);
    is_last = --d->users == 0 && d->removed;
  }
  if (is_last)
    bury (d);
}

void
device_remove (struct device *d)
{
  struct pool *pool = d->pool;

  LOCK_FOR_SCOPE (&pool->devices_lock);
  if (d->removed)
    return;
  d->removed = true;
  pool_file_remove_device (&pool->file, d->number);
}

/* ---- changing ---- */

/* Each slot of OLD below the end of NEW, which is empty.  Objects stay
 * where they are.
 */
static int
copy_table (const struct table *old, struct table *new)
{
  slot_t slots[LEAF_SLOTS];

  for (uint64_t leaf = table_next_leaf (old, 0); leaf < old->leaves;
       leaf = table_next_leaf (old, leaf + 1)) {
    uint64_t first = leaf * LEAF_SLOTS;

    if (!table_copy_leaf (old, leaf, slots))
      continue;
    for (unsigned i = 0; i < LEAF_SLOTS; ++i) {
      if (slots[i] == SLOT_EMPTY)
        continue;
      if (table_prepare (new, first + i) == -1)
        return -1;
      table_set (new, first + i, slots[i], table_info (old, first + i));
    }
  }
  return 0;
}

/* Put a larger table in the place of the one that RECORD names. */
static int
move_table (struct device *d, struct device_record *record, uint64_t bytes)
{
  struct pool *pool = d->pool;
  struct device_record old = *record;
  struct table t;

  if (pool_file_add_table (&pool->file, record, bytes) == -1
      || open_table (d, record, &t) == -1)
    return -1;
  if (copy_table (&d->table, &t) == -1) {
    table_close (&t);
    pool_file_drop_table (&pool->file, record);
    return -1;
  }
  pool_file_change_device (&pool->file, d->number, record);
  table_close (&d->table);
  pool_file_drop_table (&pool->file, &old);
  table_move (&t, &d->table);
  return 0;
}

/* Maintenance and devices_lock are held, and nobody uses the device. */
static int
change_size (struct device *d, uint64_t size)
{
  struct pool *pool = d->pool;
  uint64_t pages = div_up (size, pool->sizes.page_size);
  struct device_record record;

  if (pool_file_get_device (&pool->file, d->number, &record) == -1)
    return -1;
  record.size = size;
  if (table_bytes (pages) > record.table_size) {
    if (move_table (d, &record, table_bytes (pages)) == -1)
      return -1;
  }
  else if (table_resize (&d->table, pages) == 0)
    pool_file_change_device (&pool->file, d->number, &record);
  else
    return -1;
  set_size (d, size);
  return 0;
}

/* From here on only the caller uses the device. */
static int
resize_begin (struct device *d)
{
  LOCK_FOR_SCOPE (&d->pool->devices_lock);

  if (d->removed || d->resizing || d->users > 1) {
    errno = d->removed ? ENOENT : EBUSY;
    return -1;
  }
  d->resizing = true;
  return 0;
}

static int
resize_end (struct device *d, uint64_t size)
{
  struct pool *pool = d->pool;

  MAINTENANCE_FOR_SCOPE (pool);
  LOCK_FOR_SCOPE (&pool->devices_lock);
  wait_for_lookers (d);
  d->resizing = false;
  return change_size (d, size);
}

/* Keeps errno. */
static void
resize_give_up (struct device *d)
{
  LOCK_FOR_SCOPE (&d->pool->devices_lock);
  d->resizing = false;
}

int
device_resize (struct device *d, uint64_t size)
{
  if (size == 0 || size > DEVICE_SIZE_MAX) {
    errno = EINVAL;
    return -1;
  }
  if (resize_begin (d) == -1)
    return -1;
  /* No lock is held, since a part of a page may have to be read from the
   * backing file, and may wait for memory that the maintainer frees.
   */
  if (size < d->size && device_zero (d, d->size - size, size) == -1) {
    resize_give_up (d);
    return -1;
  }
  return resize_end (d, size);
}

void
device_set_settings (struct device *d, const char *settings)
{
  struct pool *pool = d->pool;
  struct device_record record;

  LOCK_FOR_SCOPE (&pool->devices_lock);
  if (pool_file_get_device (&pool->file, d->number, &record) == -1
      || strcmp (record.settings, settings) == 0)
    return;
  strncpy (record.settings, settings, DEVICE_SETTINGS_MAX);
  pool_file_change_device (&pool->file, d->number, &record);
}

int
device_set_algorithm (struct device *d, const struct algorithm *algorithm)
{
  struct pool *pool = d->pool;
  uint64_t limit = pool->budget.limit;
  unsigned method;
  int r;

  pool->budget.limit = 0;
  r = add_method (pool, algorithm, &method);
  pool->budget.limit = limit;
  if (r == -1)
    return -1;
  streams_drop_method (&pool->streams, d->method);
  d->method = method;
  return 0;
}

void
device_set_quota (struct device *d, uint64_t bytes)
{
  d->held.limit = bytes;
}
