/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codecs: one file each behind one table of operations, and the
 * registry of those that were built in.
 *
 * Three lifetimes.  A codec is constant.  Parameters are set once, then
 * shared by all threads and never change.  A context is the scratch
 * memory of one stream, made with it and used by one thread at a time.
 */

#ifndef NBDZRAM_CODEC_H
#define NBDZRAM_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers that stand in slots, so they never change their meaning. */
enum codec_id {
  CODEC_FILL = 0,               /* one word repeated; not in the registry */
  CODEC_LZ4 = 1,
  CODEC_LZ4HC = 2,
  CODEC_LZO = 3,
  CODEC_ZSTD = 4,
  CODEC_DEFLATE = 5,
  CODEC_IDS,
};

struct codec {
  const char *name;             /* as in algorithm=NAME */
  enum codec_id id;
  int default_level;
  const char *levels;           /* the valid ones, for people */
  bool (*level_valid) (int level);

  /* The most bytes that SIZE bytes can compress to. */
  size_t (*bound) (size_t size);

  /* A context for compressing pages of PAGE_SIZE bytes at LEVEL.  All
   * memory that compress will ever want is allocated here.  Sets *BYTES
   * to what it holds.  NULL with errno ENOMEM.
   */
  void *(*compressor_new) (int level, size_t page_size, size_t *bytes);
  void (*compressor_free) (void *ctx);

  /* Compress SIZE bytes at SRC to DST, which has room for bound (SIZE).
   * Returns the length, or 0 when the library failed.
   */
  size_t (*compress) (void *ctx, int level, const void *src, size_t size,
                      void *dst);

  /* Likewise for decompression; NULL where none is needed. */
  void *(*decompressor_new) (size_t *bytes);
  void (*decompressor_free) (void *ctx);

  /* Decompress LENGTH bytes at SRC, which may be anything at all, to
   * exactly SIZE bytes at DST.  0, or -1 when the input is not that;
   * then DST's content is undefined, and nothing outside it was
   * touched.  Allocates nothing.
   */
  int (*decompress) (void *ctx, const void *src, size_t length,
                     void *dst, size_t size);
};

/* The built-in codecs, ended by NULL; lz4, the default, is first. */
extern const struct codec *const codecs[];

/* NULL when no such codec is built in. */
const struct codec *codec_by_name (const char *name);
const struct codec *codec_by_id (unsigned id);

/* What a user names: an algorithm and its parameters. */
struct algorithm {
  const struct codec *codec;
  int level;
};

/* Parse "zstd" or "zstd:level=1" to *A.  0, or -1 with errno EINVAL and
 * in ERROR (SIZE bytes) a sentence that names what would be valid.
 */
int algorithm_parse (const char *spec, struct algorithm *a,
                     char *error, size_t size);

#endif /* NBDZRAM_CODEC_H */
