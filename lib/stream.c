/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
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
    s->algorithm.codec->compressor_free (stream->compressor);
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
  void **ctx = &stream->decompressors[codec->id];
  size_t bytes;

  if (!codec->decompressor_new)
    return 0;
  *ctx = codec->decompressor_new (&bytes);
  return *ctx ? account (s, stream, bytes) : -1;
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

static int
make_buffers (struct streams *s, struct stream *stream)
{
  const struct codec *codec = s->algorithm.codec;
  size_t bound = codec->bound (s->page_size), bytes;

  if (account (s, stream, sizeof *stream + bound + s->page_size) == -1)
    return -1;
  stream->out = malloc (bound);
  stream->page = aligned_alloc (OS_PAGE_SIZE, s->page_size);
  stream->compressor = codec->compressor_new (s->algorithm.level,
                                              s->page_size, &bytes);
  if (!stream->out || !stream->page || !stream->compressor)
    return -1;
  return account (s, stream, bytes);
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
stream_new (struct streams *s)
{
  struct stream *stream = calloc (1, sizeof *stream);

  if (!stream)
    return NULL;
  if (make_buffers (s, stream) == -1 || make_decompressors (s, stream) == -1
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
    .algorithm = *algorithm,
    .page_size = page_size,
    .codecs = 1U << algorithm->codec->id,
    .max = (unsigned) MAX (STREAMS_MIN, STREAMS_PER_CPU * cpus),
    .count = 1,
  };
  s->made = s->idle = stream_new (s);
  if (!s->made) {
    s->count = 0;
    return -1;
  }
  pthread_mutex_init (&s->lock, NULL);
  pthread_cond_init (&s->returned, NULL);
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
  pthread_cond_destroy (&s->returned);
  pthread_mutex_destroy (&s->lock);
  s->count = 0;
}

/* Called with the lock held and no stream idle: make one, if there may
 * be another, without holding the lock.
 */
static struct stream *
make_another (struct streams *s)
{
  struct stream *stream;

  if (s->count == s->max)
    return NULL;
  s->count++;
  pthread_mutex_unlock (&s->lock);
  stream = stream_new (s);
  pthread_mutex_lock (&s->lock);
  if (stream) {
    stream->next_made = s->made;
    s->made = stream;
  }
  else
    s->count--;                 /* wait for one of those that are */
  return stream;
}

struct stream *
stream_get (struct streams *s)
{
  struct stream *stream;

  LOCK_FOR_SCOPE (&s->lock);
  while ((stream = s->idle) == NULL) {
    stream = make_another (s);
    if (stream) {
      s->in_use++;
      return stream;
    }
    if (!s->idle)
      pthread_cond_wait (&s->returned, &s->lock);
  }
  s->idle = stream->next;
  s->in_use++;
  return stream;
}

void
stream_put (struct streams *s, struct stream *stream)
{
  LOCK_FOR_SCOPE (&s->lock);
  stream->next = s->idle;
  s->idle = stream;
  s->in_use--;
  pthread_cond_signal (&s->returned);
}

size_t
stream_compress (struct streams *s, struct stream *stream, const void *page)
{
  return s->algorithm.codec->compress (stream->compressor, s->algorithm.level,
                                       page, s->page_size, stream->out);
}

int
stream_decompress (struct streams *s, struct stream *stream, unsigned id,
                   const void *src, size_t length, void *dst, size_t size)
{
  /* A damaged slot may name any number. */
  const struct codec *codec = id < CODEC_IDS && (s->codecs >> id & 1) != 0
    ? codec_by_id (id) : NULL;

  return codec && size <= MAX (s->page_size, s->group_bytes)
    ? codec->decompress (stream->decompressors[id], src, length, dst, size)
    : -1;
}
