/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory pages would take in a pool.
 *
 * The caller adds all pages, one after the other.  Each is checked for a word
 * that repeats, and for duplicates by a set of hashes.  The set is bounded:
 * when it is full, it keeps only every second hash, and the number of
 * duplicates becomes an estimate.  A random sample of the other pages is kept;
 * each algorithm compresses and decompresses as many of them as its time
 * allows.
 *
 * Memory is counted as in a full pool: objects rounded up to their size class,
 * zspages, checksums, slots, bookkeeping.
 */

#ifndef NBDZRAM_COMMAND_VERBS_ANALYSIS_H
#define NBDZRAM_COMMAND_VERBS_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/alloc/size-class.h"
#include "lib/codec/codec.h"

struct sample_page;

struct analysis {
  struct size_classes sizes;
  uint64_t pages;               /* all that were added */
  uint64_t same_pages;
  uint64_t same_stored;         /* ... whose word takes an object */
  uint64_t distinct;            /* contents of the others, by hash */
  bool estimated;               /* DISTINCT is */

  uint64_t places;              /* of HASHES */
  uint64_t *hashes;             /* 0: the place is free */
  uint64_t *spare;              /* to copy them to, untouched until needed */
  uint64_t hash_count;
  unsigned hash_shift;          /* every 2^shift-th hash is kept */

  uint8_t *sample;              /* pages */
  struct sample_page *about;    /* ... and a description of each */
  uint32_t sample_max, sample_count;
  uint64_t random;
};

/* The result of one algorithm. */
struct verdict {
  struct algorithm algorithm;
  uint32_t tried;               /* pages of the sample */
  uint32_t huge;                /* ... that would be stored raw */
  double compress, decompress;  /* seconds a page */
  double memory;                /* bytes all pages would take */
  double memory_dedup;          /* ... if duplicates shared theirs */
};

/* Begin an analysis with a sample of SAMPLE_MAX pages and the hashes of up to
 * 3/4 of PLACES pages, of 8 bytes a place.  0, or -1 with errno ENOMEM.
 */
int analysis_open (struct analysis *a, uint32_t page_size,
                   uint32_t sample_max, uint64_t places);
void analysis_close (struct analysis *a);

void analysis_add (struct analysis *a, const void *page);

/* Try an algorithm on the sample for about SECONDS.  0, or -1 with errno
 * ENOMEM, or EIO: a decompressed page differs from the original.
 */
int analysis_try (struct analysis *a, const struct algorithm *algorithm,
                  double seconds, struct verdict *v);

/* The number of pages that are neither same-filled nor the first with their
 * content.
 */
uint64_t analysis_duplicates (const struct analysis *a);

/* The share (0 to 1) of all pages that no algorithm could compress. */
double analysis_incompressible (const struct analysis *a);

#endif /* NBDZRAM_COMMAND_VERBS_ANALYSIS_H */
