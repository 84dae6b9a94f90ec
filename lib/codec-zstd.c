/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zstandard.  Contexts allocate on first use, so a new one compresses
 * or decompresses once before a request sees it.
 */

#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "codecs.h"

static bool
level_valid (int level)
{
  return level != 0 && level >= ZSTD_minCLevel () && level <= ZSTD_maxCLevel ();
}

static size_t
bound (size_t size)
{
  return ZSTD_compressBound (size);
}

static size_t
compress (void *ctx, int level, const void *src, size_t size, void *dst)
{
  size_t r = ZSTD_compressCCtx (ctx, dst, bound (size), src, size, level);

  return ZSTD_isError (r) ? 0 : r;
}

/* Is it one frame of today's format, as compress writes?  The library
 * would take older ones too, with code that allocates.
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
decompress (void *ctx, const void *src, size_t length, void *dst, size_t size)
{
  return is_one_frame (src, length)
    && ZSTD_decompressDCtx (ctx, dst, size, src, length) == size ? 0 : -1;
}

static void
compressor_free (void *ctx)
{
  ZSTD_freeCCtx (ctx);
}

static void *
compressor_new (int level, size_t page_size, size_t *bytes)
{
  ZSTD_CCtx *ctx = ZSTD_createCCtx ();
  void *page = calloc (1, page_size);
  void *out = malloc (bound (page_size));

  if (ctx && page && out && compress (ctx, level, page, page_size, out) != 0)
    *bytes = ZSTD_sizeof_CCtx (ctx);
  else {
    ZSTD_freeCCtx (ctx);
    ctx = NULL;
    errno = ENOMEM;
  }
  free (page);
  free (out);
  return ctx;
}

static void
decompressor_free (void *ctx)
{
  ZSTD_freeDCtx (ctx);
}

static void *
decompressor_new (size_t *bytes)
{
  ZSTD_DCtx *ctx = ZSTD_createDCtx ();

  if (!ctx)
    errno = ENOMEM;
  else
    *bytes = ZSTD_sizeof_DCtx (ctx);
  return ctx;
}

const struct codec codec_zstd = {
  .name = "zstd",
  .id = CODEC_ZSTD,
  .default_level = 1,
  .levels = "-131072 (fastest) to 22 (best), not 0",
  .level_valid = level_valid,
  .bound = bound,
  .compressor_new = compressor_new,
  .compressor_free = compressor_free,
  .compress = compress,
  .decompressor_new = decompressor_new,
  .decompressor_free = decompressor_free,
  .decompress = decompress,
};
