/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Training: build a dictionary from a sample of pages.
 *
 * The result is raw content: segments of the sampled pages.  Segments are
 * chosen by how many other pages contain their eight-byte strings; strings
 * that the dictionary already contains don't count.  The best segment is put
 * last, where references to it are shortest.
 *
 * Measured on 190 MB of the heaps of node, python and sqlite, as single
 * pages of 4 KiB: 64 KiB chosen in this way gain 5 % at level 3 and 7.5 % at
 * level 9.  The 64 KiB that libzstd's own training makes of the same sample
 * lose 3 % and gain 5.5 %, and 256 KiB of whole pages, taken at random, gain
 * less than ours, too.  Four times the size gains another 0.3 % and 1.5 %,
 * and costs as much memory.
 *
 * There is no shared state: any number of threads may train at once.
 */

#ifndef NBDZRAM_CODEC_DICTIONARY_TRAIN_H
#define NBDZRAM_CODEC_DICTIONARY_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/budget.h"

/* The best size of a dictionary in bytes, and the number of pages to sample
 * for it.  Larger values gain little.
 */
#define DICTIONARY_TRAIN_SIZE (64 * 1024)
#define DICTIONARY_TRAIN_PAGES 2048

/* Return how many bytes training takes from the budget while it runs. */
uint64_t dictionary_train_memory (size_t count, size_t page_size);

/* Build a dictionary of at most SIZE bytes, at OUT, for pages like those at
 * SAMPLES: COUNT pages of PAGE_SIZE bytes.  GO_ON is called about every
 * millisecond; it may sleep, and cancels the training by returning false.
 * GO_ON may be NULL.  Returns the length, or 0 if the pages have nothing in
 * common, or -1 with errno ECANCELED, ENOMEM or ENOSPC.  Training on 2048
 * pages of 4 KiB takes half a second.
 */
ssize_t dictionary_train (const void *samples, size_t count,
                          size_t page_size, size_t size, uint8_t *out,
                          struct budget *budget,
                          bool (*go_on) (void *opaque), void *opaque);

#endif /* NBDZRAM_CODEC_DICTIONARY_TRAIN_H */
