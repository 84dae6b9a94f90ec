/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw deflate by libdeflate. */

#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include <libdeflate.h>

#include "codecs.h"

/* The memory that libdeflate 1.14 allocates, for which it has no function:
 * measured with malloc for each group of levels, and rounded up.
 */
#define COMPRESSOR_BYTES_FAST (700 * 1024)
#define COMPRESSOR_BYTES_BEST (9 * 1024 * 1024)
#define DECOMPRESSOR_BYTES (12 * 1024)

static bool
deflate_level_is_valid (int level)
{
  return level >= 1 && level <= 12;
}

static size_t
deflate_bound (size_t size)
{
  return libdeflate_deflate_compress_bound (NULL, size);
}

static void *
deflate_compressor_new (int level, size_t page_size, size_t *bytes)
{
  struct libdeflate_compressor *ctx = libdeflate_alloc_compressor (level);

  (void) page_size;
  if (!ctx)
    errno = ENOMEM;
  *bytes = level >= 10 ? COMPRESSOR_BYTES_BEST : COMPRESSOR_BYTES_FAST;
  return ctx;
}

static void
deflate_compressor_free (void *ctx)
{
  libdeflate_free_compressor (ctx);
}

static size_t
deflate_compress (void *ctx, int level, const void *src, size_t size,
                  void *dst)
{
  (void) level;
  return libdeflate_deflate_compress (ctx, src, size, dst,
                                      deflate_bound (size));
}

static void *
deflate_decompressor_new (size_t *bytes)
{
  struct libdeflate_decompressor *ctx = libdeflate_alloc_decompressor ();

  if (!ctx)
    errno = ENOMEM;
  *bytes = DECOMPRESSOR_BYTES;
  return ctx;
}

static void
deflate_decompressor_free (void *ctx)
{
  libdeflate_free_decompressor (ctx);
}

static int
deflate_decompress (void *ctx, const void *src, size_t length, void *dst,
                    size_t size)
{
  size_t out;

  return libdeflate_deflate_decompress (ctx, src, length, dst, size, &out)
    == LIBDEFLATE_SUCCESS && out == size ? 0 : -1;
}

const struct codec codec_deflate = {
  .name = "deflate",
  .id = CODEC_DEFLATE,
  .default_level = 6,
  .levels = "1 (fastest) to 12 (best)",
  .level_is_valid = deflate_level_is_valid,
  .bound = deflate_bound,
  .compressor_new = deflate_compressor_new,
  .compressor_free = deflate_compressor_free,
  .compress = deflate_compress,
  .decompressor_new = deflate_decompressor_new,
  .decompressor_free = deflate_decompressor_free,
  .decompress = deflate_decompress,
};
