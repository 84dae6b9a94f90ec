/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of streams (stream.h). */

#ifndef NBDZRAM_CODEC_STREAM_INTERNAL_H
#define NBDZRAM_CODEC_STREAM_INTERNAL_H

#include "stream.h"

/* Give STREAM a context for the method at PLACE, or one to decompress what
 * CODEC wrote, if that needs any; it has none, and nobody asks it for that
 * yet.  0, or -1 with errno ENOMEM, ENOSPC.
 */
int stream_make_compressor (struct streams *s, struct stream *stream,
                            unsigned place);
int stream_make_decompressor (struct streams *s, struct stream *stream,
                              const struct codec *codec);

/* Take it back, if it is there. */
void stream_free_compressor (struct streams *s, struct stream *stream,
                             unsigned place);
void stream_free_decompressor (struct streams *s, struct stream *stream,
                               const struct codec *codec);

/* Bytes of stream->out. */
size_t stream_out_bytes (const struct streams *s);

/* Use the context for the method at PLACE, and with BOTH that for its codec's
 * output, as a request would, so that their memory is there.  PAGE has room
 * for a page, OUT as much as stream->out.
 */
void stream_warm (const struct streams *s, const struct stream *stream,
                  unsigned place, bool both, uint8_t *page, uint8_t *out);

/* STREAM, which is nobody's or the caller's, takes the pool's method of today.
 * The lock is held.
 */
static inline void
stream_take_over (struct streams *s, struct stream *stream)
{
  if (stream->pool_method == s->pool_method)
    return;
  stream->pool_method = s->pool_method;
  pthread_cond_signal (&s->changed);
}

#endif /* NBDZRAM_CODEC_STREAM_INTERNAL_H */
