/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LZO1X.  Level 1 is LZO1X-1; level 999 is the slower compressor of the same
 * format, which compresses better.
 */

#include <config.h>

#include <stdlib.h>

#include <lzo/lzo1x.h>

#include "codecs.h"

#define LEVEL_BEST 999

static bool
lzo_level_is_valid (int level)
{
  return level == 1 || level == LEVEL_BEST;
}

/* From the library's LZO.FAQ. */
static size_t
lzo_bound (size_t size)
{
  return size + size / 16 + 64 + 3;
}

static void *
lzo_compressor_new (int level, size_t page_size, size_t *bytes)
{
  (void) page_size;
  *bytes = level == LEVEL_BEST ? LZO1X_999_MEM_COMPRESS : LZO1X_1_MEM_COMPRESS;
  return malloc (*bytes);
}

static size_t
lzo_compress (void *ctx, int level, const void *src, size_t size, void *dst)
{
  lzo_uint length;
  int r = level == LEVEL_BEST
    ? lzo1x_999_compress (src, size, dst, &length, ctx)
    : lzo1x_1_compress (src, size, dst, &length, ctx);

  return r == LZO_E_OK ? length : 0;
}

static int
lzo_decompress (void *ctx, const void *src, size_t length, void *dst,
                size_t size)
{
  lzo_uint out = size;

  (void) ctx;
  return lzo1x_decompress_safe (src, length, dst, &out, NULL) == LZO_E_OK
    && out == size ? 0 : -1;
}

const struct codec codec_lzo = {
  .name = "lzo",
  .id = CODEC_LZO,
  .default_level = 1,
  .levels = "1 (fast) or 999 (best)",
  .level_is_valid = lzo_level_is_valid,
  .bound = lzo_bound,
  .compressor_new = lzo_compressor_new,
  .compressor_free = free,
  .compress = lzo_compress,
  .decompress = lzo_decompress,
};
