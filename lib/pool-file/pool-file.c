/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <xxhash.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "pool-file.h"

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6
#endif

/* "nbdzram" and the version of the layout.  A program refuses a pool of a
 * later version.  The layouts with and without checksums and seals of a
 * backing file's blocks are otherwise the same.
 */
#define SUPERBLOCK_MAGIC UINT64_C (0x6e62647a72616d02)
#define SUPERBLOCK_WITH_SUMS (SUPERBLOCK_MAGIC + 1)
#define SUPERBLOCK_WITH_SEALS (SUPERBLOCK_MAGIC + 2)
#define SUPERBLOCK_VERSION 0xff
#define DICTIONARY_MAGIC UINT64_C (0x6e62647a72646963)

/* The smallest arena to try.  Address space is usually cheap, but a resource
 * limit may bound it, and valgrind has less of it than the kernel.
 */
#define ARENA_SIZE_MIN (16 * GIB)

/* MAGIC is stored last: if it is right, the rest is complete. */
struct superblock {
  _Atomic uint64_t magic;
  uint64_t sum;                 /* XXH3 of the following fields */
  uint64_t arena_offset;
  uint64_t arena_size;
  uint32_t page_size;
  uint32_t checksum;
  uint8_t id[POOL_ID_SIZE];
};

/* Fields that change later, in the same OS page as the superblock.  Zero
 * means that the feature was never used.
 */
#define MUTABLE_OFFSET 2048

struct mutable_fields {
  _Atomic uint64_t shared, shared_by_devices;
  struct backing_record backing;
  _Atomic uint64_t sums_offset; /* in the file */
  _Atomic uint64_t seals_offset;
  _Atomic uint64_t has_key;     /* stored after the key */
  uint8_t key[BACKING_KEY_SIZE];
};

/* The offset of the records of dictionaries, also in the superblock's OS
 * page, which is always resident.
 */
#define DICTIONARY_RECORDS 1024

struct dictionary_entry {
  _Atomic uint64_t magic;
  uint64_t sum;                 /* XXH3 of the following fields */
  uint64_t length;
  uint64_t content_sum;
};

_Static_assert (sizeof (struct superblock) <= DICTIONARY_RECORDS,
                "superblock");
_Static_assert (DICTIONARY_RECORDS
                + POOL_DICTIONARIES * sizeof (struct dictionary_entry)
                <= MUTABLE_OFFSET, "dictionaries");

/* Bytes that are allocated when a pool is created: the superblock and the
 * first record of a device, so that a full file system is reported then.
 */
#define HEAD_START (2 * OS_PAGE_SIZE)

#define SUM_OF(p) XXH3_64bits (&(p)->sum + 1,                           \
                               sizeof *(p) - offsetof (typeof (*(p)), sum) \
                               - sizeof (p)->sum)

static struct superblock *
superblock_of (const struct pool_file *file)
{
  return file->head;
}

static struct mutable_fields *
mutable_fields_of (const struct pool_file *file)
{
  return (struct mutable_fields *) ((char *) file->head + MUTABLE_OFFSET);
}

static struct dictionary_entry *
dictionary_entry_of (const struct pool_file *file, unsigned n)
{
  return (struct dictionary_entry *) ((char *) file->head
                                      + DICTIONARY_RECORDS) + n;
}

/* Return the offset of the arena. */
static uint64_t
data_offset (const struct pool_file *file)
{
  return align_up (pool_file_dictionary_offset (file, POOL_DICTIONARIES),
                   file->granule);
}

static bool
can_be_mapped (int fd, uint64_t size)
{
  void *p = os_map_file (fd, 0, size);

  os_unmap (p, size);
  return p != NULL;
}

/* Return a power of two: at least twice the memory of this machine, or less
 * if there is not so much address space.
 */
static uint64_t
choose_arena_size (int fd)
{
  uint64_t want = 2 * os_total_memory ();
  uint64_t size = ARENA_SIZE_MIN;

  while (size < want && size < POOL_ARENA_MAX)
    size *= 2;
  while (size > ARENA_SIZE_MIN && !can_be_mapped (fd, size))
    size /= 2;
  return size;
}

static int
open_path (const char *path)
{
  return path
    ? open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)
    : memfd_create ("nbdzram", MFD_CLOEXEC);
}

/* Find the unit of allocation, and refuse a file system that does not keep
 * files in memory.
 */
static int
examine_file_system (struct pool_file *file)
{
  struct statfs fs;
  struct stat st;

  if (fstatfs (file->fd, &fs) == -1 || fstat (file->fd, &st) == -1)
    return -1;
  if (!S_ISREG (st.st_mode)
      || (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC))
    return fail_with (EMEDIUMTYPE);
  file->granule = fs.f_type == HUGETLBFS_MAGIC
    ? (uint64_t) fs.f_bsize : OS_PAGE_SIZE;
  file->head_size = align_up ((POOL_DEVICES_MAX + 1) * OS_PAGE_SIZE,
                              file->granule);
  return 0;
}

/* Open the same file again, even if it was renamed or unlinked. */
static int
open_again (int fd)
{
  char path[32];

  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return open (path, O_RDWR | O_CLOEXEC);
}

static int
lock_file (struct pool_file *file)
{
  file->lock_fd = open_again (file->fd);
  /* Without /proc, the lock must be on the file that gets mapped. */
  if (flock (file->lock_fd != -1 ? file->lock_fd : file->fd,
             LOCK_EX | LOCK_NB) == 0)
    return 0;
  if (errno == EWOULDBLOCK)
    errno = EBUSY;
  return -1;
}

static int
map_head (struct pool_file *file)
{
  file->head = os_map_file (file->fd, 0, file->head_size);
  return file->head ? 0 : -1;
}

static int
create_pool (struct pool_file *file, const struct pool_geometry *geometry)
{
  struct superblock *sb;

  file->geometry = *geometry;
  file->created = true;
  file->arena_offset = data_offset (file);
  file->arena_size = choose_arena_size (file->fd);
  if (ftruncate (file->fd, (off_t) (file->arena_offset + file->arena_size))
      == -1
      || map_head (file) == -1
      || os_populate (file->fd, file->head, 0,
                      MAX (HEAD_START, file->granule)) == -1)
    return -1;

  sb = superblock_of (file);
  sb->arena_offset = file->arena_offset;
  sb->arena_size = file->arena_size;
  sb->page_size = geometry->page_size;
  sb->checksum = geometry->checksum;
  if (getrandom (sb->id, sizeof sb->id, 0) != sizeof sb->id)
    return -1;
  sb->sum = SUM_OF (sb);
  atomic_store (&sb->magic, SUPERBLOCK_MAGIC);
  return 0;
}

static bool
is_superblock_valid (const struct pool_file *file, const struct superblock *sb,
                     uint64_t file_size)
{
  return sb->magic >= SUPERBLOCK_MAGIC && sb->magic <= SUPERBLOCK_WITH_SEALS
    && sb->sum == SUM_OF (sb)
    && is_power_of_2 (sb->page_size)
    && sb->page_size >= 4096 && sb->page_size <= 65536
    && sb->checksum <= 1
    && sb->arena_offset == data_offset (file)
    && is_power_of_2 (sb->arena_size)
    && sb->arena_size >= ARENA_SIZE_MIN && sb->arena_size <= POOL_ARENA_MAX
    && file_size >= sb->arena_offset + sb->arena_size;
}

static bool
is_later_version (uint64_t magic)
{
  return magic > SUPERBLOCK_WITH_SEALS
    && (magic & ~(uint64_t) SUPERBLOCK_VERSION)
       == (SUPERBLOCK_MAGIC & ~(uint64_t) SUPERBLOCK_VERSION);
}

/* Reads only the first OS page of the head: reading a hole through a mapping
 * would allocate memory for it.
 */
static int
attach_pool (struct pool_file *file, uint64_t file_size)
{
  struct superblock *sb;

  if (file_size < file->head_size || map_head (file) == -1)
    return fail_with (file_size < file->head_size ? EINVAL : errno);
  sb = superblock_of (file);
  if (!is_superblock_valid (file, sb, file_size))
    return fail_with (is_later_version (sb->magic) ? EPROTONOSUPPORT : EINVAL);
  file->arena_offset = sb->arena_offset;
  file->arena_size = sb->arena_size;
  file->geometry.page_size = sb->page_size;
  file->geometry.checksum = sb->checksum;
  return 0;
}

/* Return whether the file is empty, or the process that created the pool
 * was killed before it stored the magic number.  Such a process first made
 * the file as large as a pool, and wrote nothing after HEAD_START.
 */
static bool
is_unfinished (const struct pool_file *file, uint64_t file_size)
{
  uint64_t start, stop, magic = 0;

  if (file_size == 0)
    return true;
  if (file_size < data_offset (file) + ARENA_SIZE_MIN)
    return false;
  if (pread (file->fd, &magic, sizeof magic, 0) != sizeof magic || magic != 0)
    return false;
  if (file->granule != OS_PAGE_SIZE) {
    struct stat st;

    return fstat (file->fd, &st) == 0
      && (uint64_t) st.st_blocks * 512 <= file->head_size;
  }
  return !pool_file_next_data (file, HEAD_START, file_size, &start, &stop);
}

static int
lock_and_open (struct pool_file *file, const struct pool_geometry *geometry)
{
  struct stat st;

  if (examine_file_system (file) == -1
      || lock_file (file) == -1
      || fstat (file->fd, &st) == -1)
    return -1;
  if (is_unfinished (file, (uint64_t) st.st_size))
    return create_pool (file, geometry);
  return attach_pool (file, (uint64_t) st.st_size);
}

int
pool_file_open (struct pool_file *file, const char *path,
                const struct pool_geometry *geometry)
{
  bool existed = path && access (path, F_OK) == 0;

  *file = (struct pool_file) { .fd = open_path (path), .lock_fd = -1 };
  if (file->fd == -1)
    return -1;
  if (lock_and_open (file, geometry) == -1) {
    int err = errno;

    /* Remove a file that open created, unless another process has made it
     * its pool in the meantime.
     */
    if (path && !existed && err != EBUSY)
      unlink (path);
    pool_file_close (file);
    return fail_with (err);
  }
  return 0;
}

void
pool_file_close (struct pool_file *file)
{
  os_unmap (file->head, file->head_size);
  file->head = NULL;
  if (file->fd != -1) {
    close (file->fd);
    if (file->lock_fd != -1)
      close (file->lock_fd);
  }
  file->fd = file->lock_fd = -1;
}

const uint8_t *
pool_file_id (const struct pool_file *file)
{
  return superblock_of (file)->id;
}

bool
pool_file_is_shared (const struct pool_file *file)
{
  return atomic_load (&mutable_fields_of (file)->shared) != 0;
}

void
pool_file_set_shared (struct pool_file *file)
{
  atomic_store (&mutable_fields_of (file)->shared, 1);
}

bool
pool_file_is_shared_by_devices (const struct pool_file *file)
{
  return atomic_load (&mutable_fields_of (file)->shared_by_devices) != 0;
}

void
pool_file_set_shared_by_devices (struct pool_file *file)
{
  atomic_store (&mutable_fields_of (file)->shared_by_devices, 1);
}

struct backing_record *
pool_file_backing (const struct pool_file *file)
{
  return &mutable_fields_of (file)->backing;
}

static void
raise_version (const struct pool_file *file, uint64_t magic)
{
  struct superblock *sb = superblock_of (file);

  if (sb->magic < magic)
    atomic_store (&sb->magic, magic);
}

static void
begin_sums (void *opaque)
{
  raise_version (opaque, SUPERBLOCK_WITH_SUMS);
}

static void
begin_seals (void *opaque)
{
  raise_version (opaque, SUPERBLOCK_WITH_SEALS);
}

/* Puts the room of SIZE bytes that begins at *START of the file in ROOM.  If
 * *START is 0, there is none yet: it is made at the end of the file.
 */
static int
open_room (struct pool_file *file, _Atomic uint64_t *start, uint64_t size,
           struct backing_room *room)
{
  struct stat st;

  if (fstat (file->fd, &st) == -1)
    return -1;
  if (*start == 0) {
    uint64_t offset = align_up ((uint64_t) st.st_size, file->granule);

    if (ftruncate (file->fd, (off_t) (offset + size)) == -1)
      return -1;
    atomic_store (start, offset);
  }
  else if (*start % file->granule != 0
           || *start < file->arena_offset + file->arena_size
           || (uint64_t) st.st_size < size
           || *start > (uint64_t) st.st_size - size)
    return fail_with (EUCLEAN);
  *room = (struct backing_room) {
    .fd = file->fd, .offset = *start, .granule = file->granule,
    .opaque = file,
  };
  return 0;
}

int
pool_file_open_sums (struct pool_file *file, struct backing_room *sums)
{
  if (open_room (file, &mutable_fields_of (file)->sums_offset,
                 BACKING_SUMS_SIZE, sums) == -1)
    return -1;
  sums->begin = begin_sums;
  return 0;
}

int
pool_file_open_key (struct pool_file *file, struct backing_key *key)
{
  struct mutable_fields *m = mutable_fields_of (file);

  if (open_room (file, &m->seals_offset, BACKING_SEALS_SIZE, &key->seals)
      == -1)
    return -1;
  key->seals.begin = begin_seals;
  key->bytes = m->key;
  os_exclude_from_dumps (file->head, MAX (OS_PAGE_SIZE, file->granule));
  if (m->has_key)
    return 0;
  if (getrandom (m->key, sizeof m->key, 0) != sizeof m->key)
    return -1;
  atomic_store (&m->has_key, 1);
  return 0;
}

bool
pool_file_needs_key (const struct pool_file *file)
{
  return superblock_of (file)->magic == SUPERBLOCK_WITH_SEALS;
}

void
pool_file_wipe_key (struct pool_file *file)
{
  if (file->head && mutable_fields_of (file)->has_key)
    explicit_bzero (mutable_fields_of (file)->key, BACKING_KEY_SIZE);
}

uint64_t
pool_file_skip_rooms (const struct pool_file *file, uint64_t offset,
                      uint64_t *next)
{
  const struct mutable_fields *m = mutable_fields_of (file);
  const struct {
    uint64_t start, size;
  } rooms[] = {
    { m->sums_offset, BACKING_SUMS_SIZE },
    { m->seals_offset, BACKING_SEALS_SIZE },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rooms); ++i) {
    uint64_t start = rooms[i].start;

    if (start != 0 && offset >= start && offset < start + rooms[i].size)
      return start + rooms[i].size;
    if (start > offset)
      *next = MIN (*next, start);
  }
  return 0;
}

int
pool_file_get_dictionary (const struct pool_file *file, unsigned n,
                          struct dictionary_record *record)
{
  const struct dictionary_entry *e = dictionary_entry_of (file, n);

  if (e->magic == 0)
    return fail_with (ENOENT);
  if (e->magic != DICTIONARY_MAGIC || e->sum != SUM_OF (e)
      || e->length == 0 || e->length > POOL_DICTIONARY_MAX)
    return fail_with (EINVAL);
  record->length = e->length;
  record->sum = e->content_sum;
  return 0;
}

void
pool_file_set_dictionary (struct pool_file *file, unsigned n,
                          const struct dictionary_record *record)
{
  struct dictionary_entry *e = dictionary_entry_of (file, n);

  e->length = record->length;
  e->content_sum = record->sum;
  e->sum = SUM_OF (e);
  atomic_store (&e->magic, DICTIONARY_MAGIC);
}

void
pool_file_clear_dictionary (struct pool_file *file, unsigned n)
{
  atomic_store (&dictionary_entry_of (file, n)->magic, 0);
}

bool
pool_file_next_data (const struct pool_file *file, uint64_t offset,
                     uint64_t end, uint64_t *start, uint64_t *stop)
{
  off_t data, hole;

  *start = offset;
  *stop = end;
  if (file->granule != OS_PAGE_SIZE)
    return offset < end;

  data = lseek (file->fd, (off_t) offset, SEEK_DATA);
  if (data == -1 && errno != ENXIO)
    return offset < end;
  if (data == -1 || (uint64_t) data >= end)
    return false;
  hole = lseek (file->fd, data, SEEK_HOLE);
  *start = (uint64_t) data;
  if (hole != -1)
    *stop = MIN (end, (uint64_t) hole);
  return true;
}
