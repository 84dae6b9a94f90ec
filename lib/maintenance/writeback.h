/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writeback: cold pages leave memory for the backing file, as the
 * objects that they are, and come back when they are read.
 *
 * Objects are gathered in a batch, written in large runs, and only then
 * are their slots changed, one by one, for pages that nobody has accessed
 * meanwhile.  When anything fails, they stay where they are.
 *
 * The cleaner does the same with objects of the backing file that lie in
 * blocks with much dead space, so that these can be used again.
 */

#ifndef NBDZRAM_MAINTENANCE_WRITEBACK_H
#define NBDZRAM_MAINTENANCE_WRITEBACK_H

#include <stdint.h>

#include "lib/backing/backing.h"
#include "lib/store/walk.h"

/* Written together. */
#define WRITEBACK_BATCH (1024 * 1024)

struct writeback;

struct writeback_options {
  const char *path;             /* of the backing file or device, or a URI */
  const char *other_path;       /* a URI, too: a mirror; or NULL */
  uint64_t size;                /* bytes; 0: all of a device */
  unsigned timeout;             /* these are backing_open's */
  void (*log) (const char *text);
  uint64_t daily_limit;         /* bytes a day; 0: any number */
};

/* Give the pool a backing file: after pool_open, before pool_start.
 * Returns 0, or -1 with *ERROR as backing_open sets it, or
 * BACKING_ERROR_MEM_LIMIT: the limit of the pool's memory is below the sum
 * of pool_mem_limit_min and pool_writeback_memory.
 */
int pool_open_writeback (struct pool *pool, const struct writeback_options *o,
                         struct backing_error *error);

/* The memory that a pool needs for it, before anything is written back. */
uint64_t pool_writeback_memory (const struct pool *pool);

struct writeback_result {
  uint64_t tried;               /* pages */
  uint64_t written;             /* pages */
  uint64_t bytes;               /* of their objects */
};

/* Write the pages of WHICH back.  0, or -1 with errno, and what has been
 * done stays:
 *   ENXIO   there is no backing file
 *   EDQUOT  the day's limit is used up
 *   others  it is full, away or failed, as backing_flush says
 * Sets *R in either case.
 */
int pool_write_back (struct pool *pool, const struct selection *which,
                     const struct job *job, struct writeback_result *r);

/* Clean the backing file, if it is due, and give back space that is free.
 * Errors as above.
 */
int pool_clean (struct pool *pool, const struct job *job);

/* Let a mirror that lacks something get some of it, for a part of a second.
 * Returns whether there is more to do at once.
 */
bool pool_resync (struct pool *pool, const struct job *job);

/* The limit of bytes a day, 0 for none, and what is left of today's. */
void pool_set_writeback_limit (struct pool *pool, uint64_t bytes);
void pool_get_writeback_limit (struct pool *pool, uint64_t *bytes,
                               uint64_t *left);

/* The maintainer tells the time, in seconds: days begin with the first. */
void pool_writeback_clock (struct pool *pool, uint64_t now);

#endif /* NBDZRAM_MAINTENANCE_WRITEBACK_H */
