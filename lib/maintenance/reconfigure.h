/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of a pool that may change while it is in use. */

#ifndef NBDZRAM_MAINTENANCE_RECONFIGURE_H
#define NBDZRAM_MAINTENANCE_RECONFIGURE_H

#include <stdint.h>

#include "lib/store/walk.h"

/* Compress what is written from now on with ALGORITHM, which stays the
 * caller's.  Devices that have an algorithm of their own keep it.  Older
 * pages that were not recompressed become stale, for pool_refresh.  Returns
 * 0, or -1 with errno ENOMEM, ENOSPC, or that of dictionaries_add; then
 * nothing has changed.
 */
int pool_set_algorithm (struct pool *pool, const struct algorithm *algorithm);

/* May some pages be stale? */
bool pool_has_stale (const struct pool *pool);

/* Compress stale pages with the pool's present algorithm, and count them in
 * *REFRESHED.  0, or -1 with errno ENOSPC: the pages that were compressed
 * stay so.
 */
int pool_refresh (struct pool *pool, const struct job *job,
                  uint64_t *refreshed);

/* Should a dictionary be trained for dict=auto?  There must be enough pages,
 * and twice as many as at the last training.
 */
bool pool_needs_training (struct pool *pool);

/* Train a dictionary from a sample of the pages and use it.  0, or -1 with
 * errno of dictionary_train or pool_use_dictionary.
 */
int pool_train (struct pool *pool, const struct job *job);

#endif /* NBDZRAM_MAINTENANCE_RECONFIGURE_H */
