/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compaction: objects of sparse zspages are moved together, and the memory
 * that becomes free goes back to the system.
 */

#ifndef NBDZRAM_MAINTENANCE_COMPACT_H
#define NBDZRAM_MAINTENANCE_COMPACT_H

#include <stdint.h>

#include "lib/store/walk.h"

/* Compact all of the pool, or as much as JOB allows, while requests are
 * served, and drop the dictionaries that no page needs.  Returns the bytes
 * that were given back.
 */
uint64_t pool_compact (struct pool *pool, const struct job *job);

#endif /* NBDZRAM_MAINTENANCE_COMPACT_H */
