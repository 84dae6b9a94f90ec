/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool file: all that outlives the process.
 *
 * One sparse file on tmpfs or hugetlbfs, or a memfd, laid out as
 *
 *   0          superblock, one OS page
 *   4096       records of devices, one OS page each
 *   head       dictionaries, in areas of a fixed size
 *   data       the arena, where objects lie
 *   data+arena tables of slots, one a device, in the order of creation; and,
 *              among them, checksums of the blocks of a backing file
 *
 * It refers to itself by offset only, and holds no list, lock, counter
 * or index: those are derived from the slots when a process attaches.
 * Numbers are in the machine's byte order, which the magic number
 * tells: a pool does not travel.
 *
 * A process that has the file open holds a lock on it, which the kernel
 * drops when the process is gone, however it went.
 *
 * Not for concurrent use.  Functions return 0, or -1 with errno set:
 *   EBUSY     another process holds the pool
 *   EINVAL    the file is no pool, or a damaged one
 *   EPROTONOSUPPORT  it is a pool of a later version
 *   EMEDIUMTYPE  a file system that keeps no file in memory
 *   ENOSPC, ENOMEM, and what open(2) gives
 */

#ifndef NBDZRAM_POOL_FILE_POOL_FILE_H
#define NBDZRAM_POOL_FILE_POOL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "backing-record.h"

#define POOL_DEVICES_MAX 511
#define POOL_ID_SIZE 16
/* A slot is one word that can name an object in this much of an arena. */
#define POOL_SLOT_SIZE 8
#define POOL_ARENA_MAX (UINT64_C (2) << 40)

#define DEVICE_NAME_MAX 255
#define DEVICE_SETTINGS_MAX 1023

/* As many as a slot can tell apart, of so many bytes. */
#define POOL_DICTIONARIES 8
#define POOL_DICTIONARY_MAX (256 * 1024)

/* What a pool is made with and can't change later. */
struct pool_geometry {
  uint32_t page_size;
  bool checksum;
};

struct pool_file {
  int fd;
  int lock_fd;                  /* of the same file, but not mapped: a lock
                                 * goes with the last use of what was
                                 * opened, and who shares this process's
                                 * memory would keep it */
  struct pool_geometry geometry;
  uint64_t granule;             /* bytes that are allocated together */
  uint64_t arena_offset;
  uint64_t arena_size;
  void *head;                   /* superblock and records, mapped */
  uint64_t head_size;           /* there the dictionaries begin */
  bool created;                 /* by this process, or found */
};

/* A device as recorded. */
struct device_record {
  char name[DEVICE_NAME_MAX + 1];
  char settings[DEVICE_SETTINGS_MAX + 1]; /* of who serves it; kept as is */
  uint64_t id;                  /* by chance: another of the same name is
                                 * another */
  uint64_t size;                /* bytes */
  uint64_t table_offset;        /* in the file */
  uint64_t table_size;          /* bytes there */
  bool removed;                 /* it is gone, but for what it took */
};

/* Open the pool file at PATH, or make a memfd when PATH is NULL.  An
 * existing pool keeps its own geometry, put in FILE; GEOMETRY is for a
 * new one.  A file that is empty, or whose making was interrupted,
 * becomes a new pool.
 */
int pool_file_open (struct pool_file *file, const char *path,
                    const struct pool_geometry *geometry);
void pool_file_close (struct pool_file *file);

/* ---- records of devices (devices.c) ---- */

/* Read record number N to *RECORD: 0, or -1 with ENOENT when there is
 * none, EINVAL when it is damaged.
 */
int pool_file_get_device (const struct pool_file *file, unsigned n,
                          struct device_record *record);

/* Give the device in RECORD (name, settings and size) a table of
 * TABLE_SIZE bytes and write it as number N, which must be free.
 */
int pool_file_add_device (struct pool_file *file, unsigned n,
                          struct device_record *record, uint64_t table_size);

/* Put an empty table of TABLE_SIZE bytes into RECORD, which is not
 * written: an offset that no table had before.
 */
int pool_file_add_table (struct pool_file *file, struct device_record *record,
                         uint64_t table_size);

/* Give back the memory of RECORD's table, which nobody uses.  Keeps errno. */
void pool_file_drop_table (struct pool_file *file,
                           const struct device_record *record);

/* Record number N is as RECORD says from now on: one store. */
void pool_file_change_device (struct pool_file *file, unsigned n,
                              const struct device_record *record);

/* Device number N is gone for all who attach later: one store.  Its number
 * stays taken until pool_file_forget_device.
 */
void pool_file_remove_device (struct pool_file *file, unsigned n);

/* Make number N free, and give back the memory of its table, which nobody
 * uses.  0, or -1 when that of the record stays.
 */
int pool_file_forget_device (struct pool_file *file, unsigned n);

/* By chance, for others to tell this pool from all; constant. */
const uint8_t *pool_file_id (const struct pool_file *file);

/* May several slots name one object?  Said before the first do, and
 * never taken back.
 */
bool pool_file_is_shared (const struct pool_file *file);
void pool_file_set_shared (struct pool_file *file);

/* ... slots of several devices? */
bool pool_file_is_shared_by_devices (const struct pool_file *file);
void pool_file_set_shared_by_devices (struct pool_file *file);

/* Of the backing file in which pages of this pool may lie; set before the
 * first does.
 */
struct backing_record *pool_file_backing (const struct pool_file *file);

/* Where the checksums of its blocks are kept, put in *SUMS, with room made
 * for them if there is none.  A pool that has any can't be used any more by
 * versions before there were checksums: from SUMS->begin on, so that one that
 * was not yet used by this version can still go back to such.
 */
int pool_file_sums (struct pool_file *file, struct backing_sums *sums);

/* The end of that room when OFFSET is in it; otherwise 0, and *NEXT is where
 * it begins, if that is behind OFFSET and before *NEXT.
 */
uint64_t pool_file_sums_around (const struct pool_file *file, uint64_t offset,
                                uint64_t *next);

/* What is known of the dictionary in area N. */
struct dictionary_record {
  size_t length;                /* 1 to POOL_DICTIONARY_MAX bytes */
  uint64_t sum;                 /* XXH3 of them */
};

/* Where area N begins in the file. */
static inline uint64_t
pool_file_dictionary_offset (const struct pool_file *file, unsigned n)
{
  return file->head_size + (uint64_t) n * POOL_DICTIONARY_MAX;
}

/* Read the record of area N to *RECORD: 0, or -1 with ENOENT when the
 * area is free, EINVAL when the record is damaged.  That says nothing
 * of the content.
 */
int pool_file_get_dictionary (const struct pool_file *file, unsigned n,
                              struct dictionary_record *record);

/* Publish RECORD for area N, which is free and has its whole content:
 * one store, so that who attaches after a kill finds all or nothing.
 */
void pool_file_set_dictionary (struct pool_file *file, unsigned n,
                               const struct dictionary_record *record);

/* Make area N free, whatever its record was. */
void pool_file_clear_dictionary (struct pool_file *file, unsigned n);

/* The next part of the file at or after OFFSET, before END, in which
 * something may have been written: its bounds are put in *START and
 * *STOP.  Returns false when there is none.  A file system that does
 * not tell (hugetlbfs, or an error) counts as written all over.
 */
bool pool_file_next_data (const struct pool_file *file, uint64_t offset,
                          uint64_t end, uint64_t *start, uint64_t *stop);

#endif /* NBDZRAM_POOL_FILE_POOL_FILE_H */
