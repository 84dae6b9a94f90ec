/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <sys/stat.h>

#include "lib/base/os.h"

#include "devices-internal.h"
#include "page.h"

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
