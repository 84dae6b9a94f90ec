/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workbench: what recompression works with.  There is one a pool,
 * used under pool->maintenance, and made when the pool is opened, so
 * that work never stops for want of memory where it would save some.
 */

#ifndef NBDZRAM_CODEC_SCRATCH_H
#define NBDZRAM_CODEC_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "codec.h"
#include "method.h"

#define RECOMPRESS_MAX 3        /* further algorithms */

struct scratch {
  struct budget *budget;
  const struct algorithm *algorithms;
  unsigned count;
  void *compressors[RECOMPRESS_MAX];
  struct method methods[RECOMPRESS_MAX]; /* with dictionaries, for pages */
  void *page_compressors[RECOMPRESS_MAX]; /* for these; NULL: none */
  size_t page_compressor_bytes[RECOMPRESS_MAX];
  size_t page_size;
  uint8_t *object;              /* room for one, as it is */
  uint8_t *pages;               /* room for those of a group */
  uint8_t *out;                 /* what they compress to */
  size_t bytes;                 /* taken from the budget for the rest */
};

/* For COUNT ALGORITHMS, which must stay, on pages of PAGE_SIZE bytes and
 * groups of GROUP_BYTES.  0, or -1 with errno ENOMEM, or ENOSPC when the
 * budget is too small.
 */
int scratch_open (struct scratch *w, const struct algorithm *algorithms,
                  unsigned count, size_t page_size, size_t group_bytes,
                  struct budget *budget);

/* Safe on a zeroed one, and on one whose opening failed. */
void scratch_close (struct scratch *w);

/* From now on compress single pages by algorithm number PRIORITY with the
 * dictionary of GENERATION, as in method_open.  Groups go on without:
 * they would gain half as much, and nothing in their slots says what they
 * need.  0, or -1 with errno ENOMEM or ENOSPC; then all is as it was.
 */
int scratch_change (struct scratch *w, unsigned priority,
                    struct dictionaries *dictionaries, int generation);

/* Compress the page at w->pages as below, with the dictionary if there
 * is one; and the number for the slot of what that wrote.
 */
size_t scratch_compress_page (struct scratch *w, unsigned priority);
unsigned scratch_page_id (const struct scratch *w, unsigned priority);

/* Compress SIZE bytes at w->pages + OFFSET by algorithm number PRIORITY,
 * from 1 on, to w->out.  Returns the length, or 0 when the codec failed.
 */
size_t scratch_compress (struct scratch *w, unsigned priority,
                         size_t offset, size_t size);

/* All that was taken from the budget. */
uint64_t scratch_bytes_taken (const struct scratch *w);

#endif /* NBDZRAM_CODEC_SCRATCH_H */
