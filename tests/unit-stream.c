/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include <cmocka.h>

#include "stream.h"

#define PAGE 4096
#define THREADS 8

static void
every_codec (void **state)
{
  (void) state;
  for (const struct codec *const *c = codecs; *c; ++c) {
    struct algorithm a = { .codec = *c, .level = (*c)->default_level };
    struct budget budget = { .limit = 0 };
    struct streams s;
    struct stream *stream;
    uint8_t page[PAGE], out[PAGE];
    size_t length;

    assert_int_equal (streams_open (&s, &a, PAGE, &budget), 0);
    assert_true (budget.used > PAGE);
    stream = stream_get (&s);
    data_fill (page, PAGE, DATA_TEXT, 1);
    length = stream_compress (&s, stream, page);
    assert_in_range (length, 1, PAGE - 1);
    assert_int_equal (stream_decompress (&s, stream, (*c)->id, stream->out,
                                         length, out, PAGE), 0);
    assert_memory_equal (page, out, PAGE);
    stream_put (&s, stream);
    streams_close (&s);
    assert_true (budget.used == 0);
    streams_close (&s);
  }
}

static void
unknown_codecs_are_damage (void **state)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  struct stream *stream;
  uint8_t src[64] = { 0 }, dst[PAGE];

  (void) state;
  assert_int_equal (streams_open (&s, &a, PAGE, &budget), 0);
  stream = stream_get (&s);
  for (unsigned id = 0; id < 16; ++id)
    if (id != CODEC_LZ4)
      assert_int_equal (stream_decompress (&s, stream, id, src, sizeof src,
                                           dst, PAGE), -1);
  stream_put (&s, stream);
  errno = 0;
  assert_int_equal (streams_add_codec (&s, 15), -1);
  assert_int_equal (errno, ENOTSUP);
  for (const struct codec *const *c = codecs; *c; ++c)
    for (int again = 0; again < 2; ++again)
      assert_int_equal (streams_add_codec (&s, (*c)->id), 0);
  streams_close (&s);
  assert_true (budget.used == 0);
}

static void
the_last_one_first (void **state)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  struct stream *one, *two;

  (void) state;
  assert_int_equal (streams_open (&s, &a, PAGE, &budget), 0);
  one = stream_get (&s);
  two = stream_get (&s);
  assert_ptr_not_equal (one, two);
  stream_put (&s, two);
  stream_put (&s, one);
  assert_ptr_equal (stream_get (&s), one);
  stream_put (&s, one);
  streams_close (&s);
}

static void
no_memory_for_the_first (void **state)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 1000 };
  struct streams s;

  (void) state;
  errno = 0;
  assert_int_equal (streams_open (&s, &a, PAGE, &budget), -1);
  assert_int_equal (errno, ENOSPC);
  assert_true (budget.used == 0);
  streams_close (&s);
}

/* ---- threads ---- */

static struct streams shared;
static _Atomic unsigned wrong;

static void *
use (void *arg)
{
  uint64_t tag = *(uint64_t *) arg;
  uint8_t page[PAGE], out[PAGE];

  for (unsigned i = unit_scaled (2000); i > 0; --i) {
    struct stream *stream = stream_get (&shared);
    size_t length;

    data_fill (page, PAGE, DATA_RECORDS, tag++);
    memcpy (stream->page, page, PAGE);
    length = stream_compress (&shared, stream, stream->page);
    wrong += stream_decompress (&shared, stream, CODEC_LZ4, stream->out,
                                length, out, PAGE) == -1
             || memcmp (page, out, PAGE) != 0;
    stream_put (&shared, stream);
  }
  return NULL;
}

static void
run_threads (uint64_t limit)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = limit };
  pthread_t threads[THREADS];
  uint64_t tags[THREADS];

  assert_int_equal (streams_open (&shared, &a, PAGE, &budget), 0);
  for (unsigned t = 0; t < THREADS; ++t) {
    tags[t] = unit_seed () + (uint64_t) t * 100000;
    assert_int_equal (pthread_create (&threads[t], NULL, use, &tags[t]), 0);
  }
  for (unsigned t = 0; t < THREADS; ++t)
    pthread_join (threads[t], NULL);
  assert_int_equal (wrong, 0);
  assert_true (limit == 0 || budget.used_max <= limit);
  assert_true (shared.count <= shared.max);
  streams_close (&shared);
  assert_true (budget.used == 0);
}

static void
threads_share (void **state)
{
  (void) state;
  run_threads (0);
}

/* Where there is memory for two, eight threads take turns. */
static void
threads_wait_for_memory (void **state)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  uint64_t one;

  (void) state;
  assert_int_equal (streams_open (&s, &a, PAGE, &budget), 0);
  one = budget.used;
  streams_close (&s);
  run_threads (one);
  run_threads (2 * one + one / 2);
}

static _Atomic bool served;

static void *
be_served (void *opaque)
{
  struct streams *s = opaque;
  struct stream *stream = stream_get (s);

  served = true;
  stream_put (s, stream);
  return NULL;
}

static bool
somebody_waits (struct streams *s)
{
  LOCK_FOR_SCOPE (&s->lock);
  return s->turns > s->served;
}

/* Who puts a stream back and wants it again does not get it before those
 * who wait.
 */
static void
who_waits_is_served (void **state)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  struct stream *stream;
  pthread_t thread;

  (void) state;
  assert_int_equal (streams_open (&s, &a, PAGE, &budget), 0);
  budget.limit = budget.used;
  for (unsigned i = 0; i < 20; ++i) {
    served = false;
    stream = stream_get (&s);
    assert_int_equal (pthread_create (&thread, NULL, be_served, &s), 0);
    while (!somebody_waits (&s))
      sched_yield ();
    stream_put (&s, stream);
    stream = stream_get (&s);
    assert_true (served);
    stream_put (&s, stream);
    pthread_join (thread, NULL);
  }
  assert_int_equal (streams_in_use (&s), 0);
  assert_null (s.handed);
  streams_close (&s);
  assert_true (budget.used == 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_codec),
    cmocka_unit_test (unknown_codecs_are_damage),
    cmocka_unit_test (the_last_one_first),
    cmocka_unit_test (no_memory_for_the_first),
    cmocka_unit_test (threads_share),
    cmocka_unit_test (threads_wait_for_memory),
    cmocka_unit_test (who_waits_is_served),
  };

  return cmocka_run_group_tests_name ("stream", tests, NULL, NULL);
}
