/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lz4's high-compression compressor; lz4 decompresses it. */

#include <config.h>

#include <stdlib.h>

#include <lz4hc.h>

#include "codecs.h"

static bool
lz4hc_level_is_valid (int level)
{
  return level >= 1 && level <= LZ4HC_CLEVEL_MAX;
}

static void *
lz4hc_compressor_new (int level, size_t page_size, size_t *bytes)
{
  (void) level;
  (void) page_size;
  *bytes = (size_t) LZ4_sizeofStateHC ();
  return malloc (*bytes);
}

static size_t
lz4hc_compress (void *ctx, int level, const void *src, size_t size, void *dst)
{
  return (size_t) LZ4_compress_HC_extStateHC (ctx, src, dst, (int) size,
                                              (int) lz4_bound (size), level);
}

const struct codec codec_lz4hc = {
  .name = "lz4hc",
  .id = CODEC_LZ4HC,
  .default_level = LZ4HC_CLEVEL_DEFAULT,
  .levels = "1 (fastest) to 12 (best)",
  .level_is_valid = lz4hc_level_is_valid,
  .bound = lz4_bound,
  .compressor_new = lz4hc_compressor_new,
  .compressor_free = free,
  .compress = lz4hc_compress,
  .decompress = lz4_decompress,
};
