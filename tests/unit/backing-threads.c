/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers, owners of slots and maintenance, all at the same time. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/backing.h"

#include <cmocka.h>

#include "lib/base/mutex.h"

/* Few slots, and objects of one length, so that places are soon used again;
 * but so many that blocks which are partly dead are cleaned, which a small
 * store would not need.  All of them fit into a batch.
 */
#define SLOTS 600
#define LENGTH 1300
#define READERS 2

struct shared_slot {
  pthread_mutex_t lock;
  uint64_t offset;              /* 0: not in the file */
  uint32_t tag;
};

static struct store *store;
static struct shared_slot slots[SLOTS];
static _Atomic unsigned filled; /* slots that are in the file */
static _Atomic bool stop;
static _Atomic unsigned wrong;

/* ---- requests ---- */

/* Returns whether there was something to check. */
static bool
read_slot (struct shared_slot *slot)
{
  _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  uint8_t expected[LENGTH];
  unsigned phase = backing_read_begin (&store->backing);
  uint64_t offset;
  uint32_t tag;
  bool same = false, ok = true;

  {
    LOCK_FOR_SCOPE (&slot->lock);
    offset = slot->offset;
    tag = slot->tag;
  }
  if (offset != 0) {
    void *object = backing_read (&store->backing, offset, LENGTH, buf);

    /* An object that was truncated meanwhile need not be readable. */
    object_fill (expected, LENGTH, tag);
    ok = object && memcmp (object, expected, LENGTH) == 0;
    /* The page path knows only the bits of the slot, no tag. */
    LOCK_FOR_SCOPE (&slot->lock);
    same = slot->offset == offset;
  }
  backing_read_end (&store->backing, phase);
  if (same && !ok)
    wrong++;
  return same;
}

static void
drop_slot (struct shared_slot *slot)
{
  uint64_t offset;

  {
    LOCK_FOR_SCOPE (&slot->lock);
    offset = slot->offset;
    slot->offset = 0;
  }
  if (offset != 0) {
    filled--;
    backing_release (&store->backing, offset, LENGTH, 1);
  }
}

/* On a busy machine, maintenance runs seldom: half of the slots stay filled,
 * so that there are objects to read, and blocks that are partly dead.
 */
static void *
make_requests (void *seed)
{
  struct rng rng = { .state = (uintptr_t) seed };

  unsigned checked = 0;

  while (wrong == 0 && (checked < unit_scaled (10000)
                        || store->backing.counters.clean_bytes == 0)) {
    struct shared_slot *slot = &slots[rng_below (&rng, SLOTS)];

    if (rng_below (&rng, 4) == 0 && filled > SLOTS / 2)
      drop_slot (slot);
    else
      checked += read_slot (slot);
  }
  return NULL;
}

/* ---- maintenance ---- */

static void
publish (unsigned n, uint64_t offset, uint64_t old, uint32_t tag)
{
  struct shared_slot *slot = &slots[n];
  uint64_t unused = offset;

  backing_claim (&store->backing, offset, LENGTH, 1);
  {
    LOCK_FOR_SCOPE (&slot->lock);
    if (slot->offset == old) {
      filled += old == 0;
      slot->offset = offset;
      slot->tag = tag;
      unused = old;
    }
  }
  if (unused != 0)
    backing_release (&store->backing, unused, LENGTH, 1);
}

static void
publish_batch (struct backing_batch *batch, const unsigned *numbers,
               unsigned count, const uint64_t *old, const uint32_t *tags)
{
  if (backing_flush (batch) == 0)
    for (unsigned i = 0; i < count; ++i)
      if (backing_batch_offset (batch, i) != 0)
        publish (numbers[i], backing_batch_offset (batch, i), old[i],
                 tags[i]);
  backing_batch_reset (batch);
}

/* Write all slots that are not in the file, or move those of victims. */
static void
maintain_slots (bool clean)
{
  static _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  struct backing_batch *batch = clean ? store->cleaning : store->fresh;
  unsigned numbers[SLOTS], count = 0;
  uint64_t old[SLOTS];
  uint32_t tags[SLOTS];

  for (unsigned n = 0; n < SLOTS; ++n) {
    void *object = buf;

    {
      LOCK_FOR_SCOPE (&slots[n].lock);
      old[count] = slots[n].offset;
      tags[count] = slots[n].tag;
    }
    if (clean) {
      if (old[count] == 0
          || !backing_is_victim (&store->backing, old[count], LENGTH))
        continue;
      object = backing_read (&store->backing, old[count], LENGTH, buf);
      if (!object)
        continue;
    }
    else if (old[count] != 0)
      continue;
    else {
      tags[count] = (uint32_t) rng_next (&store->rng);
      object_fill (object, LENGTH, tags[count]);
    }
    if (backing_batch_add (batch, object, LENGTH, false) != (int) count)
      wrong++;
    numbers[count++] = n;
  }
  publish_batch (batch, numbers, count, old, tags);
}

static void *
maintain (void *unused)
{
  (void) unused;
  while (!stop) {
    struct backing_stats st;
    int error;

    maintain_slots (false);
    if (backing_choose_victims (&store->backing, MIB) != 0)
      maintain_slots (true);
    backing_cleaning_done (&store->backing);
    if (rng_below (&store->rng, 4) == 0)
      backing_give_back (&store->backing, 0);
    backing_get_stats (&store->backing, &st);
    if (backing_get_state (&store->backing, &error) != BACKING_OK)
      wrong++;
    sched_yield ();
  }
  return NULL;
}

/* So small that freed blocks are soon written again, but with room for all
 * objects twice.
 */
TEST (all_at_once)
{
  pthread_t readers[READERS], maintainer;

  store = store_open (".", 3 * MIB);
  for (unsigned n = 0; n < SLOTS; ++n)
    pthread_mutex_init (&slots[n].lock, NULL);
  stop = false;
  assert_int_equal (pthread_create (&maintainer, NULL, maintain, NULL), 0);
  for (uintptr_t i = 0; i < READERS; ++i)
    assert_int_equal (pthread_create (&readers[i], NULL, make_requests,
                                      (void *) (unit_seed () + i)), 0);
  for (unsigned i = 0; i < READERS; ++i)
    pthread_join (readers[i], NULL);
  stop = true;
  pthread_join (maintainer, NULL);

  assert_int_equal (wrong, 0);
  for (unsigned n = 0; n < SLOTS; ++n) {
    drop_slot (&slots[n]);
    pthread_mutex_destroy (&slots[n].lock);
  }
  assert_int_equal (store->backing.used, 1);
  assert_null (backing_check (&store->backing));
  store_close (store);
}

/* ---- the wait for readers ---- */

static _Atomic bool left;
static _Atomic bool written, written_early;

static ssize_t
watched_pwrite (int fd, const void *buf, size_t len, off_t offset)
{
  written = true;
  if (!left)
    written_early = true;
  return pwrite (fd, buf, len, offset);
}

static void *
flush_store (void *unused)
{
  (void) unused;
  return store_flush (store) == 0 ? NULL : store;
}

/* Nothing is written until all readers have ended: those that began in this
 * phase, and one that read the phase long ago.
 */
static void
try_reader (bool stale)
{
  struct backing_io io = store->backing.io[0];
  const struct backing_io *before = store->backing.io;
  unsigned phase = backing_read_begin (&store->backing);
  uint32_t turned = store->backing.phase;
  pthread_t thread;
  void *failed;

  io.pwrite = watched_pwrite;
  store->backing.io = &io;
  left = written = written_early = false;
  if (stale)                    /* as if it had been interrupted there */
    store->backing.phase ^= 1;
  assert_int_equal (store_put (store, 0, 100), 0);
  assert_int_equal (pthread_create (&thread, NULL, flush_store, NULL), 0);
  while (!written && store->backing.phase == (stale ? turned ^ 1 : turned))
    sched_yield ();
  assert_false (written);
  left = true;
  backing_read_end (&store->backing, phase);
  pthread_join (thread, &failed);
  assert_null (failed);
  assert_true (written);
  assert_false (written_early);
  store->backing.io = before;
}

TEST (readers_are_waited_for)
{
  store = store_open (".", 8 * MIB);
  for (unsigned round = 0; round < unit_scaled (100); ++round) {
    try_reader (false);
    try_reader (true);
  }
  store_check (store);
  store_close (store);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (readers_are_waited_for),
    cmocka_unit_test (all_at_once),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing-threads", tests, NULL, NULL);
}
