/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of devices in the pool file.
 *
 * A record has two versions of what may change.  To change it, the version
 * that is not current is written, and then one store makes it current.  So
 * a process that attaches after a kill finds the old or the new version,
 * and never a mixture.
 */

#include <config.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "pool-file.h"

/* Different in many bits, so that a flipped bit can't turn one into the
 * other.
 */
#define MAGIC_THERE UINT64_C (0x6e62647a72646532)
#define MAGIC_REMOVED UINT64_C (0x72656d6f76656432)

struct stored_version {
  uint64_t sum;                 /* XXH3 of the following fields */
  uint64_t id;
  uint64_t size;
  uint64_t table_offset;
  uint64_t table_size;
  char name[DEVICE_NAME_MAX + 1];
  char settings[DEVICE_SETTINGS_MAX + 1];
};

struct stored_record {
  _Atomic uint64_t magic;       /* stored last; 0: no device */
  _Atomic uint64_t current;     /* the version that is valid: 0 or 1 */
  struct stored_version versions[2];
};

_Static_assert (sizeof (struct stored_record) <= OS_PAGE_SIZE, "record");

static uint64_t
record_offset (unsigned n)
{
  return (n + 1) * OS_PAGE_SIZE;
}

static struct stored_record *
record_of (const struct pool_file *file, unsigned n)
{
  return (struct stored_record *) ((char *) file->head + record_offset (n));
}

static uint64_t
version_sum (const struct stored_version *v)
{
  return XXH3_64bits (&v->id,
                      sizeof *v - offsetof (struct stored_version, id));
}

static bool
is_terminated (const char *s, size_t size)
{
  return memchr (s, '\0', size) != NULL;
}

static bool
is_table_valid (const struct pool_file *file, const struct stored_version *v)
{
  struct stat st;

  return v->table_offset % file->granule == 0
    && v->table_offset >= file->arena_offset + file->arena_size
    && v->table_size <= (uint64_t) INT64_MAX - v->table_offset
    && v->size <= PIB
    && v->table_size >= div_up (v->size, file->geometry.page_size)
                        * POOL_SLOT_SIZE
    && fstat (file->fd, &st) == 0
    && (uint64_t) st.st_size >= v->table_offset + v->table_size;
}

static bool
is_record_valid (const struct pool_file *file, const struct stored_record *r)
{
  const struct stored_version *v = &r->versions[r->current & 1];

  return (r->magic == MAGIC_THERE || r->magic == MAGIC_REMOVED)
    && r->current <= 1
    && v->sum == version_sum (v)
    && is_terminated (v->name, sizeof v->name)
    && is_terminated (v->settings, sizeof v->settings)
    && is_table_valid (file, v);
}

int
pool_file_get_device (const struct pool_file *file, unsigned n,
                      struct device_record *record)
{
  uint64_t start, stop, offset = record_offset (n);
  const struct stored_record *r;
  const struct stored_version *v;

  if (n >= POOL_DEVICES_MAX
      || !pool_file_next_data (file, offset, offset + OS_PAGE_SIZE,
                               &start, &stop)
      || record_of (file, n)->magic == 0)
    return fail_with (ENOENT);
  r = record_of (file, n);
  if (!is_record_valid (file, r))
    return fail_with (EINVAL);
  v = &r->versions[r->current];
  *record = (struct device_record) {
    .id = v->id,
    .size = v->size,
    .table_offset = v->table_offset,
    .table_size = v->table_size,
    .removed = r->magic == MAGIC_REMOVED,
  };
  memcpy (record->name, v->name, sizeof record->name);
  memcpy (record->settings, v->settings, sizeof record->settings);
  return 0;
}

int
pool_file_add_table (struct pool_file *file, struct device_record *record,
                     uint64_t table_size)
{
  struct stat st;

  if (fstat (file->fd, &st) == -1)
    return -1;
  record->table_offset = align_up ((uint64_t) st.st_size, file->granule);
  record->table_size = align_up (table_size, file->granule);
  return ftruncate (file->fd, (off_t) (record->table_offset
                                       + record->table_size));
}

void
pool_file_drop_table (struct pool_file *file,
                      const struct device_record *record)
{
  uint64_t start, stop, offset = record->table_offset;
  uint64_t end = offset + record->table_size;
  int err = errno;

  while (pool_file_next_data (file, offset, end, &start, &stop)) {
    os_punch (file->fd, start, stop - start);
    offset = stop;
  }
  errno = err;
}

static void
write_version (struct stored_version *v, const struct device_record *record)
{
  v->id = record->id;
  v->size = record->size;
  v->table_offset = record->table_offset;
  v->table_size = record->table_size;
  memcpy (v->name, record->name, sizeof v->name);
  memcpy (v->settings, record->settings, sizeof v->settings);
  v->sum = version_sum (v);
}

int
pool_file_add_device (struct pool_file *file, unsigned n,
                      struct device_record *record, uint64_t table_size)
{
  struct stored_record *r = record_of (file, n);

  if (n >= POOL_DEVICES_MAX)
    return fail_with (ENOSPC);
  if (pool_file_add_table (file, record, table_size) == -1
      || (file->granule == OS_PAGE_SIZE
          && os_populate (file->fd, r, record_offset (n), OS_PAGE_SIZE)
             == -1))
    return -1;
  atomic_store (&r->current, 0);
  write_version (&r->versions[0], record);
  atomic_store (&r->magic, MAGIC_THERE);
  return 0;
}

void
pool_file_change_device (struct pool_file *file, unsigned n,
                         const struct device_record *record)
{
  struct stored_record *r = record_of (file, n);
  uint64_t other = !r->current;

  write_version (&r->versions[other], record);
  atomic_store (&r->current, other);
}

void
pool_file_remove_device (struct pool_file *file, unsigned n)
{
  atomic_store (&record_of (file, n)->magic, MAGIC_REMOVED);
}

int
pool_file_forget_device (struct pool_file *file, unsigned n)
{
  struct device_record record;

  if (pool_file_get_device (file, n, &record) == 0)
    pool_file_drop_table (file, &record);
  atomic_store (&record_of (file, n)->magic, 0);
  if (file->granule != OS_PAGE_SIZE)
    return 0;
  return os_punch (file->fd, record_offset (n), OS_PAGE_SIZE);
}
