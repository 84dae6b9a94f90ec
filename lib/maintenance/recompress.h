/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recompression: pages that were not accessed for a long time are compressed
 * again, by stronger and slower algorithms, each by itself or in groups of
 * neighbours (group.h).
 *
 * The algorithms are tried in the order of their priority, until one brings
 * the page into a smaller size class; a later job continues with the next
 * one.  A page that no algorithm makes smaller is marked incompressible.
 * When the page is written again, all this begins anew.
 */

#ifndef NBDZRAM_MAINTENANCE_RECOMPRESS_H
#define NBDZRAM_MAINTENANCE_RECOMPRESS_H

#include <stdint.h>

#include "lib/store/walk.h"

struct recompress_request {
  struct selection which;
  uint32_t threshold;           /* bytes: only objects of this size or more
                                 * that become smaller than it; 0: any */
  uint64_t max_pages;           /* pages to try; 0: all */
  unsigned priority;            /* of the only algorithm to use, from 1; 0:
                                 * all, or for groups the last one */
};

struct recompress_result {
  uint64_t tried;               /* pages */
  uint64_t recompressed;        /* pages */
  uint64_t incompressible;      /* pages, newly found so */
  uint64_t saved;               /* bytes, by size class */
};

/* Both return 0, or -1 with errno
 *   EINVAL  there is no algorithm of this priority, or none at all
 *   ENOSPC  there was no memory for the new objects: those that were made
 *           stay
 * and set *R in either case.
 */
int pool_recompress (struct pool *pool, const struct recompress_request *req,
                     const struct job *job, struct recompress_result *r);

/* Ignores threshold and max_pages. */
int pool_group (struct pool *pool, const struct recompress_request *req,
                const struct job *job, struct recompress_result *r);

#endif /* NBDZRAM_MAINTENANCE_RECOMPRESS_H */
