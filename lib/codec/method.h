/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A method: an algorithm and, where it has one, its dictionary, made
 * ready to compress pages.  It is constant once it is open, and shared
 * by all threads; what they don't share is a context each.
 *
 * A method holds the generation of its dictionary.
 */

#ifndef NBDZRAM_CODEC_METHOD_H
#define NBDZRAM_CODEC_METHOD_H

#include <stddef.h>

#include "lib/base/budget.h"
#include "codec.h"
#include "dictionary.h"

#define NO_GENERATION (-1)

struct method {
  const struct codec *codec;
  int level;
  int generation;               /* of the dictionary, or NO_GENERATION */
  struct dictionaries *dictionaries;
  void *encoder;                /* the dictionary; NULL: none */
  struct budget *budget;
  size_t bytes;                 /* taken from it */
};

/* Make the algorithm's codec and level ready with the dictionary of
 * GENERATION, which the caller holds and which becomes the method's to
 * let go; or with none, when that is NO_GENERATION.  0, or -1 with errno
 * ENOMEM or ENOSPC; then the generation is let go.
 */
int method_open (struct method *m, const struct algorithm *algorithm,
                 struct dictionaries *dictionaries, int generation,
                 struct budget *budget);

/* All its contexts are freed before.  Safe on a zeroed one. */
void method_close (struct method *m);

/* The number for the slots of pages compressed so. */
static inline unsigned
method_id (const struct method *m)
{
  return m->encoder ? (unsigned) (CODEC_DICTIONARY + m->generation)
                    : m->codec->id;
}

/* A context for pages of PAGE_SIZE bytes; as the codec's. */
void *method_compressor_new (const struct method *m, size_t page_size,
                             size_t *bytes);
void method_compressor_free (const struct method *m, void *ctx);

/* As the codec's. */
static inline size_t
method_compress (const struct method *m, void *ctx, const void *src,
                 size_t size, void *dst)
{
  return m->encoder
    ? m->codec->dictionaries->compress (ctx, src, size, dst)
    : m->codec->compress (ctx, m->level, src, size, dst);
}

/* Bytes that the dictionary which ALGORITHM brings takes in its area, to
 * decompress and to compress pages of PAGE_SIZE bytes by one thread, for
 * who asks before there is a pool.  0 when there is none.
 */
uint64_t method_cost (const struct algorithm *algorithm, size_t page_size);

#endif /* NBDZRAM_CODEC_METHOD_H */
