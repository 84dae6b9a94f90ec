/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All codecs that can be built in; only the registry includes this. */

#ifndef NBDZRAM_CODEC_CODECS_H
#define NBDZRAM_CODEC_CODECS_H

#include "codec.h"

extern const struct codec codec_lz4;
extern const struct codec codec_lz4hc;
extern const struct codec codec_lzo;
extern const struct codec codec_zstd;
extern const struct codec codec_deflate;

/* Shared by lz4 and lz4hc, which write the same format. */
int lz4_decompress (void *ctx, const void *src, size_t length,
                    void *dst, size_t size);
size_t lz4_bound (size_t size);

#endif /* NBDZRAM_CODEC_CODECS_H */
