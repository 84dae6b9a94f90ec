/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codecs: one file each behind one table of operations, and the
 * registry of those that were built in.
 *
 * Three lifetimes.  A codec is constant.  Parameters are set once, then
 * shared by all threads and never change; a dictionary that was made
 * ready for a codec is one of them.  A context is the scratch memory of
 * one stream, made with it and used by one thread at a time.
 */

#ifndef NBDZRAM_CODEC_CODEC_H
#define NBDZRAM_CODEC_CODEC_H

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

  /* From here to the end of what a slot can name: CODEC_ZSTD with the
   * dictionary of generation (number - CODEC_DICTIONARY).
   */
  CODEC_DICTIONARY = 8,
};

/* The part of a codec that knows dictionaries.  CONTENT is any bytes at
 * all, or the codec's own format.
 */
struct codec_dictionaries {
  /* A dictionary made ready for compressing at LEVEL; CONTENT may go
   * afterwards.  NULL with errno ENOMEM, or EINVAL when it is in the
   * codec's format, but damaged.  Sets *BYTES to what it holds.
   */
  void *(*encoder_new) (const void *content, size_t length, int level,
                        size_t *bytes);
  void (*encoder_free) (void *encoder);

  /* As in struct codec, for one encoder, which must stay.  The context
   * is freed by the codec's compressor_free.
   */
  void *(*compressor_new) (void *encoder, size_t page_size, size_t *bytes);
  size_t (*compress) (void *ctx, const void *src, size_t size, void *dst);

  /* A dictionary made ready for decompressing; CONTENT must stay.
   * Errors as in encoder_new.
   */
  void *(*decoder_new) (const void *content, size_t length, size_t *bytes);
  void (*decoder_free) (void *decoder);

  /* As in struct codec, with a context of its decompressor_new. */
  int (*decompress) (void *ctx, const void *decoder, const void *src,
                     size_t length, void *dst, size_t size);
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

  const struct codec_dictionaries *dictionaries; /* NULL: knows none */
};

/* The built-in codecs, ended by NULL; lz4, the default, is first. */
extern const struct codec *const codecs[];

/* NULL when no such codec is built in. */
const struct codec *codec_by_name (const char *name);
const struct codec *codec_by_id (unsigned id);

/* The codec's own number for ID, which a slot has. */
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

/* Parse "zstd" or "zstd:level=1:dict=FILE" to *A, which is then the
 * caller's to free.  0, or -1 with errno EINVAL and in ERROR (SIZE
 * bytes) a sentence that names what would be valid; then there is
 * nothing to free.
 */
int algorithm_parse (const char *spec, struct algorithm *a,
                     char *error, size_t size);

/* "zstd:level=1", without its dictionary. */
#define ALGORITHM_NAME_SIZE 64
void algorithm_name (const struct codec *codec, int level,
                     char text[ALGORITHM_NAME_SIZE]);

/* Free what parsing allocated.  Safe on a zeroed one, and twice. */
void algorithm_free (struct algorithm *a);

#endif /* NBDZRAM_CODEC_CODEC_H */
