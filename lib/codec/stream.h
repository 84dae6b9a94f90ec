/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams: the buffers and contexts with which one thread at a time
 * compresses and decompresses.
 *
 *   stream.c          creates streams, hands them out, and uses them
 *   stream-methods.c  the methods that streams compress by, and their changes
 *
 * Requests reuse streams, and get the one that was used last, since its
 * memory is in the cache.  There are at most a few streams per processor:
 * a thread has a stream while it works, not while it waits, so more streams
 * would only cost memory.  If memory is short there may be only one.  That
 * is enough, since a thread keeps it no longer than the work on a page
 * takes.
 */

#ifndef NBDZRAM_CODEC_STREAM_H
#define NBDZRAM_CODEC_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "lib/base/latency.h"
#include "codec.h"
#include "dictionary.h"
#include "method.h"

/* Streams compress by a table of methods.  The pool's method may change while
 * streams are in use; it has two places in the table, of which one is
 * current.  Each other method is shared by the devices that want the same
 * algorithm, and does not change as long as one of them uses it.  The number
 * of methods is small because each stream has a context for each of them.
 */
#define METHOD_OF_POOL 0        /* the current one of its places */
#define METHODS_OF_POOL 2
#define METHODS_OF_DEVICES 8
#define METHODS (METHODS_OF_POOL + METHODS_OF_DEVICES)

struct stream {
  struct stream *next;          /* in the list of idle or handed streams */
  struct stream *next_made;
  unsigned pool_method;         /* place of the pool's method that it uses */
  struct context compressors[METHODS];
  struct context decompressors[CODEC_IDS];
  uint8_t *out;                 /* output of stream_compress */
  uint8_t *page;                /* room for a page */
  uint8_t *group;               /* room for the pages of a group, or NULL */
  unsigned look_first;          /* so many next pages are looked up in the
                                 * dedup index before they are compressed
                                 * (encode.c) */
  int pinned;                   /* held generation, or NO_GENERATION */
  bool must_not_wait;           /* the request fails with EAGAIN instead of
                                 * waiting for the backing file (page.h) */
  size_t bytes;                 /* taken from the budget for the buffers */
  struct latency latency[REQUEST_KINDS]; /* of the requests it served */
};

struct streams {
  struct budget *budget;
  struct dictionaries *dictionaries; /* NULL: the pool has none */
  size_t page_size;
  _Atomic unsigned codecs;      /* a bit by codec number: streams can
                                 * decompress its output */
  size_t group_bytes;           /* size of stream->group; 0: no groups */

  /* Serializes changes of the next two.  They change only while no stream is
   * being created, so creating one reads them without a lock.
   */
  pthread_mutex_t changing;     /* taken before the other */
  struct method methods[METHODS];
  unsigned users[METHODS];      /* devices; 1 for the pool's; 0: unused */

  pthread_mutex_t lock;         /* protects the following fields */
  pthread_cond_t returned;      /* a stream was handed to a waiting thread */
  pthread_cond_t changed;       /* a stream has the pool's new method, or was
                                 * created */
  unsigned pool_method;         /* current place of the pool's method */
  struct stream *idle, *made;   /* unused streams; all streams */
  struct stream *handed;        /* streams for threads that wait */
  uint64_t turns, served;       /* threads that began to wait, and how many
                                 * of them were handed a stream */
  unsigned count, max;          /* streams, with those being created */
  _Atomic unsigned in_use;      /* may be read at any time */
  unsigned making;              /* streams that are being created */
  bool closed;                  /* no stream may be created now */
};

/* Create the first stream, so that stream_get can't fail.  Returns 0, or -1
 * with errno ENOMEM, or ENOSPC if the budget is too small.
 */
int streams_open (struct streams *s, const struct algorithm *algorithm,
                  size_t page_size, struct budget *budget);

/* Make streams able to decompress the output of codec number ID too, since
 * pages in the pool need it.  No stream may be in use.  Returns 0, or -1 with
 * errno ENOTSUP (not built in), ENOMEM or ENOSPC.
 */
int streams_add_codec (struct streams *s, unsigned id);

/* The same for room for groups of BYTES bytes. */
int streams_add_groups (struct streams *s, size_t bytes);

/* Create streams until there are COUNT, or the highest possible number, and
 * make their memory resident, so that no request has to.  Call it before
 * there are requests.  Returns 0, or -1 with errno ENOMEM or ENOSPC.
 */
int streams_make (struct streams *s, unsigned count);

/* The caller puts back all streams before. */
void streams_close (struct streams *s);

/* Return a stream for the calling thread, never NULL: if there is no memory
 * for another stream, wait until one is put back.
 */
struct stream *stream_get (struct streams *s);
void stream_put (struct streams *s, struct stream *stream);

/* Hold the dictionary of codec number ID until the stream is put back or
 * pins another.  For an ID read from a slot that another thread may have
 * changed since: returns false if the dictionary was dropped.  Returns true
 * for codecs without a dictionary.
 */
bool stream_pin (struct streams *s, struct stream *stream, unsigned id);

/* Return how many streams are in use, which shows how busy the pool is. */
static inline unsigned
streams_in_use (const struct streams *s)
{
  return atomic_load_explicit (&s->in_use, memory_order_relaxed);
}

/* Put the sum of all streams' latencies in *SUM. */
void streams_latency (struct streams *s, enum request_kind kind,
                      struct latency *sum);

/* Return the place of METHOD, which is METHOD_OF_POOL or was returned by
 * streams_add_method, for STREAM, which the caller has.
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
 * the next call.  Returns its length, or 0 if the codec failed.
 */
size_t stream_compress (struct streams *s, struct stream *stream,
                        unsigned method, const void *page);

/* Decompress LENGTH bytes at SRC by codec number ID to exactly SIZE bytes at
 * DST.  Returns 0, or -1 if that is not possible; ID may be any number.
 */
int stream_decompress (struct streams *s, struct stream *stream, unsigned id,
                       const void *src, size_t length, void *dst,
                       size_t size);

/* ---- methods (stream-methods.c) ---- */

/* Any thread that has no stream may call these functions at any time.  The
 * first three wait until no stream is being created; requests go on
 * meanwhile.
 */

/* Make ALGORITHM, with the dictionary of GENERATION or NO_GENERATION, the
 * pool's method.  As method_open, it takes over the caller's hold of the
 * generation.  A stream in use changes when it is put back; the call waits
 * for the last one.  Returns 0, or -1 with errno ENOMEM or ENOSPC; then
 * nothing has changed, and the generation is released.
 */
int streams_set_pool_method (struct streams *s,
                             const struct algorithm *algorithm,
                             struct dictionaries *dictionaries,
                             int generation);

/* Add a method for a device: ALGORITHM, without a dictionary.  All streams,
 * and those created later, get a context for it.  Devices with the same
 * codec and level share one method.  Returns its number, or -1 with errno
 * ENOMEM, ENOSPC, or EMLINK (there are METHODS_OF_DEVICES others); then
 * nothing has changed.
 */
int streams_add_method (struct streams *s, const struct algorithm *algorithm);

/* Undo one streams_add_method that returned METHOD.  Does nothing for
 * METHOD_OF_POOL.  The contexts for decompressing its output stay, since
 * other devices may share its pages by now (dedup).
 */
void streams_drop_method (struct streams *s, unsigned method);

/* Put the codec and level of the pool's current method in *CODEC and *LEVEL.
 * May be called at any time.
 */
void streams_get_pool_method (struct streams *s, const struct codec **codec,
                              int *level);

#endif /* NBDZRAM_CODEC_STREAM_H */
