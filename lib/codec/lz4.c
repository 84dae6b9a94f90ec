/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lz4's fast compressor.  As in the kernel, the level is the
 * acceleration: higher is faster and compresses less.
 */

#include <config.h>

#include <stdlib.h>

#include <lz4.h>

#include "codecs.h"

/* LZ4_ACCELERATION_MAX, which lz4.h does not export. */
#define ACCELERATION_MAX 65537

static bool
lz4_level_is_valid (int level)
{
  return level >= 1 && level <= ACCELERATION_MAX;
}

size_t
lz4_bound (size_t size)
{
  return (size_t) LZ4_compressBound ((int) size);
}

static void *
lz4_compressor_new (int level, size_t page_size, size_t *bytes)
{
  (void) level;
  (void) page_size;
  *bytes = (size_t) LZ4_sizeofState ();
  return malloc (*bytes);
}

static size_t
lz4_compress (void *ctx, int level, const void *src, size_t size, void *dst)
{
  return (size_t) LZ4_compress_fast_extState (ctx, src, dst, (int) size,
                                              (int) lz4_bound (size), level);
}

int
lz4_decompress (void *ctx, const void *src, size_t length,
                void *dst, size_t size)
{
  (void) ctx;
  return LZ4_decompress_safe (src, dst, (int) length, (int) size)
    == (int) size ? 0 : -1;
}

const struct codec codec_lz4 = {
  .name = "lz4",
  .id = CODEC_LZ4,
  .default_level = 1,
  .levels = "1 (best) to 65537 (fastest)",
  .level_is_valid = lz4_level_is_valid,
  .bound = lz4_bound,
  .compressor_new = lz4_compressor_new,
  .compressor_free = free,
  .compress = lz4_compress,
  .decompress = lz4_decompress,
};
