/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writeback: the objects of cold pages are moved, as they are, from memory to
 * the backing file, and come back when they are read.
 *
 * Objects are gathered in a batch and written in large runs.  Only then are
 * their slots changed, one by one, if the page was not accessed meanwhile.
 * When anything fails, the pages stay in memory.
 *
 * The cleaner does the same with objects of the backing file that lie in
 * blocks with much dead space, so that these blocks can be used again.
 */

#ifndef NBDZRAM_MAINTENANCE_WRITEBACK_H
#define NBDZRAM_MAINTENANCE_WRITEBACK_H

#include <stdint.h>

#include "lib/backing/backing.h"
#include "lib/store/walk.h"

/* Bytes that are written together. */
#define WRITEBACK_BATCH (1024 * 1024)

struct writeback;

struct writeback_options {
  const char *path;             /* of the backing file or device, or a URI */
  const char *other_path;       /* the URI of the other replica, or NULL */
  uint64_t size;                /* bytes; 0: all of a device */
  unsigned timeout;             /* as in struct backing_options */
  void (*log) (const char *text); /* as in struct backing_options */
  uint64_t daily_limit;         /* bytes a day; 0: no limit */
  bool with_key;                /* encrypt it.  A pool that has written
                                 * encrypted pages goes on to do so */
};

/* Give the pool a backing file: after pool_open, before pool_start.
 * Returns 0, or -1 with *ERROR as backing_open sets it, or
 * BACKING_ERROR_MEM_LIMIT: the limit of the pool's memory is below the sum
 * of pool_mem_limit_min and pool_writeback_memory.
 */
int pool_open_writeback (struct pool *pool, const struct writeback_options *o,
                         struct backing_error *error);

/* Bytes of memory that a pool needs for a backing file before anything is
 * written back, WITH_KEY if it is encrypted.
 */
uint64_t pool_writeback_memory (const struct pool *pool, bool with_key);

struct writeback_result {
  uint64_t tried;               /* pages */
  uint64_t written;             /* pages */
  uint64_t bytes;               /* of their objects */
};

/* Write back the pages that WHICH selects.  0, or -1 with errno; the pages
 * that were written back until then stay so:
 *   ENXIO   there is no backing file
 *   EDQUOT  the day's limit is used up
 *   others  of backing_flush: it is full, away or failed
 * Sets *R in either case.
 */
int pool_write_back (struct pool *pool, const struct selection *which,
                     const struct job *job, struct writeback_result *r);

/* Clean the backing file, if it is due, and give back free space.  The same
 * errors.
 */
int pool_clean (struct pool *pool, const struct job *job);

/* Resync a replica that is not in sync, for a part of a second.  Returns
 * whether to go on at once.
 */
bool pool_resync (struct pool *pool, const struct job *job);

/* The limit in bytes a day, 0 for none, and what is left of it today. */
void pool_set_writeback_limit (struct pool *pool, uint64_t bytes);
void pool_get_writeback_limit (struct pool *pool, uint64_t *bytes,
                               uint64_t *left);

/* How many bytes of pages, compressed or not, may still be written back: what
 * is free in the backing file, or what is left of today's limit.  0 if there
 * is none, or it is away, or the last write to it failed.
 */
uint64_t pool_writeback_room (struct pool *pool);

/* NOW is in seconds, of the maintainer's clock: days are counted from the
 * first call.
 */
void pool_writeback_clock (struct pool *pool, uint64_t now);

#endif /* NBDZRAM_MAINTENANCE_WRITEBACK_H */
