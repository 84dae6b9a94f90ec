/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool file: everything that outlives the process.
 *
 * It is one sparse file on tmpfs or hugetlbfs, or a memfd, with this layout:
 *
 *   0          superblock, one OS page
 *   4096       records of devices, one OS page each
 *   head       dictionaries, in areas of a fixed size
 *   data       the arena, which contains the objects
 *   data+arena tables of slots, one a device, in the order of creation; and,
 *              among them, the checksums and seals of a backing file's
 *              blocks
 *
 * The file refers to itself by offset only.  It contains no list, lock,
 * counter or index: a process that attaches derives them from the slots.
 * Numbers are in the machine's byte order, which the magic number shows: a
 * pool can't move to a machine with another one.
 *
 * A process that has the file open holds a lock on it.  The kernel drops the
 * lock when the process ends, for whatever reason.
 *
 * The caller serializes all calls for one pool file.  Functions return 0, or
 * -1 with errno set:
 *   EBUSY     another process has the pool open
 *   EINVAL    the file is not a pool, or it is damaged
 *   EPROTONOSUPPORT  the pool is of a later version
 *   EMEDIUMTYPE  the file system does not keep files in memory
 *   ENOSPC, ENOMEM, and the errors of open(2)
 */

#ifndef NBDZRAM_POOL_FILE_POOL_FILE_H
#define NBDZRAM_POOL_FILE_POOL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "backing-record.h"

#define POOL_DEVICES_MAX 511
#define POOL_ID_SIZE 16
/* A slot is one word; it can name objects in an arena of up to this size. */
#define POOL_SLOT_SIZE 8
#define POOL_ARENA_MAX (UINT64_C (2) << 40)

#define DEVICE_NAME_MAX 255
#define DEVICE_SETTINGS_MAX 1023

/* A slot can name one of this many dictionaries, each of up to this size in
 * bytes.
 */
#define POOL_DICTIONARIES 8
#define POOL_DICTIONARY_MAX (256 * 1024)

/* Properties that are chosen when a pool is created, and never change. */
struct pool_geometry {
  uint32_t page_size;
  bool checksum;
};

struct pool_file {
  int fd;
  int lock_fd;                  /* another open of the same file, for the
                                 * lock; -1: fd has the lock.  A lock lasts
                                 * as long as its open file description is
                                 * used, and a mapping uses it: a process
                                 * that shares our memory would keep a lock
                                 * on fd after we ended */
  struct pool_geometry geometry;
  uint64_t granule;             /* the file system allocates this many bytes
                                 * at once */
  uint64_t arena_offset;
  uint64_t arena_size;
  void *head;                   /* mapping of superblock and records */
  uint64_t head_size;           /* also the offset of the dictionaries */
  bool created;                 /* this process created the pool */
};

/* What the pool file records about a device. */
struct device_record {
  char name[DEVICE_NAME_MAX + 1];
  char settings[DEVICE_SETTINGS_MAX + 1]; /* the server's; not interpreted */
  uint64_t id;                  /* random: tells the device from an earlier
                                 * one of the same name */
  uint64_t size;                /* bytes */
  uint64_t table_offset;        /* in the file */
  uint64_t table_size;          /* bytes in the file */
  bool removed;                 /* removed, but its memory is not yet freed */
};

/* Open the pool file at PATH, or create a memfd if PATH is NULL.  GEOMETRY
 * is for a new pool; an existing pool keeps its own, which is put in FILE.
 * A file that is empty, or whose creation was interrupted, becomes a new
 * pool.
 */
int pool_file_open (struct pool_file *file, const char *path,
                    const struct pool_geometry *geometry);

/* Safe on a closed file. */
void pool_file_close (struct pool_file *file);

/* ---- records of devices (devices.c) ---- */

/* Read record number N to *RECORD.  Returns 0, or -1 with errno ENOENT if
 * there is no such record, or EINVAL if it is damaged.
 */
int pool_file_get_device (const struct pool_file *file, unsigned n,
                          struct device_record *record);

/* Add the device in RECORD (name, settings, id and size) as number N, which
 * must be free.  Allocates a table of TABLE_SIZE bytes, and puts its offset
 * and size in RECORD.
 */
int pool_file_add_device (struct pool_file *file, unsigned n,
                          struct device_record *record, uint64_t table_size);

/* Allocate an empty table of TABLE_SIZE bytes at the end of the file, and
 * put its offset and size in RECORD.  Does not write the record.
 */
int pool_file_add_table (struct pool_file *file, struct device_record *record,
                         uint64_t table_size);

/* Free the memory of RECORD's table, which must be unused.  Keeps errno. */
void pool_file_drop_table (struct pool_file *file,
                           const struct device_record *record);

/* Replace record number N by RECORD.  One atomic store publishes it. */
void pool_file_change_device (struct pool_file *file, unsigned n,
                              const struct device_record *record);

/* Mark device number N as removed, with one atomic store.  The number stays
 * in use until pool_file_forget_device.
 */
void pool_file_remove_device (struct pool_file *file, unsigned n);

/* Make number N free, and free the memory of its table, which must be
 * unused.  Returns 0, or -1 if the memory of the record could not be freed;
 * the number is free even then.
 */
int pool_file_forget_device (struct pool_file *file, unsigned n);

/* Return the pool's id: POOL_ID_SIZE random bytes, which never change. */
const uint8_t *pool_file_id (const struct pool_file *file);

/* Return whether several slots may name one object (dedup).  It is set
 * before the first slots do, and never cleared.
 */
bool pool_file_is_shared (const struct pool_file *file);
void pool_file_set_shared (struct pool_file *file);

/* The same for slots of different devices. */
bool pool_file_is_shared_by_devices (const struct pool_file *file);
void pool_file_set_shared_by_devices (struct pool_file *file);

/* Return the record of the pool's backing file.  It is set before the first
 * page is written to the backing file.
 */
struct backing_record *pool_file_backing (const struct pool_file *file);

/* Put in *SUMS where the checksums of the backing file's blocks are stored.
 * Makes room for them in the file if necessary.  SUMS->begin, called before
 * the first checksum is set, marks the pool as having checksums: then
 * versions that don't know checksums refuse it.  Until then such a version
 * can still open the pool.
 */
int pool_file_open_sums (struct pool_file *file, struct backing_room *sums);

/* The same for the key of the backing file and its seals.  If the pool has no
 * key, it gets a new one.
 */
int pool_file_open_key (struct pool_file *file, struct backing_key *key);

/* May blocks of the backing file be encrypted, so that the pool needs its key
 * from now on?
 */
bool pool_file_needs_key (const struct pool_file *file);

/* Overwrite the key of a pool that ends with this process. */
void pool_file_wipe_key (struct pool_file *file);

/* If OFFSET is inside the room for checksums or for seals, return the end of
 * that room.  Otherwise return 0, and lower *NEXT to the start of the next
 * room if that is before *NEXT.
 */
uint64_t pool_file_skip_rooms (const struct pool_file *file, uint64_t offset,
                               uint64_t *next);

/* What the pool file records about a dictionary. */
struct dictionary_record {
  size_t length;                /* 1 to POOL_DICTIONARY_MAX bytes */
  uint64_t sum;                 /* XXH3 of the content */
};

/* Return the offset of area N in the file. */
static inline uint64_t
pool_file_dictionary_offset (const struct pool_file *file, unsigned n)
{
  return file->head_size + (uint64_t) n * POOL_DICTIONARY_MAX;
}

/* Read the record of area N to *RECORD.  Returns 0, or -1 with errno ENOENT
 * if the area is free, or EINVAL if the record is damaged.  Does not check
 * the content.
 */
int pool_file_get_dictionary (const struct pool_file *file, unsigned n,
                              struct dictionary_record *record);

/* Publish RECORD for area N, which is free and already has its content.  One
 * atomic store publishes it: a process that attaches after a kill finds the
 * whole dictionary or none.
 */
void pool_file_set_dictionary (struct pool_file *file, unsigned n,
                               const struct dictionary_record *record);

/* Make area N free, even if its record is damaged. */
void pool_file_clear_dictionary (struct pool_file *file, unsigned n);

/* Find the first range of the file in [OFFSET, END) that may contain data,
 * and put its bounds in *START and *STOP.  Returns false if there is no
 * such range.  Where the file system can't say (on hugetlbfs, or after an
 * error), all of [OFFSET, END) counts as data.
 */
bool pool_file_next_data (const struct pool_file *file, uint64_t offset,
                          uint64_t end, uint64_t *start, uint64_t *stop);

#endif /* NBDZRAM_POOL_FILE_POOL_FILE_H */
