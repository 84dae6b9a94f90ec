/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recompression: pages that nobody has accessed for long are compressed
 * again, by stronger and slower algorithms, each by itself or in groups
 * of neighbours (group.h).
 *
 * A page goes through the algorithms in the order of their priority, and
 * stays with the first that brings it into a smaller size class; a later
 * job starts where this one ended.  What none could make smaller is
 * marked incompressible.  A new write begins anew.
 */

#ifndef NBDZRAM_MAINTENANCE_RECOMPRESS_H
#define NBDZRAM_MAINTENANCE_RECOMPRESS_H

#include <stdint.h>

#include "lib/store/walk.h"

struct recompress_request {
  struct selection which;
  uint32_t threshold;           /* bytes: only objects so large or larger,
                                 * that become smaller than this; 0: any */
  uint64_t max_pages;           /* to try; 0: all */
  unsigned priority;            /* of the one algorithm to use, from 1; 0:
                                 * all, or for groups the last */
};

struct recompress_result {
  uint64_t tried;               /* pages */
  uint64_t recompressed;        /* pages */
  uint64_t incompressible;      /* pages, newly found so */
  uint64_t saved;               /* bytes, by size class */
};

/* Both return 0, or -1 with errno
 *   EINVAL  there is no algorithm of this priority, or none at all
 *   ENOSPC  there was no memory for the new objects: what has been done
 *           stays
 * and set *R in either case.
 */
int pool_recompress (struct pool *pool, const struct recompress_request *req,
                     const struct job *job, struct recompress_result *r);

/* Threshold and max_pages mean nothing here. */
int pool_group (struct pool *pool, const struct recompress_request *req,
                const struct job *job, struct recompress_result *r);

#endif /* NBDZRAM_MAINTENANCE_RECOMPRESS_H */
