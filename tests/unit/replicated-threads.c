/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replicated pair with random faults of its servers while other threads
 * read, and closed while a server comes back.
 */

#include <config.h>

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/backing/replicated.h"
#include "tests/fake/server.h"
#include "tests/lib/backing.h"
#include "tests/lib/replicated.h"

#include <cmocka.h>

/* ---- random faults ---- */

#define READERS 3

static struct disk *shared;
static pthread_rwlock_t slots_lock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic bool enough;
static _Atomic unsigned reads_done;

/* A read must be right as long as the slot is the same; it may wait. */
static void *
read_on (void *opaque)
{
  struct rng rng = { .state = (uintptr_t) opaque + unit_seed () };
  static _Alignas (4096) _Thread_local uint8_t buf[2 * BACKING_BLOCK];
  uint8_t object[BACKING_BLOCK];

  while (!enough) {
    unsigned n = (unsigned) rng_below (&rng, SLOTS), phase, tag;
    uint64_t offset;
    void *found;

    pthread_rwlock_rdlock (&slots_lock);
    phase = backing_read_begin (&shared->backing);
    offset = shared->offsets[n];
    tag = shared->tags[n];
    pthread_rwlock_unlock (&slots_lock);
    found = offset == 0 ? NULL
      : backing_read (&shared->backing, offset, BACKING_BLOCK, buf);
    pthread_rwlock_rdlock (&slots_lock);
    if (offset != 0 && shared->offsets[n] == offset
        && shared->tags[n] == tag) {
      object_fill (object, sizeof object, tag);
      if (!found || memcmp (found, object, sizeof object) != 0)
        fail_msg ("slot %u: %s", n, found ? "other bytes" : "an error");
      reads_done++;
    }
    pthread_rwlock_unlock (&slots_lock);
    backing_read_end (&shared->backing, phase);
  }
  return NULL;
}

/* Like put, while other threads read. */
static bool
put_beside_readers (struct disk *d, unsigned from, unsigned end)
{
  uint8_t object[BACKING_BLOCK];
  uint32_t tags[SLOTS];
  bool ok;

  for (unsigned n = from; n < end; ++n) {
    tags[n] = (uint32_t) rng_next (&d->rng) | 1;
    object_fill (object, sizeof object, tags[n]);
    assert_int_equal (backing_batch_add (d->batch, object, sizeof object,
                                         true), n - from);
  }
  ok = backing_flush (d->batch) == 0;
  for (unsigned n = from; ok && n < end; ++n) {
    uint64_t offset = backing_batch_offset (d->batch, n - from), old;

    if (offset == 0)
      continue;
    backing_claim (&d->backing, offset, BACKING_BLOCK, 1);
    pthread_rwlock_wrlock (&slots_lock);
    old = d->offsets[n];
    d->offsets[n] = offset;
    d->tags[n] = tags[n];
    pthread_rwlock_unlock (&slots_lock);
    if (old != 0)
      backing_release (&d->backing, old, BACKING_BLOCK, 1);
  }
  backing_batch_reset (d->batch);
  return ok;
}

static enum fake_disk
any_disk (struct disk *d)
{
  return (enum fake_disk) rng_below (&d->rng, FAKE_DISK_POWER_LOST + 1);
}

/* End server N in a random way, or all its connections. */
static void
harm (struct disk *d, unsigned n, bool *away)
{
  struct fake_server *p = d->replicas[n];

  switch (rng_below (&d->rng, 6)) {
  case 0: p->send_left = (int64_t) rng_below (&d->rng, 300000); break;
  case 1: p->receive_left = (int64_t) rng_below (&d->rng, 300000); break;
  case 2: fake_server_cut (p); break;
  case 3:
    fake_server_leave (p);
    fake_server_return (p, any_disk (d));
    break;
  case 4:
    fake_server_leave (p);
    *away = true;
    break;
  default:
    p->error = 28;
    p->errors = (unsigned) rng_below (&d->rng, 20);
  }
}

/* Wait until server N is in sync and known to be: it may have come back just
 * now with an empty disk.  Its threads must have ended before their counters
 * can be set.
 */
static void
heal (struct disk *d, unsigned n)
{
  struct fake_server *p = d->replicas[n];

  leave (d, n);
  p->send_left = p->receive_left = -1;
  p->errors = 0;
  come_back (d, n, FAKE_DISK_KEPT);
  EVENTUALLY (resynced (d) && has_all_connections (d, n));
}

/* A replica that is in sync can be reached at any time. */
TEST (anything)
{
  struct disk *d = start_disk ();
  unsigned rounds = unit_scaled (400), puts = 0;
  pthread_t threads[READERS];
  unsigned victim = 0;
  bool away = false;

  d->replicas[1]->no_trim = true;
  shared = d;
  enough = false;
  put_in_time (d, 0, 150);
  put_in_time (d, 150, SLOTS);
  for (uintptr_t i = 0; i < READERS; ++i)
    assert_int_equal (pthread_create (&threads[i], NULL, read_on,
                                      (void *) i), 0);
  for (unsigned round = 0; round < rounds; ++round) {
    unsigned from = (unsigned) rng_below (&d->rng, SLOTS - 60);

    if (rng_below (&d->rng, 3) == 0 && !away)
      harm (d, victim, &away);
    puts += put_beside_readers (d, from, from + 1
                                + (unsigned) rng_below (&d->rng, 60));
    if (rng_below (&d->rng, 4) == 0)
      backing_give_back (&d->backing, 0);
    for (unsigned i = (unsigned) rng_below (&d->rng, 4); i > 0; --i)
      backing_resync (&d->backing);
    if (away && rng_below (&d->rng, 3) == 0) {
      fake_server_return (d->replicas[victim], any_disk (d));
      away = false;
    }
    /* Then the other server fails, when this one has all pages. */
    if (rng_below (&d->rng, 20) == 0 && !away) {
      heal (d, victim);
      victim = 1 - victim;
    }
  }
  enough = true;
  for (unsigned i = 0; i < READERS; ++i)
    pthread_join (threads[i], NULL);
  if (away)
    fake_server_return (d->replicas[victim], FAKE_DISK_KEPT);
  heal (d, victim);
  assert_both (d);
  assert_true (puts > rounds / 4 && reads_done > 0);
  stop_disk (d);
}

/* ---- closing ---- */

struct answer {
  struct fake_server *server;
  useconds_t pause;
};

static void *
answer_soon (void *opaque)
{
  const struct answer *a = opaque;

  usleep (a->pause);
  a->server->mute = false;
  return NULL;
}

/* Threads of the second replica look at the first one when their server comes
 * back empty.  The address sanitizer reports it if that was freed by then.
 */
TEST (closed_while_a_half_comes_back)
{
  for (unsigned i = 0; i < 30; ++i) {
    struct disk *d = start_disk ();
    unsigned second = member_of (d, 1) == 1 ? 1 : 0, before;
    struct fake_server *p = d->replicas[second];
    struct answer answer = { p, (useconds_t) (i * 7919 % 3000) };
    pthread_t thread;

    EVENTUALLY (has_all_connections (d, second));
    before = p->connections;
    fake_server_leave (p);
    p->mute = true;
    fake_server_return (p, FAKE_DISK_EMPTY);
    EVENTUALLY (p->connections >= before + NBD_CONNECTIONS_MAX);
    assert_int_equal (pthread_create (&thread, NULL, answer_soon,
                                      &answer), 0);
    close_disk (d);
    pthread_join (thread, NULL);
    free_disk (d);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (closed_while_a_half_comes_back),
    cmocka_unit_test (anything),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("replicated-threads", tests, NULL, NULL);
}
