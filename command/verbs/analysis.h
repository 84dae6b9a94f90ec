/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pages would cost in a pool.
 *
 * Pages are handed over one after the other, in one pass.  All of them
 * are looked at for words that repeat, and for duplicates, by a set of
 * hashes that is bounded: when it is full, it goes on with every second
 * hash, and the number of duplicates becomes an estimate.  A random
 * sample of the others is kept, and each algorithm compresses and
 * decompresses as much of it as fits in its time.
 *
 * Memory is counted as a full pool holds it: objects rounded up to their
 * size class, zspages, checksums, slots, bookkeeping.
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
  uint64_t pages;               /* all */
  uint64_t same_pages;
  uint64_t same_stored;         /* ... whose word takes an object */
  uint64_t distinct;            /* of the others, by hash; maybe estimated */
  bool estimated;

  uint64_t places;              /* for hashes */
  uint64_t *hashes;             /* 0: none here */
  uint64_t *spare;              /* room for them, untouched until needed */
  uint64_t hash_count;
  unsigned hash_shift;          /* every 2^shift-th hash is kept */

  uint8_t *sample;              /* pages */
  struct sample_page *about;    /* ... and what is known of each */
  uint32_t sample_max, sample_count;
  uint64_t random;
};

/* What one algorithm makes of the sample. */
struct verdict {
  struct algorithm algorithm;
  uint32_t tried;               /* pages of the sample */
  uint32_t huge;                /* ... that would be stored raw */
  double compress, decompress;  /* seconds a page */
  double memory;                /* bytes all pages would take */
  double memory_dedup;          /* ... if duplicates shared theirs */
};

/* Keep a sample of SAMPLE_MAX pages, and the hashes of up to 3/4 of
 * PLACES pages, which take 8 bytes a place.  0, or -1 with errno ENOMEM.
 */
int analysis_open (struct analysis *a, uint32_t page_size,
                   uint32_t sample_max, uint64_t places);
void analysis_close (struct analysis *a);

void analysis_add (struct analysis *a, const void *page);

/* Try an algorithm for about SECONDS.  0, or -1 with errno ENOMEM, or EIO:
 * what came out is not what went in.
 */
int analysis_try (struct analysis *a, const struct algorithm *algorithm,
                  double seconds, struct verdict *v);

/* Pages that are neither same-filled nor the first of their kind. */
uint64_t analysis_duplicates (const struct analysis *a);

/* The share (0 to 1) of all pages that nothing that was tried could
 * compress.
 */
double analysis_incompressible (const struct analysis *a);

#endif /* NBDZRAM_COMMAND_VERBS_ANALYSIS_H */
