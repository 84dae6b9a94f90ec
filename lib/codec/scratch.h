/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scratch buffers of recompression: buffers and contexts.
 *
 * A pool has one set, which is used under pool->maintenance.  It is
 * allocated when the pool is opened: otherwise a pool without free memory
 * could not recompress, which would free some.
 */

#ifndef NBDZRAM_CODEC_SCRATCH_H
#define NBDZRAM_CODEC_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "codec.h"
#include "method.h"

#define RECOMPRESS_MAX 3        /* algorithms besides the first one */

struct scratch {
  struct budget *budget;
  const struct algorithm *algorithms;
  unsigned count;
  struct compressor {
    struct method method;
    struct context context;
  } compressors[RECOMPRESS_MAX],
    page_compressors[RECOMPRESS_MAX]; /* with a dictionary, for pages; without
                                       * a codec: use compressors */
  size_t page_size;
  uint8_t *object;              /* a copy of one object, up to a page */
  uint8_t *pages;               /* the pages of a group, or one page */
  uint8_t *out;                 /* output of a compressor */
  size_t bytes;                 /* taken from the budget for the buffers */
};

/* Allocate buffers and contexts for COUNT ALGORITHMS, which must outlive
 * them, for pages of PAGE_SIZE bytes and groups of GROUP_BYTES.  Returns 0,
 * or -1 with errno ENOMEM, or ENOSPC if the budget is too small.
 */
int scratch_open (struct scratch *w, const struct algorithm *algorithms,
                  unsigned count, size_t page_size, size_t group_bytes,
                  struct budget *budget);

/* Safe on a zeroed struct, and after scratch_open failed. */
void scratch_close (struct scratch *w);

/* From now on, compress single pages by algorithm number PRIORITY, from 1
 * on, with the dictionary of GENERATION.  As method_open, it takes over the
 * caller's hold of the generation.  Groups are compressed without a
 * dictionary: they would gain half as much, and their slots have no room for
 * the generation.  Returns 0, or -1 with errno ENOMEM or ENOSPC; then
 * nothing has changed.
 */
int scratch_set_dictionary (struct scratch *w, unsigned priority,
                            struct dictionaries *dictionaries, int generation);

/* Compress the page at w->pages as scratch_compress does, with the
 * dictionary if there is one.  scratch_page_id returns the codec number for
 * the slot of the result.
 */
size_t scratch_compress_page (struct scratch *w, unsigned priority);
unsigned scratch_page_id (const struct scratch *w, unsigned priority);

/* Compress SIZE bytes at w->pages + OFFSET by algorithm number PRIORITY,
 * from 1 on, to w->out.  Returns the length, or 0 if the codec failed.
 */
size_t scratch_compress (struct scratch *w, unsigned priority,
                         size_t offset, size_t size);

#endif /* NBDZRAM_CODEC_SCRATCH_H */
