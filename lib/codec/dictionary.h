/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dictionaries: what many pages have in common, so that each of them
 * compresses better.
 *
 * Each that is added becomes a generation, of which POOL_DICTIONARIES
 * may live at once; a page needs the generation it was compressed with
 * for as long as it is stored so, in this process and in those after
 * it.  So its content lies in the pool file, and it can be dropped when
 * no slot names it and no method compresses with it.
 *
 * A dictionary that is found damaged is gone, and its pages are damaged;
 * its generation is not another's until there is none of them left.
 *
 * Locks: none.  Any thread may count, hold and decompress; opening,
 * adding and dropping are for one thread at a time.  Who decompresses a
 * page keeps its slot from being counted down meanwhile, by the slot's
 * lock, or holds its generation; and who compresses one, or comes to
 * share its object, holds the generation until the new slot is counted.
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
  _Atomic uint64_t slots;       /* pages that need it */
  _Atomic unsigned holders;     /* who need it besides */
  void *_Atomic decoder;        /* NULL: there is none */
  const uint8_t *content;       /* in the pool file */
  size_t length;                /* 0: the area is free */
  uint64_t bytes;               /* taken from the budget */
};

struct dictionaries {
  struct pool_file *file;
  struct budget *budget;
  const struct codec *codec;    /* NULL: not built in */
  uint8_t *areas;               /* mapped */
  uint64_t shared_bytes;        /* taken for all areas together */
  struct dictionary generations[POOL_DICTIONARIES];
};

/* Find the dictionaries of FILE and give back what lies in areas that
 * have none.  FILE and BUDGET must stay.  0, or -1 with errno ENOMEM.
 */
int dictionaries_open (struct dictionaries *d, struct pool_file *file,
                       struct budget *budget);

/* Safe on a zeroed one, and on one whose opening failed. */
void dictionaries_close (struct dictionaries *d);

/* Put LENGTH bytes of CONTENT in the pool file, or find them there.
 * Returns the generation, held as by dictionaries_hold, or -1 with errno
 *   EMLINK   each area has a generation that is needed
 *   EINVAL   CONTENT is empty, too long, or damaged
 *   ENOTSUP  zstd is not built in
 *   ENOSPC, ENOMEM
 */
int dictionaries_add (struct dictionaries *d, const void *content,
                      size_t length);

/* The generation that most pages need, held as by dictionaries_hold, or
 * -1 when there is none to compress with.
 */
int dictionaries_find_used (struct dictionaries *d);

/* Keep GENERATION, which is there, from being dropped. */
void dictionaries_hold (struct dictionaries *d, int generation);
void dictionaries_release (struct dictionaries *d, int generation);

/* The same for codec number ID, at least CODEC_DICTIONARY, of which it is
 * not known that it is still there: false when it is not.
 */
bool dictionaries_try_hold (struct dictionaries *d, unsigned id);

/* A slot with codec number ID comes (BY 1) or goes (BY -1). */
static inline void
dictionaries_count (struct dictionaries *d, unsigned id, int by)
{
  if (id >= CODEC_DICTIONARY)
    atomic_fetch_add_explicit (&d->generations[id - CODEC_DICTIONARY].slots,
                               (uint64_t) by, memory_order_release);
}

/* Drop the generations that nobody needs.  Returns how many. */
unsigned dictionaries_drop_unused (struct dictionaries *d);

/* How many there are, and the bytes taken from the budget for them. */
unsigned dictionaries_alive (const struct dictionaries *d);
uint64_t dictionaries_bytes (const struct dictionaries *d);

/* Bytes that a dictionary of LENGTH takes in the file and beside it, for
 * who asks before there is a pool.
 */
uint64_t dictionary_cost (const void *content, size_t length);

/* As the codec's, by codec number ID, which is at least
 * CODEC_DICTIONARY.  CTX is of its decompressor_new.
 */
int dictionaries_decompress (struct dictionaries *d, void *ctx, unsigned id,
                             const void *src, size_t length,
                             void *dst, size_t size);

#endif /* NBDZRAM_CODEC_DICTIONARY_H */
