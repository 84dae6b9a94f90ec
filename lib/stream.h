/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams: the scratch memory with which one thread at a time
 * compresses and decompresses.
 *
 * They are made once and handed from request to request, the one used
 * last first, since its memory is in the cache.  There are never more
 * than a few per processor: a stream is held for work, not for waiting,
 * so more would only cost memory.  Where memory is short there may be
 * only one: nobody holds it for longer than it takes to work on a page.
 */

#ifndef NBDZRAM_STREAM_H
#define NBDZRAM_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "budget.h"
#include "codec.h"
#include "dictionary.h"
#include "method.h"
#include "latency.h"

struct stream {
  struct stream *next;          /* of those that nobody uses */
  struct stream *next_made;
  const struct method *method;  /* that it compresses by */
  void *compressor;             /* its context for that */
  void *other_compressor;       /* for the method that is coming or going */
  void *decompressors[CODEC_IDS];
  uint8_t *out;                 /* room for the result of compress */
  uint8_t *page;                /* room for a page */
  uint8_t *group;               /* room for the pages of a group, or NULL */
  unsigned look_first;          /* pages to look for before they are
                                 * compressed (encode.c) */
  int pinned;                   /* generation, or NO_GENERATION */
  size_t bytes;                 /* taken from the budget */
  size_t compressor_bytes[2];   /* of these, by number of the method */
  struct latency latency[REQUEST_KINDS]; /* of requests it served */
};

struct streams {
  struct budget *budget;
  struct dictionaries *dictionaries; /* NULL: none */
  size_t page_size;
  _Atomic unsigned codecs;      /* bit by id: what streams can decompress */
  size_t group_bytes;           /* room for that; 0: no groups */

  pthread_mutex_t lock;         /* of what follows */
  pthread_cond_t returned;
  pthread_cond_t changed;       /* one more compresses by the method */
  struct method methods[2];
  const struct method *method;  /* the one for new pages */
  struct stream *idle, *made;
  struct stream *handed;        /* to those who waited */
  uint64_t turns, served;       /* of waiting: begun, and ended by that */
  unsigned count, max;
  _Atomic unsigned in_use;      /* may be read at any time */
  unsigned making;              /* of them, not yet made */
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

/* Compress by ALGORITHM from now on, with the dictionary of GENERATION
 * or NO_GENERATION, as in method_open.  Streams may be in use: each
 * changes when it is put back, and this waits for the last one.  For one
 * thread at a time.  0, or -1 with errno ENOMEM, ENOSPC; then all is as
 * it was, and the generation is let go.
 */
int streams_change (struct streams *s, const struct algorithm *algorithm,
                    struct dictionaries *dictionaries, int generation);

/* The codec and level of what is compressed now, at any time. */
void streams_get_method (struct streams *s, const struct codec **codec,
                         int *level);

/* Make COUNT of them now, or as many as there may be at most, so that no
 * request has to.  Before there are requests.  0, or -1 with errno ENOMEM or
 * ENOSPC.
 */
int streams_make (struct streams *s, unsigned count);

/* All streams must have been put back. */
void streams_close (struct streams *s);

/* A stream for the calling thread, never NULL: where no memory is left
 * for another, it waits for one to be put back.
 */
struct stream *stream_get (struct streams *s);
void stream_put (struct streams *s, struct stream *stream);

/* Keep the dictionary of codec number ID, which a slot of somebody else
 * named a moment ago, until the stream is put back or pins another.
 * False when it is gone; true for other codecs.
 */
bool stream_pin (struct streams *s, struct stream *stream, unsigned id);

/* How many streams somebody has: a guess at how much is going on. */
static inline unsigned
streams_in_use (const struct streams *s)
{
  return atomic_load_explicit (&s->in_use, memory_order_relaxed);
}

/* The sum of all streams' latencies, in *SUM. */
void streams_latency (struct streams *s, enum request_kind kind,
                      struct latency *sum);

/* Compress one page by the stream's method.  The result, at stream->out,
 * is valid until the next call.  Returns its length, or 0 when the codec
 * failed.
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
