/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "stream-internal.h"

#define STREAMS_MIN 16
#define STREAMS_PER_CPU 2

/* Free a stream; some of its parts may not exist yet. */
static void
stream_free (struct streams *s, struct stream *stream)
{
  for (unsigned place = 0; place < METHODS; ++place)
    method_free_context (&s->methods[place], &stream->compressors[place]);
  for (const struct codec *const *c = codecs; *c; ++c)
    stream_free_decompressor (s, stream, *c);
  free (stream->out);
  free (stream->page);
  free (stream->group);
  budget_give (s->budget, stream->bytes);
  free (stream);
}

static int
take_budget (struct streams *s, struct stream *stream, size_t bytes)
{
  if (budget_take (s->budget, bytes) == -1)
    return -1;
  stream->bytes += bytes;
  return 0;
}

/* ---- contexts ---- */

int
stream_make_compressor (struct streams *s, struct stream *stream,
                        unsigned place)
{
  return method_new_context (&s->methods[place], s->page_size,
                             &stream->compressors[place]);
}

int
stream_make_decompressor (struct streams *s, struct stream *stream,
                          const struct codec *codec)
{
  struct context c;

  if (!codec->decompressor_new)
    return 0;
  c.p = codec->decompressor_new (&c.bytes);
  if (!c.p)
    return -1;
  if (budget_take (s->budget, c.bytes) == -1) {
    codec->decompressor_free (c.p);
    return -1;
  }
  stream->decompressors[codec->id] = c;
  return 0;
}

void
stream_free_decompressor (struct streams *s, struct stream *stream,
                          const struct codec *codec)
{
  struct context *c = &stream->decompressors[codec->id];

  if (!c->p)
    return;
  codec->decompressor_free (c->p);
  budget_give (s->budget, c->bytes);
  *c = (struct context) { .p = NULL };
}

void
stream_warm (const struct streams *s, const struct stream *stream,
             unsigned place, bool both, uint8_t *page, uint8_t *out)
{
  const struct method *method = &s->methods[place];
  const struct context *d = &stream->decompressors[method->codec->id];
  uint32_t word = 1;
  size_t length;

  /* Neither constant nor random, so that codecs search for matches. */
  for (size_t i = 0; i < s->page_size; ++i) {
    word = word * 1664525 + 1013904223;
    page[i] = (uint8_t) ("abcdefghijklmnop"[word >> 28]);
  }
  length = method_compress (method, stream->compressors[place].p, page,
                            s->page_size, out);
  if (length > 0 && both)
    method->codec->decompress (d->p, out, length, page, s->page_size);
}

/* Create contexts for all codecs that slots may name: a later read must not
 * fail for lack of memory.
 */
static int
make_decompressors (struct streams *s, struct stream *stream)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    if ((s->codecs >> (*c)->id & 1) != 0
        && stream_make_decompressor (s, stream, *c) == -1)
      return -1;
  return 0;
}

/* Create contexts for all methods of the pool and its devices. */
static int
make_compressors (struct streams *s, struct stream *stream)
{
  for (unsigned place = 0; place < METHODS; ++place)
    if (s->users[place] > 0 && stream_make_compressor (s, stream, place) == -1)
      return -1;
  return 0;
}

/* The largest bound of all codecs, since methods change. */
size_t
stream_out_bytes (const struct streams *s)
{
  size_t bound = 0;

  for (const struct codec *const *c = codecs; *c; ++c)
    bound = MAX (bound, (*c)->bound (s->page_size));
  return bound;
}

/* ---- streams ---- */

static int
make_buffers (struct streams *s, struct stream *stream)
{
  size_t bound = stream_out_bytes (s);

  if (take_budget (s, stream, sizeof *stream + bound + s->page_size) == -1)
    return -1;
  stream->out = malloc (bound);
  stream->page = aligned_alloc (OS_PAGE_SIZE, s->page_size);
  return stream->out && stream->page ? 0 : -1;
}

static int
make_group (struct streams *s, struct stream *stream)
{
  if (s->group_bytes == 0)
    return 0;
  if (take_budget (s, stream, s->group_bytes) == -1)
    return -1;
  stream->group = malloc (s->group_bytes);
  return stream->group ? 0 : -1;
}

static struct stream *
stream_new (struct streams *s)
{
  struct stream *stream = calloc (1, sizeof *stream);

  if (!stream)
    return NULL;
  stream->pool_method = s->pool_method;
  stream->pinned = NO_GENERATION;
  if (make_buffers (s, stream) == -1
      || make_compressors (s, stream) == -1
      || make_decompressors (s, stream) == -1
      || make_group (s, stream) == -1) {
    int err = errno;

    stream_free (s, stream);
    errno = err;
    return NULL;
  }
  return stream;
}

int
streams_open (struct streams *s, const struct algorithm *algorithm,
              size_t page_size, struct budget *budget)
{
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);

  *s = (struct streams) {
    .budget = budget,
    .page_size = page_size,
    .codecs = 1U << algorithm->codec->id,
    .max = (unsigned) MAX (STREAMS_MIN, STREAMS_PER_CPU * cpus),
    .count = 1,
    .users[0] = 1,
  };
  method_open (&s->methods[0], algorithm, NULL, NO_GENERATION, budget);
  s->made = s->idle = stream_new (s);
  if (!s->made) {
    s->count = 0;
    return -1;
  }
  mutex_init (&s->changing);
  mutex_init (&s->lock);
  pthread_cond_init (&s->returned, NULL);
  pthread_cond_init (&s->changed, NULL);
  return 0;
}

int
streams_add_codec (struct streams *s, unsigned id)
{
  const struct codec *codec = codec_by_id (id);

  if (!codec)
    return fail_with (ENOTSUP);
  if ((s->codecs >> id & 1) != 0)
    return 0;
  s->codecs |= 1U << id;
  for (struct stream *stream = s->made; stream; stream = stream->next_made)
    if (stream_make_decompressor (s, stream, codec) == -1)
      return -1;
  return 0;
}

int
streams_add_groups (struct streams *s, size_t bytes)
{
  if (s->group_bytes != 0)
    return 0;
  s->group_bytes = bytes;
  for (struct stream *stream = s->made; stream; stream = stream->next_made)
    if (make_group (s, stream) == -1)
      return -1;
  return 0;
}

void
streams_close (struct streams *s)
{
  struct stream *stream;

  if (s->count == 0)
    return;
  while ((stream = s->made) != NULL) {
    s->made = stream->next_made;
    stream_free (s, stream);
  }
  for (unsigned place = 0; place < METHODS; ++place)
    method_close (&s->methods[place]);
  pthread_cond_destroy (&s->changed);
  pthread_cond_destroy (&s->returned);
  pthread_mutex_destroy (&s->lock);
  pthread_mutex_destroy (&s->changing);
  s->count = 0;
}

/* ---- taking ---- */

/* Create a stream.  The lock is held, and released meanwhile; methods don't
 * change during that time.  Returns NULL if there is no memory.
 */
static struct stream *
make_stream_unlocked (struct streams *s)
{
  struct stream *stream;

  s->making++;
  pthread_mutex_unlock (&s->lock);
  stream = stream_new (s);
  pthread_mutex_lock (&s->lock);
  s->making--;
  pthread_cond_signal (&s->changed);
  return stream;
}

/* Create a stream, unless there are enough or none may be created now.  The
 * lock is held.
 */
static struct stream *
make_another_stream (struct streams *s)
{
  struct stream *stream;

  if (s->count == s->max || s->closed)
    return NULL;
  s->count++;
  stream = make_stream_unlocked (s);
  if (stream) {
    stream->next_made = s->made;
    s->made = stream;
  }
  else
    s->count--;                 /* the caller waits for an existing one */
  return stream;
}

/* Use everything that a request would, so that its memory is resident. */
static void
warm_stream (struct streams *s, struct stream *stream)
{
  if (stream->group)
    memset (stream->group, 0, s->group_bytes);
  for (unsigned place = 0; place < METHODS; ++place)
    if (s->users[place] > 0)
      stream_warm (s, stream, place, true, stream->page, stream->out);
}

int
streams_make (struct streams *s, unsigned count)
{
  LOCK_FOR_SCOPE (&s->lock);
  while (s->count < MIN (count, s->max)) {
    struct stream *stream = make_another_stream (s);

    if (!stream)
      return -1;
    stream->next = s->idle;
    s->idle = stream;
  }
  for (struct stream *stream = s->idle; stream; stream = stream->next)
    warm_stream (s, stream);
  return 0;
}

static void
stream_unpin (struct streams *s, struct stream *stream)
{
  if (stream->pinned != NO_GENERATION)
    dictionaries_release (s->dictionaries, stream->pinned);
  stream->pinned = NO_GENERATION;
}

bool
stream_pin (struct streams *s, struct stream *stream, unsigned id)
{
  if (id < CODEC_DICTIONARY)
    return true;
  stream_unpin (s, stream);
  if (!dictionaries_try_hold (s->dictionaries, id))
    return false;
  stream->pinned = (int) (id - CODEC_DICTIONARY);
  return true;
}

/* Wait for a stream that is put back; the lock is held.  Streams are handed
 * over in turn: the thread that puts one back may want it again before this
 * one wakes up.
 */
static struct stream *
wait_for_stream (struct streams *s)
{
  uint64_t turn = s->turns++;
  struct stream *stream;

  while (s->served <= turn)
    pthread_cond_wait (&s->returned, &s->lock);
  stream = s->handed;
  s->handed = stream->next;
  return stream;
}

struct stream *
stream_get (struct streams *s)
{
  struct stream *stream;

  LOCK_FOR_SCOPE (&s->lock);
  stream = s->idle;
  if (!stream && (stream = make_another_stream (s)) != NULL) {
    s->in_use++;
    return stream;
  }
  /* make_another_stream releases the lock, so a stream may be idle now. */
  stream = s->idle;
  if (!stream)
    return wait_for_stream (s);
  s->idle = stream->next;
  s->in_use++;
  return stream;
}

void
stream_put (struct streams *s, struct stream *stream)
{
  stream_unpin (s, stream);

  LOCK_FOR_SCOPE (&s->lock);
  stream_update_pool_method (s, stream);
  if (s->served < s->turns) {
    stream->next = s->handed;
    s->handed = stream;
    s->served++;
    pthread_cond_broadcast (&s->returned);
    return;
  }
  stream->next = s->idle;
  s->idle = stream;
  s->in_use--;
}

void
streams_latency (struct streams *s, enum request_kind kind,
                 struct latency *sum)
{
  *sum = (struct latency) { .bytes = 0 };
  LOCK_FOR_SCOPE (&s->lock);
  for (struct stream *stream = s->made; stream; stream = stream->next_made) {
    struct latency *l = &stream->latency[kind];

    for (unsigned i = 0; i < LATENCY_BUCKETS; ++i)
      latency_add (&sum->counts[i], l->counts[i]);
    latency_add (&sum->nanoseconds, l->nanoseconds);
    latency_add (&sum->bytes, l->bytes);
  }
}

size_t
stream_compress (struct streams *s, struct stream *stream, unsigned method,
                 const void *page)
{
  unsigned place = stream_place (stream, method);

  return method_compress (&s->methods[place], stream->compressors[place].p,
                          page, s->page_size, stream->out);
}

static int
decompress_with_dictionary (struct streams *s, struct stream *stream,
                            unsigned id, const void *src, size_t length,
                            void *dst, size_t size)
{
  void *ctx = stream->decompressors[CODEC_ZSTD].p;

  return ctx && s->dictionaries
    ? dictionaries_decompress (s->dictionaries, ctx, id, src, length,
                               dst, size)
    : -1;
}

int
stream_decompress (struct streams *s, struct stream *stream, unsigned id,
                   const void *src, size_t length, void *dst, size_t size)
{
  const struct codec *codec;

  if (size > MAX (s->page_size, s->group_bytes))
    return -1;
  if (id >= CODEC_DICTIONARY && id < CODEC_DICTIONARY + POOL_DICTIONARIES)
    return decompress_with_dictionary (s, stream, id, src, length, dst, size);

  /* A damaged slot may name any number. */
  codec = id < CODEC_IDS && (s->codecs >> id & 1) != 0
    ? codec_by_id (id) : NULL;
  if (!codec || (codec->decompressor_new && !stream->decompressors[id].p))
    return -1;
  return codec->decompress (stream->decompressors[id].p, src, length, dst,
                            size);
}
