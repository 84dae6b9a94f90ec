/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zstandard. */

#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "codecs.h"

static bool
zstd_level_is_valid (int level)
{
  return level != 0
    && level >= ZSTD_minCLevel () && level <= ZSTD_maxCLevel ();
}

static size_t
zstd_bound (size_t size)
{
  return ZSTD_compressBound (size);
}

static size_t
zstd_compress (void *ctx, int level, const void *src, size_t size, void *dst)
{
  size_t r = ZSTD_compressCCtx (ctx, dst, zstd_bound (size), src, size, level);

  return ZSTD_isError (r) ? 0 : r;
}

/* Return whether it is one frame of the current format, which zstd_compress
 * writes.  The library would also accept older formats, with code that
 * allocates memory.
 */
static bool
is_one_frame (const void *src, size_t length)
{
  uint32_t magic;

  if (length < sizeof magic)
    return false;
  memcpy (&magic, src, sizeof magic);
  return le32toh (magic) == ZSTD_MAGICNUMBER
    && ZSTD_findFrameCompressedSize (src, length) == length;
}

static int
zstd_decompress (void *ctx, const void *src, size_t length, void *dst,
                 size_t size)
{
  return is_one_frame (src, length)
    && ZSTD_decompressDCtx (ctx, dst, size, src, length) == size ? 0 : -1;
}

static void
zstd_compressor_free (void *ctx)
{
  ZSTD_freeCCtx (ctx);
}

static size_t
zstd_compress_with_dictionary (void *ctx, const void *src, size_t size,
                               void *dst)
{
  size_t r = ZSTD_compress2 (ctx, dst, zstd_bound (size), src, size);

  return ZSTD_isError (r) ? 0 : r;
}

/* Make CTX compress with ENCODER, at its level.  The frame doesn't name the
 * dictionary, since the slot does.
 */
static bool
bind_encoder (ZSTD_CCtx *ctx, const ZSTD_CDict *encoder)
{
  return !ZSTD_isError (ZSTD_CCtx_refCDict (ctx, encoder))
    && !ZSTD_isError (ZSTD_CCtx_setParameter (ctx, ZSTD_c_dictIDFlag, 0));
}

/* Create a context for compressing pages with ENCODER, or at LEVEL if that is
 * NULL.  The library allocates most memory of a context when it is first used,
 * so this compresses a page.
 */
static void *
context_new (const ZSTD_CDict *encoder, int level, size_t page_size,
             size_t *bytes)
{
  ZSTD_CCtx *ctx = ZSTD_createCCtx ();
  void *page = calloc (1, page_size);
  void *out = malloc (zstd_bound (page_size));
  size_t length = 0;

  if (ctx && page && out && (!encoder || bind_encoder (ctx, encoder)))
    length = encoder
      ? zstd_compress_with_dictionary (ctx, page, page_size, out)
      : zstd_compress (ctx, level, page, page_size, out);
  free (page);
  free (out);
  if (length == 0) {
    ZSTD_freeCCtx (ctx);
    errno = ENOMEM;
    return NULL;
  }
  *bytes = ZSTD_sizeof_CCtx (ctx);
  return ctx;
}

static void *
zstd_compressor_new (int level, size_t page_size, size_t *bytes)
{
  return context_new (NULL, level, page_size, bytes);
}

static void
zstd_decompressor_free (void *ctx)
{
  ZSTD_freeDCtx (ctx);
}

static void *
zstd_decompressor_new (size_t *bytes)
{
  ZSTD_DCtx *ctx = ZSTD_createDCtx ();

  if (!ctx)
    errno = ENOMEM;
  else
    *bytes = ZSTD_sizeof_DCtx (ctx);
  return ctx;
}

/* ---- dictionaries ---- */

/* A dictionary is raw content or in the library's format.  Raw content needs
 * no preparation for decompressing.  The library's format has tables, which
 * take long to read, so they are read once.
 */
struct decoder {
  const void *content;
  size_t length;
  ZSTD_DDict *tables;           /* NULL: raw content */
};

static bool
is_formatted (const void *content, size_t length)
{
  uint32_t magic;

  if (length < sizeof magic)
    return false;
  memcpy (&magic, content, sizeof magic);
  return le32toh (magic) == ZSTD_MAGIC_DICTIONARY;
}

/* Before version 1.5.6 the library does not check whether it got the memory
 * for an encoder.  So check before, with as much memory as any level needs.
 */
static bool
has_memory_for_encoder (size_t length)
{
  void *p = malloc (64 * 1024 + 40 * length);
  bool is = p != NULL;

  __asm__ volatile ("" : : "r" (p)); /* or the pair is optimized away */
  free (p);
  return is;
}

static void *
zstd_encoder_new (const void *content, size_t length, int level, size_t *bytes)
{
  ZSTD_CDict *encoder;

  if (!has_memory_for_encoder (length))
    return NULL;
  encoder = ZSTD_createCDict (content, length, level);
  if (encoder)
    *bytes = ZSTD_sizeof_CDict (encoder);
  else
    errno = is_formatted (content, length) ? EINVAL : ENOMEM;
  return encoder;
}

static void
zstd_encoder_free (void *encoder)
{
  ZSTD_freeCDict (encoder);
}

static void *
zstd_dictionary_compressor_new (void *encoder, size_t page_size,
                                size_t *bytes)
{
  return context_new (encoder, 0, page_size, bytes);
}

static void
zstd_decoder_free (void *opaque)
{
  struct decoder *decoder = opaque;

  ZSTD_freeDDict (decoder->tables);
  free (decoder);
}

static void *
zstd_decoder_new (const void *content, size_t length, size_t *bytes)
{
  struct decoder *decoder = malloc (sizeof *decoder);

  if (!decoder)
    return NULL;
  *decoder = (struct decoder) { .content = content, .length = length };
  *bytes = sizeof *decoder;
  if (!is_formatted (content, length))
    return decoder;

  decoder->tables = ZSTD_createDDict (content, length);
  if (decoder->tables) {
    *bytes += ZSTD_sizeof_DDict (decoder->tables);
    return decoder;
  }
  free (decoder);
  errno = EINVAL;
  return NULL;
}

static int
zstd_decompress_with_dictionary (void *ctx, const void *opaque,
                                 const void *src, size_t length, void *dst,
                                 size_t size)
{
  const struct decoder *decoder = opaque;
  size_t r;

  if (!is_one_frame (src, length))
    return -1;
  r = decoder->tables
    ? ZSTD_decompress_usingDDict (ctx, dst, size, src, length, decoder->tables)
    : ZSTD_decompress_usingDict (ctx, dst, size, src, length,
                                 decoder->content, decoder->length);
  return r == size ? 0 : -1;
}

static const struct codec_dictionaries dictionaries = {
  .encoder_new = zstd_encoder_new,
  .encoder_free = zstd_encoder_free,
  .compressor_new = zstd_dictionary_compressor_new,
  .compress = zstd_compress_with_dictionary,
  .decoder_new = zstd_decoder_new,
  .decoder_free = zstd_decoder_free,
  .decompress = zstd_decompress_with_dictionary,
};

const struct codec codec_zstd = {
  .name = "zstd",
  .id = CODEC_ZSTD,
  .default_level = 1,
  .levels = "-131072 (fastest) to 22 (best), not 0",
  .level_is_valid = zstd_level_is_valid,
  .bound = zstd_bound,
  .compressor_new = zstd_compressor_new,
  .compressor_free = zstd_compressor_free,
  .compress = zstd_compress,
  .decompressor_new = zstd_decompressor_new,
  .decompressor_free = zstd_decompressor_free,
  .decompress = zstd_decompress,
  .dictionaries = &dictionaries,
};
