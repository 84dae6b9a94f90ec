/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trimming pages that are not needed, by command. */

#ifndef NBDZRAM_MAINTENANCE_TRIM_H
#define NBDZRAM_MAINTENANCE_TRIM_H

#include <stdint.h>

#include "lib/store/walk.h"

/* Trim the pages that were written full of zeroes, which reads the same, and
 * give back the memory of tables that have no page.  Returns how many pages
 * were trimmed.
 */
uint64_t pool_trim_empty (struct pool *pool, const struct job *job);

/* Trim every page of every device.  The caller makes sure that no client uses
 * them.
 */
void pool_reset (struct pool *pool);

#endif /* NBDZRAM_MAINTENANCE_TRIM_H */
