/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by stream.c and stream-methods.c. */

#ifndef NBDZRAM_CODEC_STREAM_INTERNAL_H
#define NBDZRAM_CODEC_STREAM_INTERNAL_H

#include "stream.h"

/* Create STREAM's context for the method at PLACE, or for decompressing the
 * output of CODEC, which may need none.  STREAM does not have the context
 * yet, and no request uses it yet.  Returns 0, or -1 with errno ENOMEM or
 * ENOSPC.
 */
int stream_make_compressor (struct streams *s, struct stream *stream,
                            unsigned place);
int stream_make_decompressor (struct streams *s, struct stream *stream,
                              const struct codec *codec);

/* Free the context if it exists. */
void stream_free_decompressor (struct streams *s, struct stream *stream,
                               const struct codec *codec);

/* Return the size of stream->out in bytes. */
size_t stream_out_bytes (const struct streams *s);

/* Use the context for the method at PLACE as a request would, so that its
 * memory becomes resident.  With BOTH, also use the context for decompressing
 * the method's output.  PAGE has room for a page, OUT as much as stream->out.
 */
void stream_warm (const struct streams *s, const struct stream *stream,
                  unsigned place, bool both, uint8_t *page, uint8_t *out);

/* Make STREAM use the current method of the pool.  STREAM is idle, or the
 * caller has it.  The caller holds s->lock.
 */
static inline void
stream_update_pool_method (struct streams *s, struct stream *stream)
{
  if (stream->pool_method == s->pool_method)
    return;
  stream->pool_method = s->pool_method;
  pthread_cond_signal (&s->changed);
}

#endif /* NBDZRAM_CODEC_STREAM_INTERNAL_H */
