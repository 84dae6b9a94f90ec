/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os.h"
#include "stream.h"
#include "util.h"

#define STREAMS_MIN 16
#define STREAMS_PER_CPU 2

/* Any stream, whole or half built. */
static void
stream_free (struct streams *s, struct stream *stream)
{
  if (stream->compressor)
    method_compressor_free (stream->method, stream->compressor);
  for (const struct codec *const *c = codecs; *c; ++c)
    if (stream->decompressors[(*c)->id])
      (*c)->decompressor_free (stream->decompressors[(*c)->id]);
  free (stream->out);
  free (stream->page);
  free (stream->group);
  budget_give (s->budget, stream->bytes);
  free (stream);
}

static int
account (struct streams *s, struct stream *stream, size_t bytes)
{
  if (budget_take (s->budget, bytes) == -1)
    return -1;
  stream->bytes += bytes;
  return 0;
}

static int
make_decompressor (struct streams *s, struct stream *stream,
                   const struct codec *codec)
{
  size_t bytes;
  void *ctx;

  if (!codec->decompressor_new)
    return 0;
  ctx = codec->decompressor_new (&bytes);
  if (!ctx)
    return -1;
  if (account (s, stream, bytes) == -1) {
    codec->decompressor_free (ctx);
    return -1;
  }
  stream->decompressors[codec->id] = ctx;
  return 0;
}

/* Contexts for everything that a slot may name, since a read must not
 * fail for want of memory later.
 */
static int
make_decompressors (struct streams *s, struct stream *stream)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    if ((s->codecs >> (*c)->id & 1) != 0
        && make_decompressor (s, stream, *c) == -1)
      return -1;
  return 0;
}

/* Of any codec, since the method may change. */
static size_t
largest_bound (size_t page_size)
{
  size_t bound = 0;

  for (const struct codec *const *c = codecs; *c; ++c)
    bound = MAX (bound, (*c)->bound (page_size));
  return bound;
}

static int
make_buffers (struct streams *s, struct stream *stream)
{
  size_t bound = largest_bound (s->page_size);

  if (account (s, stream, sizeof *stream + bound + s->page_size) == -1)
    return -1;
  stream->out = malloc (bound);
  stream->page = aligned_alloc (OS_PAGE_SIZE, s->page_size);
  return stream->out && stream->page ? 0 : -1;
}

static int
make_compressor (struct streams *s, struct stream *stream,
                 const struct method *method, void **ctx)
{
  size_t bytes;

  *ctx = method_compressor_new (method, s->page_size, &bytes);
  if (*ctx && account (s, stream, bytes) == 0) {
    stream->compressor_bytes[method - s->methods] = bytes;
    return 0;
  }
  if (*ctx)
    method_compressor_free (method, *ctx);
  *ctx = NULL;
  return -1;
}

static int
make_group (struct streams *s, struct stream *stream)
{
  if (s->group_bytes == 0)
    return 0;
  if (account (s, stream, s->group_bytes) == -1)
    return -1;
  stream->group = malloc (s->group_bytes);
  return stream->group ? 0 : -1;
}

static struct stream *
stream_new (struct streams *s, const struct method *method)
{
  struct stream *stream = calloc (1, sizeof *stream);

  if (!stream)
    return NULL;
  stream->method = method;
  stream->pinned = NO_GENERATION;
  if (make_buffers (s, stream) == -1
      || make_compressor (s, stream, method, &stream->compressor) == -1
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
  };
  s->method = &s->methods[0];
  method_open (&s->methods[0], algorithm, NULL, NO_GENERATION, budget);
  s->made = s->idle = stream_new (s, s->method);
  if (!s->made) {
    s->count = 0;
    return -1;
  }
  mutex_init (&s->lock);
  pthread_cond_init (&s->returned, NULL);
  pthread_cond_init (&s->changed, NULL);
  return 0;
}

int
streams_add_codec (struct streams *s, unsigned id)
{
  const struct codec *codec = codec_by_id (id);

  if (!codec) {
    errno = ENOTSUP;
    return -1;
  }
  if ((s->codecs >> id & 1) != 0)
    return 0;
  s->codecs |= 1U << id;
  for (struct stream *stream = s->made; stream; stream = stream->next_made)
    if (make_decompressor (s, stream, codec) == -1)
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
  method_close (&s->methods[0]);
  method_close (&s->methods[1]);
  pthread_cond_destroy (&s->changed);
  pthread_cond_destroy (&s->returned);
  pthread_mutex_destroy (&s->lock);
  s->count = 0;
}

/* ---- changing the method ---- */

/* The stream is nobody's, or the caller's; the lock is held. */
static void
change_stream (struct streams *s, struct stream *stream)
{
  void *old = stream->compressor;

  if (stream->method == s->method)
    return;
  stream->compressor = stream->other_compressor;
  stream->other_compressor = old;
  stream->method = s->method;
  pthread_cond_signal (&s->changed);
}

/* What STREAM, which may be in use, needs for METHOD. */
static int
prepare_stream (struct streams *s, struct stream *stream,
                const struct method *method)
{
  if (!stream->decompressors[method->codec->id]
      && make_decompressor (s, stream, method->codec) == -1)
    return -1;
  return stream->other_compressor
    ? 0 : make_compressor (s, stream, method, &stream->other_compressor);
}

/* Prepare all streams, those that are made meanwhile too; then, with the
 * lock held, there is none that is not.
 */
static int
prepare_all (struct streams *s, const struct method *method)
{
  const struct stream *prepared = NULL;

  pthread_mutex_lock (&s->lock);
  while (s->made != prepared) {
    struct stream *newest = s->made;

    pthread_mutex_unlock (&s->lock);
    for (struct stream *stream = newest; stream != prepared;
         stream = stream->next_made)
      if (prepare_stream (s, stream, method) == -1)
        return -1;
    prepared = newest;
    pthread_mutex_lock (&s->lock);
  }
  return 0;
}

static bool
all_changed (const struct streams *s)
{
  for (const struct stream *stream = s->made; stream;
       stream = stream->next_made)
    if (stream->method != s->method)
      return false;
  return s->making == 0;
}

/* Nobody uses the contexts for METHOD any more, or does so yet. */
static void
free_others (struct streams *s, struct method *method)
{
  size_t *bytes;

  pthread_mutex_lock (&s->lock);
  for (struct stream *stream = s->made; stream; stream = stream->next_made)
    if (stream->other_compressor) {
      method_compressor_free (method, stream->other_compressor);
      stream->other_compressor = NULL;
      bytes = &stream->compressor_bytes[method - s->methods];
      budget_give (s->budget, *bytes);
      stream->bytes -= *bytes;
    }
  pthread_mutex_unlock (&s->lock);
  method_close (method);
}

int
streams_change (struct streams *s, const struct algorithm *algorithm,
                struct dictionaries *dictionaries, int generation)
{
  bool second = s->method == &s->methods[1];
  struct method *old = &s->methods[second], *new = &s->methods[!second];

  if (method_open (new, algorithm, dictionaries, generation, s->budget) == -1)
    return -1;
  /* Streams that are made from here on can decompress what it writes. */
  s->codecs |= 1U << algorithm->codec->id;
  if (prepare_all (s, new) == -1) {
    int err = errno;

    free_others (s, new);
    errno = err;
    return -1;
  }
  s->method = new;
  for (struct stream *stream = s->idle; stream; stream = stream->next)
    change_stream (s, stream);
  while (!all_changed (s))
    pthread_cond_wait (&s->changed, &s->lock);
  pthread_mutex_unlock (&s->lock);
  free_others (s, old);
  return 0;
}

void
streams_get_method (struct streams *s, const struct codec **codec, int *level)
{
  LOCK_FOR_SCOPE (&s->lock);
  *codec = s->method->codec;
  *level = s->method->level;
}

/* ---- taking ---- */

/* A new stream, made without holding the lock; NULL when there is no
 * memory, or when the method has changed meanwhile.
 */
static struct stream *
make_unlocked (struct streams *s)
{
  const struct method *method = s->method;
  struct stream *stream;

  s->making++;
  pthread_mutex_unlock (&s->lock);
  stream = stream_new (s, method);
  pthread_mutex_lock (&s->lock);
  if (stream && method != s->method) {
    stream_free (s, stream);
    stream = NULL;
  }
  s->making--;
  pthread_cond_signal (&s->changed);
  return stream;
}

/* Called with the lock held and no stream idle: make one, if there may
 * be another.
 */
static struct stream *
make_another (struct streams *s)
{
  struct stream *stream;

  if (s->count == s->max)
    return NULL;
  s->count++;
  stream = make_unlocked (s);
  if (stream) {
    stream->next_made = s->made;
    s->made = stream;
  }
  else
    s->count--;                 /* wait for one of those that are */
  return stream;
}

/* Use what a request would, so that the memory is there. */
static void
warm (struct streams *s, struct stream *stream)
{
  uint32_t word = 1;
  size_t length;

  /* Neither constant nor random: codecs are to look for something. */
  for (size_t i = 0; i < s->page_size; ++i) {
    word = word * 1664525 + 1013904223;
    stream->page[i] = (uint8_t) ("abcdefghijklmnop"[word >> 28]);
  }
  if (stream->group)
    memset (stream->group, 0, s->group_bytes);
  length = stream_compress (s, stream, stream->page);
  if (length > 0)
    stream_decompress (s, stream, stream->method->codec->id, stream->out,
                       length, stream->page, s->page_size);
}

int
streams_make (struct streams *s, unsigned count)
{
  LOCK_FOR_SCOPE (&s->lock);
  while (s->count < MIN (count, s->max)) {
    struct stream *stream = make_another (s);

    if (!stream)
      return -1;
    stream->next = s->idle;
    s->idle = stream;
  }
  for (struct stream *stream = s->idle; stream; stream = stream->next)
    warm (s, stream);
  return 0;
}

static void
unpin (struct streams *s, struct stream *stream)
{
  if (stream->pinned != NO_GENERATION)
    dictionaries_let_go (s->dictionaries, stream->pinned);
  stream->pinned = NO_GENERATION;
}

bool
stream_pin (struct streams *s, struct stream *stream, unsigned id)
{
  if (id < CODEC_DICTIONARY)
    return true;
  unpin (s, stream);
  if (!dictionaries_try_hold (s->dictionaries, id))
    return false;
  stream->pinned = (int) (id - CODEC_DICTIONARY);
  return true;
}

/* Called with the lock held: wait for one that is put back.  It is handed
 * over in turn, since who put it back may want it again sooner than we
 * wake up.
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
  if (!stream && (stream = make_another (s)) != NULL) {
    s->in_use++;
    return stream;
  }
  /* While one was not to be made, another may have come. */
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
  unpin (s, stream);

  LOCK_FOR_SCOPE (&s->lock);
  change_stream (s, stream);
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
stream_compress (struct streams *s, struct stream *stream, const void *page)
{
  return method_compress (stream->method, stream->compressor,
                          page, s->page_size, stream->out);
}

static int
decompress_with_dictionary (struct streams *s, struct stream *stream,
                            unsigned id, const void *src, size_t length,
                            void *dst, size_t size)
{
  void *ctx = stream->decompressors[CODEC_ZSTD];

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
  if (!codec || (codec->decompressor_new && !stream->decompressors[id]))
    return -1;
  return codec->decompress (stream->decompressors[id], src, length, dst, size);
}
