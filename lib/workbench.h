/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workbench: what recompression works with.  There is one a pool,
 * used under pool->maintenance, and made when the pool is opened, so
 * that work never stops for want of memory where it would save some.
 */

#ifndef NBDZRAM_WORKBENCH_H
#define NBDZRAM_WORKBENCH_H

#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "codec.h"

#define RECOMPRESS_MAX 3        /* further algorithms */

struct workbench {
  struct budget *budget;
  const struct algorithm *algorithms;
  unsigned count;
  void *compressors[RECOMPRESS_MAX];
  uint8_t *object;              /* room for one, as it is */
  uint8_t *pages;               /* room for those of a group */
  uint8_t *out;                 /* what they compress to */
  size_t bytes;                 /* taken from the budget */
};

/* For COUNT ALGORITHMS, which must stay, on pages of PAGE_SIZE bytes and
 * groups of GROUP_BYTES.  0, or -1 with errno ENOMEM, or ENOSPC when the
 * budget is too small.
 */
int workbench_open (struct workbench *w, const struct algorithm *algorithms,
                    unsigned count, size_t page_size, size_t group_bytes,
                    struct budget *budget);

/* Safe on a zeroed one, and on one whose opening failed. */
void workbench_close (struct workbench *w);

/* Compress SIZE bytes at w->pages + OFFSET by algorithm number PRIORITY,
 * from 1 on, to w->out.  Returns the length, or 0 when the codec failed.
 */
size_t workbench_compress (struct workbench *w, unsigned priority,
                           size_t offset, size_t size);

#endif /* NBDZRAM_WORKBENCH_H */
