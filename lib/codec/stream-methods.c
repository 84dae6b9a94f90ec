/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A method is added in three steps.  First, the creation of streams stops.
 * Then each existing stream gets the contexts that it needs, while requests
 * go on with the methods that it has.  Only then is the new method published.
 */

#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "stream-internal.h"

/* ---- a change ---- */

static void
begin_change (struct streams *s)
{
  pthread_mutex_lock (&s->changing);
  LOCK_FOR_SCOPE (&s->lock);
  s->closed = true;
  while (s->making > 0)
    pthread_cond_wait (&s->changed, &s->lock);
}

static void
end_change (struct streams *s)
{
  {
    LOCK_FOR_SCOPE (&s->lock);
    s->closed = false;
  }
  pthread_mutex_unlock (&s->changing);
}

/* ---- the table ---- */

static bool
can_streams_decompress (const struct streams *s, const struct codec *codec)
{
  return (s->codecs >> codec->id & 1) != 0;
}

/* Create STREAM's contexts for the method at PLACE; STREAM may be in use.
 * PAGE and OUT are as in stream_warm.
 */
static int
prepare_stream (struct streams *s, struct stream *stream, unsigned place,
                uint8_t *page, uint8_t *out)
{
  const struct codec *codec = s->methods[place].codec;
  bool both = !can_streams_decompress (s, codec);

  if ((both && stream_make_decompressor (s, stream, codec) == -1)
      || stream_make_compressor (s, stream, place) == -1)
    return -1;
  stream_warm (s, stream, place, both, page, out);
  return 0;
}

static int
prepare_all_streams (struct streams *s, unsigned place)
{
  uint8_t *scratch = malloc (s->page_size + stream_out_bytes (s));
  int r = scratch ? 0 : -1;

  for (struct stream *stream = s->made; r == 0 && stream;
       stream = stream->next_made)
    r = prepare_stream (s, stream, place, scratch, scratch + s->page_size);
  free (scratch);
  return r;
}

/* Close the method at PLACE, which no stream uses. */
static void
close_method (struct streams *s, unsigned place)
{
  {
    LOCK_FOR_SCOPE (&s->lock);
    for (struct stream *stream = s->made; stream; stream = stream->next_made)
      method_free_context (&s->methods[place], &stream->compressors[place]);
  }
  method_close (&s->methods[place]);
}

/* Undo a method that could not be added.  Contexts for decompressing its
 * output, if streams could not do that before, were created only for it.
 */
static void
undo_open_method (struct streams *s, unsigned place)
{
  const struct codec *codec = s->methods[place].codec;
  int err = errno;

  if (!can_streams_decompress (s, codec))
    for (struct stream *stream = s->made; stream; stream = stream->next_made)
      stream_free_decompressor (s, stream, codec);
  close_method (s, place);
  errno = err;
}

/* Errors are as in streams_set_pool_method. */
static int
open_method (struct streams *s, unsigned place,
             const struct algorithm *algorithm,
             struct dictionaries *dictionaries, int generation)
{
  if (method_open (&s->methods[place], algorithm, dictionaries, generation,
                   s->budget) == -1)
    return -1;
  if (prepare_all_streams (s, place) == -1) {
    undo_open_method (s, place);
    return -1;
  }
  s->codecs |= 1U << algorithm->codec->id;
  s->users[place] = 1;
  return 0;
}

/* ---- the pool's ---- */

static bool
all_streams_switched (const struct streams *s)
{
  for (const struct stream *stream = s->made; stream;
       stream = stream->next_made)
    if (stream->pool_method != s->pool_method)
      return false;
  return true;
}

/* Make the method at PLACE, which is ready, the pool's method, and wait until
 * all streams use it.  Streams may be created again while it waits.
 */
static void
switch_pool_method (struct streams *s, unsigned place)
{
  LOCK_FOR_SCOPE (&s->lock);
  s->users[s->pool_method] = 0;
  s->pool_method = place;
  for (struct stream *stream = s->idle; stream; stream = stream->next)
    stream_update_pool_method (s, stream);
  s->closed = false;
  while (!all_streams_switched (s))
    pthread_cond_wait (&s->changed, &s->lock);
}

int
streams_set_pool_method (struct streams *s, const struct algorithm *algorithm,
                         struct dictionaries *dictionaries, int generation)
{
  unsigned old, new;
  int r;

  begin_change (s);
  old = s->pool_method;
  new = (old + 1) % METHODS_OF_POOL;
  r = open_method (s, new, algorithm, dictionaries, generation);
  if (r == 0) {
    switch_pool_method (s, new);
    close_method (s, old);
  }
  end_change (s);
  return r;
}

void
streams_get_pool_method (struct streams *s, const struct codec **codec,
                         int *level)
{
  LOCK_FOR_SCOPE (&s->lock);
  *codec = s->methods[s->pool_method].codec;
  *level = s->methods[s->pool_method].level;
}

/* ---- those of devices ---- */

/* Return the place of the method for ALGORITHM, or a free place, or -1 with
 * errno EMLINK.
 */
static int
find_place (const struct streams *s, const struct algorithm *algorithm)
{
  int found = -1;

  for (int i = METHODS - 1; i >= METHODS_OF_POOL; --i) {
    const struct method *m = &s->methods[i];

    if (s->users[i] == 0)
      found = i;
    else if (m->codec == algorithm->codec && m->level == algorithm->level)
      return i;
  }
  errno = EMLINK;
  return found;
}

int
streams_add_method (struct streams *s, const struct algorithm *algorithm)
{
  int place;

  begin_change (s);
  place = find_place (s, algorithm);
  if (place != -1 && s->users[place] > 0)
    s->users[place]++;
  else if (place != -1 && open_method (s, (unsigned) place, algorithm, NULL,
                                       NO_GENERATION) == -1)
    place = -1;
  end_change (s);
  return place;
}

void
streams_drop_method (struct streams *s, unsigned method)
{
  if (method == METHOD_OF_POOL)
    return;
  begin_change (s);
  if (--s->users[method] == 0)
    close_method (s, method);
  end_change (s);
}
