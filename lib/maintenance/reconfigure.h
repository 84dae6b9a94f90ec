/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may change while a pool is in use. */

#ifndef NBDZRAM_MAINTENANCE_RECONFIGURE_H
#define NBDZRAM_MAINTENANCE_RECONFIGURE_H

#include <stdint.h>

#include "lib/store/walk.h"

/* Compress what is written from now on by ALGORITHM, which stays the
 * caller's, but for devices that have another: they go on with that.  Older
 * pages that were not recompressed become stale, for pool_refresh.  0, or -1
 * with errno ENOMEM, ENOSPC, or as of dictionaries_add; then all is as it
 * was.
 */
int pool_set_algorithm (struct pool *pool, const struct algorithm *algorithm);

/* May some pages be stale? */
bool pool_has_stale (const struct pool *pool);

/* Compress stale pages by the pool's algorithm of today.  0, or -1 with errno
 * ENOSPC: what has been done stays.  *REFRESHED is how many pages.
 */
int pool_refresh (struct pool *pool, const struct job *job,
                  uint64_t *refreshed);

/* Is a dictionary for dict=auto wanted, and are there twice as many pages
 * as when the last one was made, and enough to make it from?
 */
bool pool_needs_training (struct pool *pool);

/* Make one from a sample of the pages and use it.  0, or -1 with errno as
 * of dictionary_train and pool_use_dictionary.
 */
int pool_train (struct pool *pool, const struct job *job);

#endif /* NBDZRAM_MAINTENANCE_RECONFIGURE_H */
