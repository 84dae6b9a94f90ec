/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/mutex.h"
#include "lib/codec/stream.h"

#define PAGE 4096
#define THREADS 8

TEST (every_codec)
{
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
    length = stream_compress (&s, stream, METHOD_OF_POOL, page);
    assert_uint_in_range (length, 1, PAGE - 1);
    assert_int_equal (stream_decompress (&s, stream, (*c)->id, stream->out,
                                         length, out, PAGE), 0);
    assert_memory_equal (page, out, PAGE);
    stream_put (&s, stream);
    streams_close (&s);
    assert_true (budget.used == 0);
    streams_close (&s);
  }
}

TEST (unknown_codecs_are_damage)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  struct stream *stream;
  uint8_t src[64] = { 0 }, dst[PAGE];

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

TEST (the_last_one_first)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  struct stream *one, *two;

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

TEST (no_memory_for_the_first)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 1000 };
  struct streams s;

  errno = 0;
  assert_int_equal (streams_open (&s, &a, PAGE, &budget), -1);
  assert_int_equal (errno, ENOSPC);
  assert_true (budget.used == 0);
  streams_close (&s);
}

/* ---- methods of devices ---- */

/* Return an algorithm whose codec needs contexts for decompressing, if such
 * a codec is built in.
 */
static struct algorithm
another_algorithm (void)
{
  return unit_algorithm (codec_by_name ("zstd") ? "zstd:level=1"
                         : codec_by_name ("deflate") ? "deflate" : "lz4hc");
}

#define STREAMS 16              /* every machine allows this many */

/* Take COUNT streams at once, compress by METHOD with each, and check that
 * METHOD is algorithm A.
 */
static void
assert_compresses (struct streams *s, unsigned count, unsigned method,
                   const struct algorithm *a)
{
  struct stream *stream[STREAMS];
  uint8_t page[PAGE], out[PAGE];

  for (unsigned i = 0; i < count; ++i) {
    const struct method *m;
    size_t length;

    stream[i] = stream_get (s);
    m = stream_method (s, stream[i], method);
    assert_ptr_equal (m->codec, a->codec);
    assert_int_equal (m->level, a->level);
    data_fill (page, PAGE, DATA_TEXT, i);
    length = stream_compress (s, stream[i], method, page);
    assert_uint_in_range (length, 1, PAGE - 1);
    assert_int_equal (a->codec->decompress (
                        stream[i]->decompressors[a->codec->id].p,
                        stream[i]->out, length, out, PAGE), 0);
    assert_memory_equal (page, out, PAGE);
    assert_int_equal (stream_decompress (s, stream[i], method_id (m),
                                         stream[i]->out, length, out, PAGE),
                      0);
  }
  for (unsigned i = 0; i < count; ++i)
    stream_put (s, stream[i]);
}

/* Both existing and later streams get a device's method. */
TEST (devices_have_methods)
{
  struct algorithm lz4 = unit_algorithm ("lz4"), fast;
  struct algorithm hc = unit_algorithm ("lz4hc:level=4");
  struct algorithm strong = another_algorithm ();
  struct budget budget = { .limit = 0 };
  struct streams s;
  int a, b;

  fast = unit_algorithm ("lz4:level=20");
  assert_int_equal (streams_open (&s, &lz4, PAGE, &budget), 0);
  assert_compresses (&s, 3, METHOD_OF_POOL, &lz4);
  assert_int_equal (s.count, 3);
  a = streams_add_method (&s, &strong);
  b = streams_add_method (&s, &hc);
  assert_true (a >= METHODS_OF_POOL && b >= METHODS_OF_POOL && a != b);
  assert_compresses (&s, 8, (unsigned) a, &strong);
  assert_int_equal (s.count, 8);
  assert_compresses (&s, 10, (unsigned) b, &hc);
  assert_compresses (&s, 12, METHOD_OF_POOL, &lz4);

  /* The pool's method changes independently, even to a device's algorithm. */
  assert_int_equal (streams_set_pool_method (&s, &strong, NULL, NO_GENERATION),
                    0);
  assert_compresses (&s, 12, METHOD_OF_POOL, &strong);
  assert_compresses (&s, 12, (unsigned) b, &hc);
  assert_int_equal (streams_set_pool_method (&s, &fast, NULL, NO_GENERATION),
                    0);
  assert_compresses (&s, 14, METHOD_OF_POOL, &fast);
  assert_compresses (&s, 14, (unsigned) a, &strong);
  streams_close (&s);
  assert_true (budget.used == 0);
}

TEST (the_same_is_shared)
{
  struct algorithm lz4 = unit_algorithm ("lz4");
  struct algorithm hc = unit_algorithm ("lz4hc:level=4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  uint64_t used, more;
  int a;

  assert_int_equal (streams_open (&s, &lz4, PAGE, &budget), 0);
  assert_compresses (&s, 5, METHOD_OF_POOL, &lz4);
  used = budget.used;
  a = streams_add_method (&s, &hc);
  more = budget.used;
  assert_true (more > used);
  assert_int_equal (streams_add_method (&s, &hc), a);
  assert_true (budget.used == more);
  streams_drop_method (&s, (unsigned) a);
  assert_true (budget.used == more);
  assert_compresses (&s, 5, (unsigned) a, &hc);
  streams_drop_method (&s, (unsigned) a);
  assert_true (budget.used == used);
  streams_drop_method (&s, METHOD_OF_POOL);
  assert_compresses (&s, 5, METHOD_OF_POOL, &lz4);
  streams_close (&s);
  assert_true (budget.used == 0);
}

TEST (so_many_and_no_more)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  uint64_t used;
  int places[METHODS_OF_DEVICES];

  assert_int_equal (streams_open (&s, &a, PAGE, &budget), 0);
  for (int i = 0; i < METHODS_OF_DEVICES; ++i) {
    a.level = 2 + i;
    places[i] = streams_add_method (&s, &a);
    assert_true (places[i] >= METHODS_OF_POOL && places[i] < METHODS);
  }
  used = budget.used;
  a.level = 12;
  errno = 0;
  assert_int_equal (streams_add_method (&s, &a), -1);
  assert_int_equal (errno, EMLINK);
  assert_true (budget.used == used);
  /* An algorithm that has a method already needs no further one. */
  a.level = 4;
  assert_int_equal (streams_add_method (&s, &a), places[2]);
  streams_drop_method (&s, (unsigned) places[2]);
  streams_drop_method (&s, (unsigned) places[5]);
  a.level = 12;
  assert_int_equal (streams_add_method (&s, &a), places[5]);
  assert_compresses (&s, 2, (unsigned) places[5], &a);
  a.level = 4;
  assert_compresses (&s, 2, (unsigned) places[2], &a);
  streams_close (&s);
  assert_true (budget.used == 0);
}

/* Wherever memory runs out, nothing changes. */
TEST (no_memory_for_a_method)
{
  struct algorithm lz4 = unit_algorithm ("lz4"), a = another_algorithm ();
  struct budget budget = { .limit = 0 };
  struct streams s;
  unsigned refused = 0;
  uint64_t used;
  int place;

  assert_int_equal (streams_open (&s, &lz4, PAGE, &budget), 0);
  assert_compresses (&s, 4, METHOD_OF_POOL, &lz4);
  used = budget.used;
  for (uint64_t more = 1;; more += 20000) {
    budget.limit = used + more;
    errno = 0;
    place = streams_add_method (&s, &a);
    if (place != -1)
      break;
    assert_int_equal (errno, ENOSPC);
    assert_true (budget.used == used);
    assert_int_equal (streams_set_pool_method (&s, &a, NULL, NO_GENERATION),
                      -1);
    assert_int_equal (errno, ENOSPC);
    assert_true (budget.used == used);
    for (unsigned id = 1; id < CODEC_IDS; ++id)
      assert_int_equal (s.codecs >> id & 1, id == CODEC_LZ4);
    assert_compresses (&s, 4, METHOD_OF_POOL, &lz4);
    refused++;
  }
  assert_true (refused >= 4);
  assert_compresses (&s, 4, (unsigned) place, &a);
  streams_close (&s);
  assert_true (budget.used == 0);
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
    length = stream_compress (&shared, stream, METHOD_OF_POOL, stream->page);
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

TEST (threads_share)
{
  run_threads (0);
}

/* With memory for one or two streams, eight threads take turns. */
TEST (threads_wait_for_memory)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  uint64_t one;

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
is_waiting (struct streams *s)
{
  LOCK_FOR_SCOPE (&s->lock);
  return s->turns > s->served;
}

/* A thread that puts a stream back and wants it again gets it after the
 * threads that wait.
 */
TEST (waiting_threads_come_first)
{
  struct algorithm a = unit_algorithm ("lz4");
  struct budget budget = { .limit = 0 };
  struct streams s;
  struct stream *stream;
  pthread_t thread;

  assert_int_equal (streams_open (&s, &a, PAGE, &budget), 0);
  budget.limit = budget.used;
  for (unsigned i = 0; i < 20; ++i) {
    served = false;
    stream = stream_get (&s);
    assert_int_equal (pthread_create (&thread, NULL, be_served, &s), 0);
    while (!is_waiting (&s))
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

/* ---- methods that come and go while requests go on ---- */

struct user {
  pthread_t thread;
  unsigned method;
  unsigned codec;               /* that its method must have; 0: any */
  uint64_t tag;
};

static _Atomic bool enough;

static void *
use_method (void *opaque)
{
  struct user *u = opaque;
  uint8_t page[PAGE], out[PAGE];

  while (!enough) {
    struct stream *stream = stream_get (&shared);
    unsigned id = method_id (stream_method (&shared, stream, u->method));
    size_t length;

    data_fill (page, PAGE, DATA_RECORDS, u->tag++);
    length = stream_compress (&shared, stream, u->method, page);
    wrong += (u->codec != 0 && id != u->codec)
             || stream_decompress (&shared, stream, id, stream->out, length,
                                   out, PAGE) == -1
             || memcmp (page, out, PAGE) != 0;
    stream_put (&shared, stream);
    if (u->tag % 16 == 0)
      sched_yield ();
  }
  return NULL;
}

/* A device that is added and removed again and again, and uses its method in
 * between.
 */
static void *
come_and_go (void *opaque)
{
  struct algorithm a[] = {
    another_algorithm (), unit_algorithm ("lz4hc:level=5"),
    unit_algorithm ("lz4:level=7"),
  };
  struct rng r = { .state = *(uint64_t *) opaque };
  uint8_t page[PAGE];

  data_fill (page, PAGE, DATA_TEXT, 1);
  while (!enough) {
    const struct algorithm *one = &a[rng_below (&r, ARRAY_SIZE (a))];
    int method = streams_add_method (&shared, one);
    struct stream *stream;

    if (method == -1) {
      wrong += errno != ENOSPC;
      continue;
    }
    stream = stream_get (&shared);
    wrong += stream_method (&shared, stream, (unsigned) method)->codec
             != one->codec;
    wrong += stream_compress (&shared, stream, (unsigned) method, page) == 0;
    stream_put (&shared, stream);
    streams_drop_method (&shared, (unsigned) method);
  }
  return NULL;
}

static void
change_methods (uint64_t limit)
{
  struct algorithm a = unit_algorithm ("lz4"), strong = another_algorithm ();
  struct algorithm hc = unit_algorithm ("lz4hc:level=3");
  struct budget budget = { .limit = 0 };
  struct user users[THREADS];
  pthread_t guests[2];
  uint64_t seeds[2];
  unsigned changed = 0;
  int device;

  enough = false;
  assert_int_equal (streams_open (&shared, &a, PAGE, &budget), 0);
  device = streams_add_method (&shared, &hc);
  assert_true (device >= 0);
  budget.limit = limit == 0 ? 0 : budget.used + limit;
  for (unsigned i = 0; i < THREADS; ++i) {
    users[i] = (struct user) {
      .method = i % 2 ? (unsigned) device : METHOD_OF_POOL,
      .codec = i % 2 ? CODEC_LZ4HC : 0,
      .tag = unit_seed () + i * 1000000,
    };
    assert_int_equal (pthread_create (&users[i].thread, NULL, use_method,
                                      &users[i]), 0);
  }
  for (unsigned i = 0; i < 2; ++i) {
    seeds[i] = unit_seed () + i;
    assert_int_equal (pthread_create (&guests[i], NULL, come_and_go,
                                      &seeds[i]), 0);
  }
  for (unsigned n = unit_scaled (300); n > 0; --n)
    changed += streams_set_pool_method (&shared, n % 2 ? &strong : &a, NULL,
                                        NO_GENERATION)
      == 0;
  enough = true;
  for (unsigned i = 0; i < THREADS; ++i)
    pthread_join (users[i].thread, NULL);
  for (unsigned i = 0; i < 2; ++i)
    pthread_join (guests[i], NULL);
  assert_int_equal (wrong, 0);
  assert_true (changed > 0);
  assert_true (limit == 0 || budget.used_max <= budget.limit);
  assert_compresses (&shared, MIN (shared.count, STREAMS), (unsigned) device,
                     &hc);
  streams_close (&shared);
  assert_true (budget.used == 0);
}

TEST (methods_change_while_used)
{
  change_methods (0);
}

TEST (methods_change_where_memory_is_short)
{
  struct algorithm strong = another_algorithm ();
  struct budget budget = { .limit = 0 };
  struct streams s;
  uint64_t one;

  assert_int_equal (streams_open (&s, &strong, PAGE, &budget), 0);
  one = budget.used;
  streams_close (&s);
  change_methods (3 * one);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_codec),
    cmocka_unit_test (unknown_codecs_are_damage),
    cmocka_unit_test (the_last_one_first),
    cmocka_unit_test (no_memory_for_the_first),
    cmocka_unit_test (devices_have_methods),
    cmocka_unit_test (the_same_is_shared),
    cmocka_unit_test (so_many_and_no_more),
    cmocka_unit_test (no_memory_for_a_method),
    cmocka_unit_test (threads_share),
    cmocka_unit_test (threads_wait_for_memory),
    cmocka_unit_test (waiting_threads_come_first),
    cmocka_unit_test (methods_change_while_used),
    cmocka_unit_test (methods_change_where_memory_is_short),
  };

  return cmocka_run_group_tests_name ("stream", tests, NULL, NULL);
}
