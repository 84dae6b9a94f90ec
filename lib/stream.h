/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams: the scratch memory with which one thread at a time
 * compresses and decompresses.
 *
 * They are made once and handed from request to request, the one used
 * last first, since its memory is in the cache.  There are never more
 * than a few per processor: a stream is held for work, not for waiting,
 * so more would only cost memory.
 */

#ifndef NBDZRAM_STREAM_H
#define NBDZRAM_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "budget.h"
#include "codec.h"

struct stream {
  struct stream *next;          /* of those that nobody uses */
  struct stream *next_made;
  void *compressor;
  void *decompressors[CODEC_IDS];
  uint8_t *out;                 /* room for the result of compress */
  uint8_t *page;                /* room for a page */
  uint8_t *group;               /* room for the pages of a group, or NULL */
  size_t bytes;                 /* taken from the budget */
};

struct streams {
  struct budget *budget;
  struct algorithm algorithm;
  size_t page_size;
  unsigned codecs;              /* bit by id: what streams can decompress */
  size_t group_bytes;           /* room for that; 0: no groups */

  pthread_mutex_t lock;         /* of what follows */
  pthread_cond_t returned;
  struct stream *idle, *made;
  unsigned count, max;
  _Atomic unsigned in_use;      /* may be read at any time */
};

/* Make the first stream, so that stream_get can't fail.  0, or -1 with
 * errno ENOMEM, or ENOSPC when the budget is too small.
 */
int streams_open (struct streams *s, const struct algorithm *algorithm,
                  size_t page_size, struct budget *budget);

/* Let streams decompress what codec number ID wrote, too: its pages were
 * found in the pool.  Before any stream is taken.  0, or -1 with errno
 * ENOTSUP (not built in), ENOMEM or ENOSPC.
 */
int streams_add_codec (struct streams *s, unsigned id);

/* Likewise, room for groups of so many bytes. */
int streams_add_groups (struct streams *s, size_t bytes);

/* All streams must have been put back. */
void streams_close (struct streams *s);

/* A stream for the calling thread, never NULL: where no memory is left
 * for another, it waits for one to be put back.
 */
struct stream *stream_get (struct streams *s);
void stream_put (struct streams *s, struct stream *stream);

/* How many streams somebody has: a guess at how much is going on. */
static inline unsigned
streams_in_use (const struct streams *s)
{
  return atomic_load_explicit (&s->in_use, memory_order_relaxed);
}

/* Compress one page.  The result, at stream->out, is valid until the
 * next call.  Returns its length, or 0 when the codec failed.
 */
size_t stream_compress (struct streams *s, struct stream *stream,
                        const void *page);

/* Decompress LENGTH bytes at SRC by codec number ID to SIZE bytes at
 * DST.  0, or -1 when they are not so many.
 */
int stream_decompress (struct streams *s, struct stream *stream, unsigned id,
                       const void *src, size_t length, void *dst,
                       size_t size);

#endif /* NBDZRAM_STREAM_H */
