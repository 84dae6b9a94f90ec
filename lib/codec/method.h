/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A method: an algorithm and possibly a dictionary, ready to compress pages.
 * An open method is constant, and all threads share it; each stream has a
 * context of its own.
 *
 * A method holds the generation of its dictionary (dictionaries_hold).
 */

#ifndef NBDZRAM_CODEC_METHOD_H
#define NBDZRAM_CODEC_METHOD_H

#include <stddef.h>

#include "lib/base/budget.h"
#include "codec.h"
#include "dictionary.h"

#define NO_GENERATION (-1)

/* A context of a codec. */
struct context {
  void *p;                      /* NULL: not needed */
  size_t bytes;                 /* taken from the budget */
};

struct method {
  const struct codec *codec;
  int level;
  int generation;               /* of the dictionary, or NO_GENERATION */
  struct dictionaries *dictionaries;
  void *encoder;                /* of the dictionary; NULL: no dictionary */
  struct budget *budget;
  size_t bytes;                 /* taken from the budget */
};

/* Open a method: the codec and level of ALGORITHM, with the dictionary of
 * GENERATION, or without one if that is NO_GENERATION.  The caller holds the
 * generation; this call takes that hold over, and releases it on failure.
 * Returns 0, or -1 with errno ENOMEM or ENOSPC.
 */
int method_open (struct method *m, const struct algorithm *algorithm,
                 struct dictionaries *dictionaries, int generation,
                 struct budget *budget);

/* The caller frees all contexts of the method before.  Safe on a zeroed
 * struct.
 */
void method_close (struct method *m);

/* Return the codec number for slots of pages compressed by the method. */
static inline unsigned
method_id (const struct method *m)
{
  return m->encoder ? (unsigned) (CODEC_DICTIONARY + m->generation)
                    : m->codec->id;
}

/* Create a context for pages of PAGE_SIZE bytes.  Returns 0, or -1 with errno
 * ENOMEM or ENOSPC.
 */
int method_new_context (const struct method *m, size_t page_size,
                        struct context *c);

/* Safe on a zeroed context. */
void method_free_context (const struct method *m, struct context *c);

/* As the codec's compress. */
static inline size_t
method_compress (const struct method *m, void *ctx, const void *src,
                 size_t size, void *dst)
{
  return m->encoder
    ? m->codec->dictionaries->compress (ctx, src, size, dst)
    : m->codec->compress (ctx, m->level, src, size, dst);
}

/* Return how many bytes the dictionary of ALGORITHM (dict=FILE) takes: in
 * the pool file, for its decoder and encoder, and for one context for pages
 * of PAGE_SIZE bytes.  Returns 0 if it has no dictionary.  Needs no pool.
 */
uint64_t method_cost (const struct algorithm *algorithm, size_t page_size);

#endif /* NBDZRAM_CODEC_METHOD_H */
