/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "devices-internal.h"

/* Copy all slots of OLD to NEW, which is empty and not smaller.  Objects stay
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

/* Replace the table that RECORD names by a larger one of BYTES bytes. */
static int
replace_table (struct device *d, struct device_record *record, uint64_t bytes)
{
  struct pool *pool = d->pool;
  struct device_record old = *record;
  struct table t;

  if (pool_file_add_table (&pool->file, record, bytes) == -1
      || device_open_table (d, record, &t) == -1)
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

/* Maintenance and devices_lock are held, and no other thread uses the device.
 */
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
    if (replace_table (d, &record, table_bytes (pages)) == -1)
      return -1;
  }
  else if (table_resize (&d->table, pages) == 0)
    pool_file_change_device (&pool->file, d->number, &record);
  else
    return -1;
  device_set_size (d, size);
  return 0;
}

/* From here on the caller is and stays the only user of the device. */
static int
resize_begin (struct device *d)
{
  LOCK_FOR_SCOPE (&d->pool->devices_lock);

  if (d->removed || d->resizing || d->users > 1)
    return fail_with (d->removed ? ENOENT : EBUSY);
  d->resizing = true;
  return 0;
}

static int
resize_end (struct device *d, uint64_t size)
{
  struct pool *pool = d->pool;

  MAINTENANCE_FOR_SCOPE (pool);
  LOCK_FOR_SCOPE (&pool->devices_lock);
  device_wait_for_pins (d);
  d->resizing = false;
  return change_size (d, size);
}

/* Keeps errno. */
static void
resize_cancel (struct device *d)
{
  LOCK_FOR_SCOPE (&d->pool->devices_lock);
  d->resizing = false;
}

int
device_resize (struct device *d, uint64_t size)
{
  if (size == 0 || size > DEVICE_SIZE_MAX)
    return fail_with (EINVAL);
  if (resize_begin (d) == -1)
    return -1;
  /* No lock is held: this may read a part of a page from the backing file, and
   * may wait for memory that the maintainer frees.
   */
  if (size < d->size && device_zero (d, d->size - size, size) == -1) {
    resize_cancel (d);
    return -1;
  }
  return resize_end (d, size);
}
