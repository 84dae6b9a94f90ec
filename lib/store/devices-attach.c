/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <sys/stat.h>

#include "lib/base/os.h"

#include "devices-internal.h"
#include "page.h"

static uint64_t
table_end (const struct device *d)
{
  return align_up (d->table.offset + table_bytes (d->table.pages),
                   d->pool->file.granule);
}

/* The end of the table that OFFSET of the file is in.  If it is in none,
 * returns 0, and lowers *NEXT to where the next table begins, if that is
 * before *NEXT.  The checksums and seals of a backing file's blocks are in the
 * same part of the file, and count as tables while the pool has a backing
 * file.
 */
static uint64_t
find_table_end (const struct pool *pool, uint64_t offset, uint64_t *next)
{
  uint64_t end = pool->backing
    ? pool_file_skip_rooms (&pool->file, offset, next) : 0;

  if (end != 0)
    return end;
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    const struct device *d = pool->devices[n];

    if (!d)
      continue;
    if (offset >= d->table.offset && offset < table_end (d))
      return table_end (d);
    if (d->table.offset > offset)
      *next = MIN (*next, d->table.offset);
  }
  return 0;
}

/* Give back memory of the file that belongs to no table.  It is there when a
 * process was killed after it made a table and before it wrote the record, or
 * after it dropped a record and before it freed the table.
 */
static void
punch_orphans (struct pool *pool)
{
  const struct pool_file *file = &pool->file;
  uint64_t offset = file->arena_offset + file->arena_size, start, stop, end;
  struct stat st;

  if (fstat (file->fd, &st) == -1)
    return;
  while (pool_file_next_data (file, offset, (uint64_t) st.st_size, &start,
                              &stop)) {
    end = find_table_end (pool, start, &stop);
    if (end == 0) {
      os_punch (file->fd, start, stop - start);
      end = stop;
    }
    offset = end;
  }
}

/* Claim and count all that the slots of the table name. */
static enum attach_result
attach_pages (struct device *d)
{
  slot_t slots[LEAF_SLOTS];
  enum attach_result r = ATTACH_OK;

  for (uint64_t leaf = table_next_leaf (&d->table, 0); leaf < d->table.leaves;
       leaf = table_next_leaf (&d->table, leaf + 1)) {
    uint64_t first = leaf * LEAF_SLOTS;

    table_copy_leaf (&d->table, leaf, slots);
    for (unsigned i = 0; i < LEAF_SLOTS && first + i < d->pages; ++i) {
      if (slots[i] != SLOT_EMPTY)
        r = page_attach (d, first + i, slots[i]);
      if (r != ATTACH_OK)
        return r;
    }
  }
  return ATTACH_OK;
}

enum attach_result
devices_attach (struct pool *pool)
{
  struct device_record record;
  enum attach_result r;

  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    struct device *d;

    if (pool_file_get_device (&pool->file, n, &record) == -1) {
      if (errno == ENOENT)
        continue;
      return ATTACH_FAILED;
    }
    /* The process was killed while it removed the device.  No slot names its
     * objects, so they are free.
     */
    if (record.removed) {
      pool_file_forget_device (&pool->file, n);
      continue;
    }
    budget_force (&pool->budget, OS_PAGE_SIZE);
    pool->devices[n] = d = device_new (pool, n, &record);
    if (!d)
      return ATTACH_FAILED;
    r = attach_pages (d);
    if (r != ATTACH_OK)
      return r;
    pool->device_count++;
  }
  if (!pool->file.created)
    punch_orphans (pool);
  return ATTACH_OK;
}
