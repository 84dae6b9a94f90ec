/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codecs: one table of operations for each, and the registry of those that
 * are built in.
 *
 * There are three lifetimes.  A codec is constant.  Parameters are set once,
 * are then shared by all threads, and never change; an encoder or decoder,
 * made of a dictionary, is one of them.  A context is the scratch memory of
 * one stream: it is created with the stream, and one thread uses it at a
 * time.
 */

#ifndef NBDZRAM_CODEC_CODEC_H
#define NBDZRAM_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Slots contain these numbers, so their meaning never changes. */
enum codec_id {
  CODEC_FILL = 0,               /* same-filled page; not in the registry */
  CODEC_LZ4 = 1,
  CODEC_LZ4HC = 2,
  CODEC_LZO = 3,
  CODEC_ZSTD = 4,
  CODEC_DEFLATE = 5,
  CODEC_IDS,

  /* This number and the POOL_DICTIONARIES - 1 after it: CODEC_ZSTD with the
   * dictionary of generation (number - CODEC_DICTIONARY).
   */
  CODEC_DICTIONARY = 8,
};

/* The operations of a codec that supports dictionaries.  CONTENT is
 * arbitrary bytes, or a dictionary in the codec's own format.
 */
struct codec_dictionaries {
  /* Create an encoder: CONTENT, prepared for compressing at LEVEL.  The
   * caller may free CONTENT afterwards.  Sets *BYTES to the memory that the
   * encoder holds.  Returns NULL with errno ENOMEM, or EINVAL if CONTENT is
   * in the codec's format, but damaged.
   */
  void *(*encoder_new) (const void *content, size_t length, int level,
                        size_t *bytes);
  void (*encoder_free) (void *encoder);

  /* As in struct codec, for one encoder, which must outlive the context.
   * The codec's compressor_free frees the context.
   */
  void *(*compressor_new) (void *encoder, size_t page_size, size_t *bytes);
  size_t (*compress) (void *ctx, const void *src, size_t size, void *dst);

  /* Create a decoder: CONTENT, prepared for decompressing.  CONTENT must
   * outlive it.  *BYTES and errors are as in encoder_new.
   */
  void *(*decoder_new) (const void *content, size_t length, size_t *bytes);
  void (*decoder_free) (void *decoder);

  /* As in struct codec; CTX is from the codec's decompressor_new. */
  int (*decompress) (void *ctx, const void *decoder, const void *src,
                     size_t length, void *dst, size_t size);
};

struct codec {
  const char *name;             /* as in algorithm=NAME */
  enum codec_id id;
  int default_level;
  const char *levels;           /* the valid ones, for messages */
  bool (*level_is_valid) (int level);

  /* Return the largest size that SIZE bytes can compress to. */
  size_t (*bound) (size_t size);

  /* Create a context for compressing pages of PAGE_SIZE bytes at LEVEL.
   * Allocates all memory that compress will need, and sets *BYTES to its
   * size.  Returns NULL with errno ENOMEM.
   */
  void *(*compressor_new) (int level, size_t page_size, size_t *bytes);
  void (*compressor_free) (void *ctx);

  /* Compress SIZE bytes at SRC to DST, which has room for bound (SIZE).
   * Returns the length, or 0 if the library failed.
   */
  size_t (*compress) (void *ctx, int level, const void *src, size_t size,
                      void *dst);

  /* The same for decompression; NULL for codecs that need no context. */
  void *(*decompressor_new) (size_t *bytes);
  void (*decompressor_free) (void *ctx);

  /* Decompress LENGTH bytes at SRC to exactly SIZE bytes at DST.  SRC may
   * be damaged in any way.  Returns 0, or -1 if it does not decompress to
   * SIZE bytes; then the content of DST is undefined.  Never writes outside
   * DST, and allocates nothing.
   */
  int (*decompress) (void *ctx, const void *src, size_t length,
                     void *dst, size_t size);

  const struct codec_dictionaries *dictionaries; /* NULL: not supported */
};

/* The codecs that are built in, and NULL.  The first one, lz4, is the
 * default.
 */
extern const struct codec *const codecs[];

/* Return NULL if no such codec is built in. */
const struct codec *codec_by_name (const char *name);
const struct codec *codec_by_id (unsigned id);

/* Return the number of the codec itself for ID, a codec number of a slot. */
static inline unsigned
codec_without_dictionary (unsigned id)
{
  return id >= CODEC_DICTIONARY ? CODEC_ZSTD : id;
}

/* The content of a dictionary. */
struct dictionary_content {
  size_t length;
  uint8_t bytes[];
};

/* What a user names: an algorithm and its parameters. */
struct algorithm {
  const struct codec *codec;
  int level;
  bool auto_dictionary;         /* dict=auto */
  struct dictionary_content *dictionary; /* of dict=FILE, or NULL */
};

/* Parse a string such as "zstd" or "zstd:level=1:dict=FILE" to *A, which the
 * caller frees with algorithm_free.  Returns 0, or -1 with errno EINVAL and
 * a message in ERROR, a buffer of SIZE bytes, that names what would be
 * valid; then there is nothing to free.
 */
int algorithm_parse (const char *spec, struct algorithm *a,
                     char *error, size_t size);

/* Format an algorithm without its dictionary, such as "zstd:level=1". */
#define ALGORITHM_NAME_SIZE 64
void algorithm_name (const struct codec *codec, int level,
                     char text[ALGORITHM_NAME_SIZE]);

/* Free what algorithm_parse allocated.  Safe on a zeroed struct, and when
 * called twice.
 */
void algorithm_free (struct algorithm *a);

#endif /* NBDZRAM_CODEC_CODEC_H */
