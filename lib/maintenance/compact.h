/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compaction: objects of sparse zspages move together, and the memory
 * they leave goes back to the system.
 */

#ifndef NBDZRAM_MAINTENANCE_COMPACT_H
#define NBDZRAM_MAINTENANCE_COMPACT_H

#include <stdint.h>

#include "lib/store/walk.h"

/* Compact all of the pool, or as much as JOB allows, while requests go
 * on, and drop the dictionaries that nobody needs.  Returns the bytes
 * that objects gave back.
 */
uint64_t pool_compact (struct pool *pool, const struct job *job);

#endif /* NBDZRAM_MAINTENANCE_COMPACT_H */
