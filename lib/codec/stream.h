/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams: the scratch memory with which one thread at a time
 * compresses and decompresses.
 *
 *   stream          made, taken, used, put back
 *   stream-methods  the methods they compress by, and how these change
 *
 * They are made once and handed from request to request, the one used
 * last first, since its memory is in the cache.  There are never more
 * than a few per processor: a stream is held for work, not for waiting,
 * so more would only cost memory.  Where memory is short there may be
 * only one: nobody holds it for longer than it takes to work on a page.
 */

#ifndef NBDZRAM_CODEC_STREAM_H
#define NBDZRAM_CODEC_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "lib/base/latency.h"
#include "codec.h"
#include "dictionary.h"
#include "method.h"

/* What streams compress by is a table of methods.  The pool's may change
 * while streams are in use, from one of its two places to the other and back.
 * Each of the others is for the devices that say the same, and stays as it is
 * as long as there are any.  Each stream has a context for each method, which
 * is what bounds their number.
 */
#define METHOD_OF_POOL 0        /* in whichever of its places it is */
#define METHODS_OF_POOL 2
#define METHODS_OF_DEVICES 8
#define METHODS (METHODS_OF_POOL + METHODS_OF_DEVICES)

/* Scratch memory of a codec. */
struct context {
  void *p;                      /* NULL: there is none */
  size_t bytes;                 /* taken from the budget */
};

struct stream {
  struct stream *next;          /* of those that nobody uses */
  struct stream *next_made;
  unsigned pool_method;         /* place of the pool's that it uses */
  struct context compressors[METHODS];
  struct context decompressors[CODEC_IDS];
  uint8_t *out;                 /* room for the result of compress */
  uint8_t *page;                /* room for a page */
  uint8_t *group;               /* room for the pages of a group, or NULL */
  unsigned look_first;          /* pages to look for before they are
                                 * compressed (encode.c) */
  int pinned;                   /* generation, or NO_GENERATION */
  size_t bytes;                 /* taken from the budget, contexts too */
  struct latency latency[REQUEST_KINDS]; /* of requests it served */
};

struct streams {
  struct budget *budget;
  struct dictionaries *dictionaries; /* NULL: none */
  size_t page_size;
  _Atomic unsigned codecs;      /* bit by id: what streams can decompress */
  size_t group_bytes;           /* room for that; 0: no groups */

  /* One change of methods at a time, and while no stream is made: so who
   * makes one reads this as it is.
   */
  pthread_mutex_t changing;     /* taken before the other */
  struct method methods[METHODS];
  unsigned users[METHODS];      /* devices; 1 for the pool's; 0: unused */

  pthread_mutex_t lock;         /* of what follows */
  pthread_cond_t returned;
  pthread_cond_t changed;       /* one more has the pool's method, or has
                                 * been made */
  unsigned pool_method;         /* place of the one for new pages */
  struct stream *idle, *made;
  struct stream *handed;        /* to those who waited */
  uint64_t turns, served;       /* of waiting: begun, and ended by that */
  unsigned count, max;
  _Atomic unsigned in_use;      /* may be read at any time */
  unsigned making;              /* of them, not yet made */
  bool barred;                  /* none is to be made now */
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

/* What STREAM, which the caller has, compresses by when it is to compress by
 * METHOD, which is METHOD_OF_POOL, or of streams_add_method.
 */
static inline unsigned
stream_place (const struct stream *stream, unsigned method)
{
  return method == METHOD_OF_POOL ? stream->pool_method : method;
}

static inline const struct method *
stream_method (const struct streams *s, const struct stream *stream,
               unsigned method)
{
  return &s->methods[stream_place (stream, method)];
}

/* Compress one page by METHOD.  The result, at stream->out, is valid until
 * the next call.  Returns its length, or 0 when the codec failed.
 */
size_t stream_compress (struct streams *s, struct stream *stream,
                        unsigned method, const void *page);

/* Decompress LENGTH bytes at SRC by codec number ID to SIZE bytes at
 * DST.  0, or -1 when they are not so many.
 */
int stream_decompress (struct streams *s, struct stream *stream, unsigned id,
                       const void *src, size_t length, void *dst,
                       size_t size);

/* ---- methods (stream-methods.c) ---- */

/* All three wait for streams that are being made, or in use, but hold none of
 * them up; any thread may call at any time, without a stream.
 */

/* The pool's method is ALGORITHM from now on, with the dictionary of
 * GENERATION or NO_GENERATION, as in method_open.  Streams may be in use: each
 * changes when it is put back, and this waits for the last one.  0, or -1
 * with errno ENOMEM, ENOSPC; then all is as it was, and the generation is let
 * go.
 */
int streams_change (struct streams *s, const struct algorithm *algorithm,
                    struct dictionaries *dictionaries, int generation);

/* A method for a device: ALGORITHM, without a dictionary, ready in all streams
 * there are and will be.  Who asks for the same gets the same.  Returns its
 * number, or -1 with errno ENOMEM, ENOSPC, or EMLINK: there are
 * METHODS_OF_DEVICES others; then all is as it was.
 */
int streams_add_method (struct streams *s, const struct algorithm *algorithm);

/* One who asked for METHOD will not use it again; METHOD_OF_POOL does
 * nothing.  What decompresses its output stays, since others may have come to
 * share that.
 */
void streams_drop_method (struct streams *s, unsigned method);

/* The codec and level of the pool's method now, at any time. */
void streams_get_method (struct streams *s, const struct codec **codec,
                         int *level);

#endif /* NBDZRAM_CODEC_STREAM_H */
