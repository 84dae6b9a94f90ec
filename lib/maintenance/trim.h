/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Throwing away what nobody needs. */

#ifndef NBDZRAM_MAINTENANCE_TRIM_H
#define NBDZRAM_MAINTENANCE_TRIM_H

#include <stdint.h>

#include "lib/store/walk.h"

/* Pages that were written full of zeroes become holes, which read the
 * same, and tables without a page give their memory back.  Returns how
 * many pages.
 */
uint64_t pool_trim_empty (struct pool *pool, const struct job *job);

/* Forget every page of every device.  The caller sees to it that nobody
 * uses them.
 */
void pool_reset (struct pool *pool);

#endif /* NBDZRAM_MAINTENANCE_TRIM_H */
