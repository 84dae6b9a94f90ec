/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/base/latency.h"
#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "devices-internal.h"

/* ---- the struct ---- */

int
device_open_table (struct device *d, const struct device_record *record,
                   struct table *t)
{
  struct pool *pool = d->pool;

  if (table_open (t, &pool->file, &pool->budget, &d->held, pool->locks,
                  record->table_offset,
                  div_up (record->size, pool->sizes.page_size)) == 0)
    return 0;
  return fail_with (ENOMEM);
}

void
device_set_size (struct device *d, uint64_t size)
{
  d->size = size;
  d->pages = div_up (size, d->pool->sizes.page_size);
}

struct device *
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
  device_set_size (d, record->size);
  if (device_open_table (d, record, &d->table) == -1) {
    free (d);
    errno = ENOMEM;
    return NULL;
  }
  return d;
}

void
device_free (struct device *d)
{
  table_close (&d->table);
  streams_drop_method (&d->pool->streams, d->method);
  if (d->free_extra)
    d->free_extra (d->extra);
  free (d);
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
find_by_name (struct pool *pool, const char *name)
{
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    struct device *d = pool->devices[n];

    if (d && !d->removed && strcmp (d->name, name) == 0)
      return d;
  }
  errno = ENOENT;
  return NULL;
}

/* Add a user to D, which may be NULL.  devices_lock is held. */
static struct device *
use_device (struct device *d)
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

  return use_device (find_by_name (pool, name));
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

void
device_wait_for_pins (struct device *d)
{
  const struct timespec pause = { .tv_nsec = 1000000 };

  while (d->pins > 0) {
    pthread_mutex_unlock (&d->pool->devices_lock);
    nanosleep (&pause, NULL);
    pthread_mutex_lock (&d->pool->devices_lock);
  }
}

/* ---- creating ---- */

static int
find_free_number (struct pool *pool)
{
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    if (!pool->devices[n])
      return (int) n;
  return fail_with (ENOSPC);
}

/* Drop record N and what it took from the budget.  Keeps errno. */
static void
drop_record (struct pool *pool, unsigned n)
{
  int err = errno;

  if (pool_file_forget_device (&pool->file, n) == 0)
    budget_give (&pool->budget, OS_PAGE_SIZE);
  errno = err;
}

/* Put the number of ALGORITHM, or of the pool's if that is NULL, in *METHOD,
 * for streams_drop_method.
 */
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

/* A new device for RECORD, with its method.  The method comes last, since it
 * alone leaves nothing to undo when it fails.
 */
static struct device *
new_with_method (struct pool *pool, unsigned n,
                 const struct device_record *record,
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
create_device (struct pool *pool, struct device_record *record,
               const struct algorithm *algorithm)
{
  uint64_t pages = div_up (record->size, pool->sizes.page_size);
  int n = find_free_number (pool);
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
  d = new_with_method (pool, (unsigned) n, record, algorithm);
  if (!d) {
    drop_record (pool, (unsigned) n);
    return NULL;
  }
  pool->devices[n] = d;
  pool->device_count++;
  return d;
}

static int
init_record (struct device_record *record, const char *name, uint64_t size,
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

  if (init_record (&record, name, size, settings) == -1)
    return NULL;
  LOCK_FOR_SCOPE (&pool->devices_lock);
  if (find_by_name (pool, name)) {
    errno = EEXIST;
    return NULL;
  }
  return use_device (create_device (pool, &record, algorithm));
}

struct device *
device_open (struct pool *pool, const char *name, uint64_t size)
{
  struct device *d = device_find (pool, name);

  return d ? d : device_add (pool, name, size, "", NULL);
}

/* ---- removing ---- */

/* Free a removed device that has no user any more. */
static void
reap_device (struct device *d)
{
  struct pool *pool = d->pool;

  /* Trim before maintenance is held: a write may wait for a job of it. */
  device_zero (d, d->size, 0);
  MAINTENANCE_FOR_SCOPE (pool);
  LOCK_FOR_SCOPE (&pool->devices_lock);
  device_wait_for_pins (d);
  pool->devices[d->number] = NULL;
  pool->device_count--;
  drop_record (pool, d->number);
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
    reap_device (d);
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
