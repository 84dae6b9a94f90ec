/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dictionaries: content that many pages have in common, so that each of
 * them compresses better.
 *
 * Each dictionary that is added becomes a generation.  POOL_DICTIONARIES of
 * them may exist at once.  A page needs the generation that it was
 * compressed with as long as it is stored, in this process and in later
 * ones.  So the content lies in the pool file, and a generation can be
 * dropped when no slot names it and no method compresses with it.
 *
 * If a dictionary is damaged when the pool is opened, its pages are damaged
 * too.  Its generation is not used again until no slot names it any more.
 *
 * There are no locks.  Any thread may count, hold and decompress; the caller
 * serializes opening, adding and dropping.  A thread that decompresses a
 * page either has the slot's lock, so that the slot is not counted down
 * meanwhile, or holds the generation.  A thread that compresses a page, or
 * shares an existing object, holds the generation until the new slot is
 * counted.
 */

#ifndef NBDZRAM_CODEC_DICTIONARY_H
#define NBDZRAM_CODEC_DICTIONARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "lib/pool-file/pool-file.h"
#include "codec.h"

struct dictionary {
  _Atomic uint64_t slots;       /* number of slots that name it */
  _Atomic unsigned holders;     /* methods and streams that need it */
  void *_Atomic decoder;        /* NULL: no dictionary, or no zstd */
  const uint8_t *content;       /* in the pool file */
  size_t length;                /* 0: the area is free */
  uint64_t bytes;               /* taken from the budget */
};

struct dictionaries {
  struct pool_file *file;
  struct budget *budget;
  const struct codec *codec;    /* zstd; NULL: not built in */
  uint8_t *areas;               /* mapping of all areas */
  uint64_t shared_bytes;        /* taken from the budget for huge pages that
                                 * several areas share */
  struct dictionary generations[POOL_DICTIONARIES];
};

/* Find the dictionaries of FILE, and free the memory of areas without one.
 * FILE and BUDGET must outlive D.  Returns 0, or -1 with errno ENOMEM.
 */
int dictionaries_open (struct dictionaries *d, struct pool_file *file,
                       struct budget *budget);

/* Safe on a zeroed struct, and after dictionaries_open failed. */
void dictionaries_close (struct dictionaries *d);

/* Store LENGTH bytes of CONTENT in the pool file, unless they are there
 * already.  Returns the generation, held as by dictionaries_hold, or -1 with
 * errno
 *   EMLINK   no area is free
 *   EINVAL   CONTENT is empty, too long, or damaged
 *   ENOTSUP  zstd is not built in
 *   ENOSPC, ENOMEM
 */
int dictionaries_add (struct dictionaries *d, const void *content,
                      size_t length);

/* Return the generation that most slots name, held as by dictionaries_hold,
 * or -1 if no slot names one that can be used.
 */
int dictionaries_find_used (struct dictionaries *d);

/* Keep GENERATION, which must exist, from being dropped. */
void dictionaries_hold (struct dictionaries *d, int generation);
void dictionaries_release (struct dictionaries *d, int generation);

/* The same for codec number ID, at least CODEC_DICTIONARY, whose generation
 * may have been dropped: then it returns false.
 */
bool dictionaries_try_hold (struct dictionaries *d, unsigned id);

/* Count a slot with codec number ID that was published (BY is 1) or replaced
 * (BY is -1).  Does nothing for codec numbers without a dictionary.
 */
static inline void
dictionaries_count (struct dictionaries *d, unsigned id, int by)
{
  if (id >= CODEC_DICTIONARY)
    atomic_fetch_add_explicit (&d->generations[id - CODEC_DICTIONARY].slots,
                               (uint64_t) by, memory_order_release);
}

/* Drop the generations that no slot names and that are not held.  Returns
 * how many.
 */
unsigned dictionaries_drop_unused (struct dictionaries *d);

/* Return how many bytes a dictionary takes in the pool file and for its
 * decoder.  Needs no pool.
 */
uint64_t dictionary_cost (const void *content, size_t length);

/* As the codec's decompress, for codec number ID, which is at least
 * CODEC_DICTIONARY.  CTX is from the codec's decompressor_new.
 */
int dictionaries_decompress (struct dictionaries *d, void *ctx, unsigned id,
                             const void *src, size_t length,
                             void *dst, size_t size);

#endif /* NBDZRAM_CODEC_DICTIONARY_H */
