/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replicated pair on two fake servers: while a replica that is in sync can
 * be reached, each page is as it was written last, and blocks that a replica
 * has missed are never read.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/backing/replicated.h"
#include "lib/base/os.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/devices.h"
#include "tests/fake/server.h"
#include "tests/lib/backing.h"

#include <cmocka.h>

#define DISK (8 * MIB)
#define SLOTS 300

/* Seconds: longer than anything takes that must succeed. */
#define LONG 600

struct disk {
  struct fake_server *replicas[BACKING_REPLICAS];
  struct backing_record record;
  struct backing_sums sums;
  struct backing_options options;
  struct backing backing;
  struct budget budget;
  struct backing_batch *batch;
  struct rng rng;
  struct backing_error error;
  uint64_t offsets[SLOTS];      /* 0: not there */
  uint32_t tags[SLOTS];
};

static _Atomic unsigned said;   /* lines of the log */

static void
count_line (const char *text)
{
  assert_null (strchr (text, '\n'));
  assert_int_equal (strncmp (text, "backing=nbd+unix:", 17), 0);
  said++;
}

/* ---- opening ---- */

static int
try_open (struct disk *d, const char *path, const char *other)
{
  d->options.path = path;
  d->options.other_path = other;
  return backing_open (&d->backing, &d->options, &d->error);
}

static void
assert_refused (struct disk *d, const char *path, const char *other,
                enum backing_error_reason reason)
{
  struct backing_record before = d->record;

  assert_int_equal (try_open (d, path, other), -1);
  assert_int_equal (d->error.reason, reason);
  assert_int_equal (d->budget.used, 0);
  assert_memory_equal (&before, &d->record, sizeof before);
}

static void
assert_unusable (struct disk *d, const char *path, const char *other,
                 const char *words)
{
  assert_refused (d, path, other, BACKING_ERROR_UNUSABLE);
  if (!strstr (d->error.detail, words))
    fail_msg ("'%s' is not '%s'", d->error.detail, words);
}

static void
fail_open (const struct disk *d)
{
  char text[512];

  backing_error_text (&d->error, text, sizeof text);
  fail_msg ("%s", text);
}

/* Attach, if the pool has pages. */
static void
attach (struct disk *d)
{
  if (!d->backing.taken_over) {
    for (unsigned n = 0; n < SLOTS; ++n)
      if (d->offsets[n] != 0) {
        assert_true (backing_contains (&d->backing, d->offsets[n],
                                       BACKING_BLOCK));
        backing_claim (&d->backing, d->offsets[n], BACKING_BLOCK, 1);
      }
    assert_int_equal (backing_attach_done (&d->backing), 0);
  }
  assert_int_equal (backing_start (&d->backing), 0);
  d->batch = backing_batch_new (&d->backing, MIB, false);
  assert_non_null (d->batch);
}

static void
open_disk (struct disk *d, const char *path, const char *other)
{
  if (try_open (d, path, other) == -1)
    fail_open (d);
  attach (d);
}

/* Open both replicas in a random order, which must not matter. */
static void
open_both (struct disk *d)
{
  unsigned first = (unsigned) rng_below (&d->rng, 2);

  open_disk (d, d->replicas[first]->uri, d->replicas[1 - first]->uri);
}

static void
close_disk (struct disk *d)
{
  const char *wrong = backing_check (&d->backing);

  if (wrong)
    fail_msg ("invariant: %s", wrong);
  backing_batch_free (d->batch);
  d->batch = NULL;
  backing_close (&d->backing);
  assert_int_equal (d->budget.used, 0);
}

static struct disk *
new_disk (void)
{
  struct disk *d = aligned_alloc (CACHE_LINE,
                                  align_up (sizeof *d, CACHE_LINE));

  assert_non_null (d);
  memset (d, 0, sizeof *d);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    d->replicas[i] = fake_server_start (DISK);
    d->replicas[i]->multi_conn = true;
  }
  d->rng.state = unit_seed ();
  d->sums = sums_start ();
  d->options = (struct backing_options) {
    .page_size = 4096, .pool_id = "a pool", .pool_is_kept = true,
    .pool_fd = -1, .budget = &d->budget, .timeout = LONG,
    .record = &d->record, .sums = &d->sums, .log = count_line,
  };
  return d;
}

/* After its backing file was closed. */
static void
free_disk (struct disk *d)
{
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    fake_server_stop (d->replicas[i]);
  sums_stop (&d->sums);
  free (d);
}

static void
stop_disk (struct disk *d)
{
  close_disk (d);
  free_disk (d);
}

/* ---- the replicas ---- */

/* The number of the replica on server N. */
static unsigned
member_of (struct disk *d, unsigned n)
{
  struct backing_replica st;

  backing_get_replica (&d->backing, 0, &st);
  return strcmp (st.uri, d->replicas[n]->uri) == 0 ? 0 : 1;
}

static struct backing_replica
look_at (struct disk *d, unsigned n)
{
  struct backing_replica st;

  assert_true (backing_get_replica (&d->backing, member_of (d, n), &st));
  return st;
}

static enum backing_state
state_of (struct disk *d)
{
  int error;

  return backing_get_state (&d->backing, &error);
}

static uint64_t
size_of (struct disk *d)
{
  struct backing_stats st;

  backing_get_stats (&d->backing, &st);
  return st.size;
}

/* Wait until the condition is true. */
#define EVENTUALLY(condition)                                           \
  for (unsigned i_ = 0; !(condition); ++i_) {                           \
    if (i_ > 12000)                                                     \
      fail_msg ("line %d: not in time: %s", __LINE__, #condition);      \
    usleep (5000);                                                      \
  }

static bool
is_connected (struct disk *d, unsigned n)
{
  return look_at (d, n).connections > 0;
}

/* With all of them, none has still to notice that it ended. */
static bool
has_all_connections (struct disk *d, unsigned n)
{
  return look_at (d, n).connections == NBD_CONNECTIONS_MAX;
}

static bool
resynced (struct disk *d)
{
  while (backing_resync (&d->backing))
    ;
  return look_at (d, 0).in_sync && look_at (d, 1).in_sync;
}

/* The start waits only a moment for a connection, so wait here for both. */
static void
open_complete (struct disk *d)
{
  open_both (d);
  EVENTUALLY (is_connected (d, 0) && is_connected (d, 1) && resynced (d));
}

static struct disk *
start_disk (void)
{
  struct disk *d = new_disk ();

  open_complete (d);
  return d;
}

static void
leave (struct disk *d, unsigned n)
{
  fake_server_leave (d->replicas[n]);
  EVENTUALLY (!is_connected (d, n));
}

static void
come_back (struct disk *d, unsigned n, enum fake_disk disk)
{
  fake_server_return (d->replicas[n], disk);
  EVENTUALLY (is_connected (d, n));
}

/* ---- pages ---- */

/* Write new objects to slots FROM to END. */
static int
put (struct disk *d, unsigned from, unsigned end)
{
  uint8_t object[BACKING_BLOCK];
  uint32_t tags[SLOTS];
  int r;

  assert_true (end - from < 250);
  for (unsigned n = from; n < end; ++n) {
    tags[n] = (uint32_t) rng_next (&d->rng) | 1;
    object_fill (object, sizeof object, tags[n]);
    assert_int_equal (backing_batch_add (d->batch, object, sizeof object,
                                         true), n - from);
  }
  r = backing_flush (d->batch);
  for (unsigned n = from; r == 0 && n < end; ++n) {
    uint64_t offset = backing_batch_offset (d->batch, n - from);

    if (offset == 0)
      continue;
    backing_claim (&d->backing, offset, BACKING_BLOCK, 1);
    if (d->offsets[n] != 0)
      backing_release (&d->backing, d->offsets[n], BACKING_BLOCK, 1);
    d->offsets[n] = offset;
    d->tags[n] = tags[n];
  }
  backing_batch_reset (d->batch);
  return r;
}

static bool
try_put (struct disk *d, unsigned from, unsigned end)
{
  return put (d, from, end) == 0;
}

static void
put_in_time (struct disk *d, unsigned from, unsigned end)
{
  EVENTUALLY (try_put (d, from, end));
}

static void
drop (struct disk *d, unsigned n)
{
  if (d->offsets[n] != 0)
    backing_release (&d->backing, d->offsets[n], BACKING_BLOCK, 1);
  d->offsets[n] = 0;
}

/* 1: slot N has its object, 0: another one, -1: it can't be read. */
static int
try_read (struct disk *d, unsigned n, bool patient)
{
  static _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  uint8_t object[BACKING_BLOCK];
  void *found = patient
    ? backing_read (&d->backing, d->offsets[n], BACKING_BLOCK, buf)
    : backing_read_now (&d->backing, d->offsets[n], BACKING_BLOCK, buf);

  object_fill (object, sizeof object, d->tags[n]);
  return !found ? -1 : memcmp (found, object, sizeof object) == 0;
}

static void
assert_all (struct disk *d)
{
  for (unsigned n = 0; n < SLOTS; ++n)
    if (d->offsets[n] != 0 && try_read (d, n, true) != 1)
      fail_msg ("slot %u can't be read, or is not what it was", n);
}

static void
assert_none (struct disk *d)
{
  for (unsigned n = 0; n < SLOTS; ++n)
    if (d->offsets[n] != 0)
      assert_int_equal (try_read (d, n, false), -1);
}

/* Each replica has all pages. */
static void
assert_both (struct disk *d)
{
  uint8_t object[BACKING_BLOCK];

  for (unsigned n = 0; n < SLOTS; ++n)
    for (unsigned i = 0; d->offsets[n] != 0 && i < BACKING_REPLICAS; ++i) {
      object_fill (object, sizeof object, d->tags[n]);
      assert_memory_equal (d->replicas[i]->disk + d->offsets[n], object,
                           sizeof object);
    }
}

/* ---- without faults ---- */

TEST (written_to_both)
{
  struct disk *d = start_disk ();
  struct backing_stats st;

  assert_true (d->backing.taken_over);
  assert_int_equal (d->record.in_sync, 3);
  assert_int_equal (put (d, 0, 200), 0);
  assert_both (d);
  assert_memory_not_equal (d->replicas[0]->disk, d->replicas[1]->disk, 64);
  assert_all (d);
  /* Each replica had a part of the reads. */
  assert_true (d->replicas[0]->reads > 50 && d->replicas[1]->reads > 50);
  EVENTUALLY (look_at (d, 0).connections == NBD_CONNECTIONS_MAX
              && look_at (d, 1).connections == NBD_CONNECTIONS_MAX);
  backing_get_stats (&d->backing, &st);
  assert_int_equal (st.connections, 2 * NBD_CONNECTIONS_MAX);
  assert_int_equal (st.size, DISK);
  assert_int_equal (state_of (d), BACKING_OK);
  assert_false (backing_resync (&d->backing));

  d->replicas[0]->trimmed = d->replicas[1]->trimmed = 0;
  for (unsigned n = 0; n < 100; ++n)
    drop (d, n);
  backing_give_back (&d->backing, 0);
  assert_int_equal (d->replicas[0]->trimmed, 100 * BACKING_BLOCK);
  assert_int_equal (d->replicas[1]->trimmed, 100 * BACKING_BLOCK);
  for (unsigned i = 0; i < 4; ++i) {
    close_disk (d);
    open_both (d);
    assert_false (d->backing.taken_over);
    assert_int_equal (d->record.in_sync, 3);
    assert_all (d);
  }
  assert_int_equal (said, 0);
  stop_disk (d);
}

/* ---- one server fails ---- */

/* Either server goes away and comes back. */
TEST (one_is_away)
{
  for (unsigned n = 0; n < BACKING_REPLICAS; ++n) {
    struct disk *d = start_disk ();

    put_in_time (d, 0, 200);
    leave (d, n);
    assert_all (d);
    /* It has missed nothing. */
    assert_true (look_at (d, n).in_sync);
    assert_int_equal (look_at (d, n).state, BACKING_AWAY);
    assert_int_equal (state_of (d), BACKING_DEGRADED);
    come_back (d, n, FAKE_DISK_KEPT);
    assert_int_equal (d->record.in_sync, 3);
    assert_true (resynced (d));

    leave (d, n);
    put_in_time (d, 50, 150);
    assert_false (look_at (d, n).in_sync);
    assert_int_equal (look_at (d, n).left, 100 * BACKING_BLOCK);
    assert_all (d);
    drop (d, 60);
    come_back (d, n, FAKE_DISK_KEPT);
    d->replicas[n]->writes = 0;
    EVENTUALLY (resynced (d));
    /* It got the blocks that it had missed, and no more. */
    assert_uint_in_range (d->replicas[n]->writes, 1, 99);
    assert_both (d);
    leave (d, 1 - n);
    assert_all (d);
    put_in_time (d, 0, 10);
    assert_all (d);
    come_back (d, 1 - n, FAKE_DISK_KEPT);
    EVENTUALLY (resynced (d));
    assert_both (d);
    stop_disk (d);
  }
}

/* A replica that lacks blocks is not read from, by this process or by a later
 * one.
 */
TEST (stale_is_never_read)
{
  for (unsigned n = 0; n < BACKING_REPLICAS; ++n) {
    struct disk *d = start_disk ();

    put_in_time (d, 0, 200);
    leave (d, n);
    put_in_time (d, 0, 200);
    /* Freed blocks are used again: the old replica has other pages there.
     */
    put_in_time (d, 0, 200);
    come_back (d, n, FAKE_DISK_KEPT);
    d->replicas[n]->reads = 0;
    assert_all (d);
    d->backing.replicated->options.timeout = 1;
    leave (d, 1 - n);
    d->backing.counters.read_errors = 0;
    assert_none (d);
    assert_int_equal (d->backing.counters.read_errors, 0);
    assert_int_equal (try_read (d, 7, true), -1);
    assert_int_equal (d->backing.counters.read_errors, 1);
    assert_int_equal (state_of (d), BACKING_AWAY);
    assert_int_equal (put (d, 0, 10), -1);
    assert_false (resynced (d));
    assert_none (d);
    assert_int_equal (d->replicas[n]->reads, 0);
    close_disk (d);

    assert_unusable (d, d->replicas[0]->uri, d->replicas[1]->uri,
                     "lacks pages");
    assert_string_equal (d->error.path, d->replicas[n]->uri);
    assert_unusable (d, d->replicas[n]->uri, NULL, "lacks pages");
    fake_server_return (d->replicas[1 - n], FAKE_DISK_KEPT);
    open_both (d);
    assert_false (look_at (d, n).in_sync);
    assert_all (d);
    EVENTUALLY (resynced (d));
    leave (d, 1 - n);
    assert_all (d);
    close_disk (d);

    /* Both have all pages: one is enough to attach. */
    open_both (d);
    assert_all (d);
    assert_int_equal (d->record.in_sync, 3);
    put_in_time (d, 0, 20);
    assert_int_equal (__builtin_popcountll (d->record.in_sync), 1);
    fake_server_return (d->replicas[1 - n], FAKE_DISK_KEPT);
    EVENTUALLY (is_connected (d, 1 - n));
    EVENTUALLY (resynced (d));
    assert_both (d);
    stop_disk (d);
  }
}

/* A server comes back with an empty disk, while pages are read. */
TEST (back_with_nothing)
{
  for (unsigned n = 0; n < BACKING_REPLICAS; ++n) {
    struct disk *d = start_disk ();

    d->replicas[n]->no_trim = d->replicas[1 - n]->no_trim = n == 1;
    put_in_time (d, 0, 200);
    for (unsigned turn = 0; turn < 3; ++turn) {
      fake_server_leave (d->replicas[n]);
      fake_server_return (d->replicas[n], FAKE_DISK_EMPTY);
      /* Not by looking at it first. */
      for (unsigned i = 0; i < 20; ++i)
        assert_all (d);
      if (turn == 1)
        put_in_time (d, 0, 100);
      EVENTUALLY (!look_at (d, n).in_sync);
      EVENTUALLY (resynced (d));
      assert_both (d);
    }
    /* During its resync, it loses its content again. */
    fake_server_leave (d->replicas[n]);
    fake_server_return (d->replicas[n], FAKE_DISK_EMPTY);
    EVENTUALLY (!look_at (d, n).in_sync && is_connected (d, n));
    EVENTUALLY (backing_resync (&d->backing) && backing_resync (&d->backing));
    leave (d, n);
    come_back (d, n, FAKE_DISK_EMPTY);
    EVENTUALLY (resynced (d));
    assert_both (d);
    leave (d, 1 - n);
    assert_all (d);

    /* The last replica that has all pages can't be replaced. */
    fake_server_leave (d->replicas[n]);
    put (d, 0, 2);
    fake_server_return (d->replicas[n], FAKE_DISK_EMPTY);
    EVENTUALLY (look_at (d, n).state == BACKING_WRONG);
    assert_none (d);
    assert_true (look_at (d, n).in_sync);
    fake_server_return (d->replicas[1 - n], FAKE_DISK_KEPT);
    EVENTUALLY (!look_at (d, n).in_sync);
    EVENTUALLY (resynced (d));
    assert_both (d);
    stop_disk (d);
  }
}

/* During its resync, it loses its content without losing a connection. */
TEST (emptied_while_mended)
{
  struct disk *d = start_disk ();

  put_in_time (d, 0, 200);
  leave (d, 0);
  put_in_time (d, 0, 20);
  come_back (d, 0, FAKE_DISK_KEPT);
  EVENTUALLY (has_all_connections (d, 0));
  /* If its header were checked before the resync writes, the server would be
   * treated like any that comes back empty.
   */
  d->backing.replicated->replicas[member_of (d, 0)].disk.verified_at
    = os_milliseconds () + LONG * UINT64_C (1000);
  fake_server_fill (d->replicas[0], 0, 2 * MIB, 0);
  /* What it got is now something else to it. */
  EVENTUALLY (!resynced (d) && look_at (d, 0).state == BACKING_WRONG);
  assert_false (look_at (d, 0).in_sync);
  assert_all (d);
  stop_disk (d);
}

/* It comes back with other content, which must not be overwritten. */
TEST (back_as_another)
{
  struct disk *d = start_disk ();

  put_in_time (d, 0, 100);
  leave (d, 0);
  memset (d->replicas[0]->disk, 'x', BACKING_BLOCK);
  fake_server_return (d->replicas[0], FAKE_DISK_KEPT);
  EVENTUALLY (look_at (d, 0).state == BACKING_WRONG);
  assert_all (d);
  put_in_time (d, 0, 50);
  assert_false (resynced (d));
  assert_int_equal (d->replicas[0]->disk[5], 'x');

  /* The first block is blank, but not the next ones. */
  fake_server_leave (d->replicas[0]);
  memset (d->replicas[0]->disk, 0, DISK);
  d->replicas[0]->disk[MIB - 1] = 'x';
  fake_server_return (d->replicas[0], FAKE_DISK_KEPT);
  EVENTUALLY (is_connected (d, 0));
  d->replicas[0]->writes = 0;
  EVENTUALLY (!resynced (d) && look_at (d, 0).state == BACKING_WRONG);
  assert_int_equal (d->replicas[0]->writes, 0);
  assert_all (d);
  stop_disk (d);
}

/* It comes back as if nothing had happened, but has lost writes that it had
 * not confirmed.
 */
TEST (power_lost)
{
  for (unsigned n = 0; n < BACKING_REPLICAS; ++n) {
    struct disk *d = start_disk ();

    put_in_time (d, 0, 200);
    leave (d, n);
    come_back (d, n, FAKE_DISK_POWER_LOST);
    assert_true (look_at (d, n).in_sync);
    assert_both (d);

    /* What its resync writes is as durable. */
    leave (d, n);
    put_in_time (d, 50, 150);
    come_back (d, n, FAKE_DISK_KEPT);
    EVENTUALLY (resynced (d));
    leave (d, n);
    come_back (d, n, FAKE_DISK_POWER_LOST);
    assert_both (d);
    stop_disk (d);
  }
}

/* ---- writes that end halfway ---- */

static int64_t
next_cut (int64_t cut)
{
  return cut < 60 ? cut + 7 : cut + (unit_quick () ? 17000 : 5000);
}

TEST (cut_writes)
{
  struct disk *d = start_disk ();
  uint64_t free_for_it = DISK / BACKING_BLOCK - 2 * SLOTS;

  put_in_time (d, 0, 20);
  for (int64_t cut = 0; cut < 25 * BACKING_BLOCK; cut = next_cut (cut)) {
    struct fake_server *p = d->replicas[rng_below (&d->rng, 2)];
    bool sends = rng_below (&d->rng, 4) == 0;

    if (sends && cut < 100)
      p->send_left = cut;
    else
      p->receive_left = cut;
    assert_int_equal (put (d, 0, 20), 0);
    assert_all (d);
    leave (d, p != d->replicas[0]);
    p->receive_left = p->send_left = -1;
    come_back (d, p != d->replicas[0], rng_below (&d->rng, 2) == 0
               ? FAKE_DISK_KEPT : FAKE_DISK_POWER_LOST);
    EVENTUALLY (resynced (d));
    assert_both (d);
    assert_null (backing_check (&d->backing));
    /* Blocks that may still be written are pinned until the next attach. */
    if (d->backing.used > free_for_it) {
      close_disk (d);
      open_complete (d);
    }
  }
  stop_disk (d);
}

/* The server answers with errors, like one that is full. */
TEST (one_is_full)
{
  struct disk *d = start_disk ();

  put_in_time (d, 0, 50);
  d->replicas[1]->error = 28;   /* ENOSPC */
  d->replicas[1]->errors = 1000000;
  assert_int_equal (put (d, 0, 50), 0);
  assert_false (look_at (d, 1).in_sync);
  assert_all (d);
  assert_false (resynced (d));
  d->replicas[1]->errors = 0;
  EVENTUALLY (resynced (d));
  assert_both (d);

  /* Errors of both: nothing is lost, and both stay in sync. */
  d->replicas[0]->error = d->replicas[1]->error = 28;
  d->replicas[0]->errors = d->replicas[1]->errors = 1000000;
  assert_int_equal (put (d, 0, 50), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (d->record.in_sync, 3);
  d->replicas[0]->errors = d->replicas[1]->errors = 0;
  assert_all (d);

  /* A read that fails goes to the other replica. */
  for (unsigned n = 0; n < 50; ++n) {
    d->replicas[n % 2]->error = 5;
    d->replicas[n % 2]->errors = 1;
    assert_int_equal (try_read (d, n, true), 1);
    d->replicas[n % 2]->errors = 0;
  }
  stop_disk (d);
}

/* Only blocks that the replica in sync can't read are missing on the other. */
TEST (one_has_a_bad_block)
{
  struct disk *d = start_disk ();

  put_in_time (d, 0, 200);
  leave (d, 0);
  put_in_time (d, 0, 200);
  d->replicas[1]->bad = d->offsets[50];
  come_back (d, 0, FAKE_DISK_KEPT);
  EVENTUALLY (!resynced (d) && look_at (d, 0).left == BACKING_BLOCK);
  assert_int_equal (try_read (d, 50, true), -1);
  put_in_time (d, 50, 51);
  EVENTUALLY (resynced (d));
  assert_both (d);
  stop_disk (d);
}

/* A server hangs, and requests wait for it only a few seconds. */
TEST (one_hangs)
{
  struct disk *d = start_disk ();

  put_in_time (d, 0, 50);
  d->replicas[1]->mute = true;
  assert_all (d);
  assert_int_equal (d->record.in_sync, 3);
  put_in_time (d, 0, 50);
  assert_all (d);
  d->replicas[1]->mute = false;
  EVENTUALLY (resynced (d));
  assert_both (d);
  stop_disk (d);
}

/* The disk of a server hangs: it is connected to again and again, but requests
 * don't wait for it each time.
 */
TEST (one_hangs_at_writes)
{
  struct disk *d = start_disk ();
  unsigned waits = 0;
  uint64_t began;

  put_in_time (d, 0, 50);
  d->replicas[1]->mute_writes = true;
  for (unsigned i = 0; i < 8; ++i) {
    EVENTUALLY (is_connected (d, 1));
    began = os_milliseconds ();
    assert_int_equal (put (d, 0, 50), 0);
    /* It is dropped after about three seconds. */
    waits += os_milliseconds () - began >= 2000;
  }
  assert_uint_in_range (waits, 1, 5);
  assert_all (d);
  d->replicas[1]->mute_writes = false;
  EVENTUALLY (resynced (d));
  assert_both (d);
  stop_disk (d);
}

/* ---- attaching ---- */

TEST (from_one_to_two_and_back)
{
  for (unsigned turn = 0; turn < 4; ++turn) {
    struct disk *d = new_disk ();
    unsigned first = turn & 1, then = turn >> 1;
    struct fake_server *one = d->replicas[first],
                       *other = d->replicas[1 - first];

    open_disk (d, one->uri, NULL);
    put_in_time (d, 0, 200);
    close_disk (d);
    d->record.in_sync = 0;      /* as earlier versions had it */
    open_disk (d, then ? one->uri : other->uri, then ? other->uri : one->uri);
    assert_all (d);
    assert_true (look_at (d, first).in_sync);
    assert_false (look_at (d, 1 - first).in_sync);
    EVENTUALLY (resynced (d));
    assert_both (d);
    close_disk (d);

    /* The new replica alone: the old one then lacks what is written. */
    open_disk (d, other->uri, NULL);
    put_in_time (d, 0, 50);
    assert_all (d);
    close_disk (d);
    assert_unusable (d, one->uri, NULL, "lacks pages");
    open_both (d);
    assert_false (look_at (d, first).in_sync);
    assert_all (d);
    EVENTUALLY (resynced (d));
    assert_both (d);
    stop_disk (d);
  }
}

/* How a single export comes back that was away when it was opened. */
struct comeback {
  unsigned timeout;             /* seconds that a read waits */
  uint64_t wrong_size;          /* of another disk that answers first; 0: none
                                 * does */
  uint64_t size;
  bool is_blank, is_wrong;
};

/* The size of a wrong disk that answers first does not count. */
static void
answer_as_another (struct disk *d, struct fake_server *p, uint64_t size)
{
  memset (p->disk, 'x', BACKING_BLOCK);
  p->size = size;
  fake_server_return (p, FAKE_DISK_KEPT);
  EVENTUALLY (state_of (d) == BACKING_WRONG);
  fake_server_leave (p);
  memcpy (p->disk, p->durable, BACKING_BLOCK);
}

/* It is used again.  What is behind its end is not given back, but all else,
 * with slot N.
 */
static void
assert_used_again (struct disk *d, struct fake_server *p, unsigned n)
{
  EVENTUALLY (state_of (d) == BACKING_OK);
  assert_all (d);
  put_in_time (d, 0, 100);
  assert_all (d);
  assert_int_equal (size_of (d), p->size);
  p->trimmed = 0;
  drop (d, n);
  backing_give_back (&d->backing, 0);
  assert_uint_in_range (p->trimmed, DISK / 4, p->size);
}

static void
comes_back (struct disk *d, struct fake_server *p, const struct comeback *c,
            unsigned turn)
{
  fake_server_leave (p);
  d->options.timeout = c->timeout;
  open_disk (d, p->uri, NULL);
  assert_false (d->backing.taken_over);
  assert_int_equal (state_of (d), BACKING_AWAY);
  assert_int_equal (size_of (d), DISK);
  assert_int_equal (try_read (d, 7, c->timeout < LONG), -1);
  assert_int_equal (put (d, 0, 10), -1);
  drop (d, 10 + turn);
  if (c->wrong_size != 0)
    answer_as_another (d, p, c->wrong_size);
  if (c->is_blank)
    memset (p->disk, 0, BACKING_BLOCK);
  p->size = c->size;
  fake_server_return (p, FAKE_DISK_KEPT);
  if (c->is_wrong) {
    EVENTUALLY (state_of (d) == BACKING_WRONG);
    assert_none (d);
    assert_int_equal (put (d, 0, 10), -1);
  } else
    assert_used_again (d, p, 100 + turn);
  close_disk (d);
  p->size = DISK;
  if (c->is_blank)
    memcpy (p->disk, p->durable, BACKING_BLOCK);
}

/* Its size and its id must be known, or it can't be opened while it is
 * away.
 */
static void
assert_must_be_known (struct disk *d, struct fake_server *p)
{
  fake_server_leave (p);
  d->record.blocks = 0;
  assert_unusable (d, p->uri, NULL, "No such file");
  d->record.blocks = 2;
  assert_int_equal (try_open (d, p->uri, NULL), 0);
  assert_false (backing_contains (&d->backing, d->offsets[200 - 1],
                                  BACKING_BLOCK));
  assert_true (d->backing.may_be_larger);
  backing_close (&d->backing);
  d->record.blocks = DISK / BACKING_BLOCK;
  p->size = 0;
  fake_server_return (p, FAKE_DISK_KEPT);
  assert_refused (d, p->uri, NULL, BACKING_ERROR_TOO_SMALL);
  fake_server_leave (p);
  p->size = DISK;
  fake_server_return (p, FAKE_DISK_KEPT);
}

/* A single export that has pages may be away when it is opened.  When it comes
 * back, it is checked as usual.
 */
TEST (one_alone_is_away)
{
  static const struct comeback comebacks[] = {
    { .timeout = 1, .size = DISK },
    { .timeout = LONG, .size = DISK, .is_blank = true, .is_wrong = true },
    { .timeout = LONG, .size = 100 * BACKING_BLOCK, .is_wrong = true },
    { .timeout = LONG, .size = DISK / 2 },
    { .timeout = LONG, .size = DISK, .wrong_size = DISK / 2 },
    { .timeout = LONG, .size = DISK / 2, .wrong_size = DISK },
  };
  struct disk *d = new_disk ();
  struct fake_server *p = d->replicas[0];

  fake_server_leave (p);
  assert_unusable (d, p->uri, NULL, "No such file");
  fake_server_return (p, FAKE_DISK_KEPT);
  open_disk (d, p->uri, NULL);
  put_in_time (d, 0, 200);
  close_disk (d);
  for (unsigned turn = 0; turn < ARRAY_SIZE (comebacks); ++turn)
    comes_back (d, p, &comebacks[turn], turn);
  assert_must_be_known (d, p);

  open_both (d);
  assert_int_equal (d->record.blocks, DISK / BACKING_BLOCK);
  EVENTUALLY (resynced (d));
  close_disk (d);
  fake_server_leave (p);
  assert_unusable (d, p->uri, NULL, "No such file");
  open_disk (d, d->replicas[1]->uri, NULL);
  assert_all (d);
  close_disk (d);
  /* Now the other replica is expected. */
  open_disk (d, p->uri, NULL);
  fake_server_return (p, FAKE_DISK_KEPT);
  EVENTUALLY (state_of (d) == BACKING_WRONG);
  assert_none (d);
  stop_disk (d);
}

TEST (begins_with_one)
{
  struct disk *d = new_disk ();

  fake_server_leave (d->replicas[0]);
  open_both (d);
  put_in_time (d, 0, 100);
  assert_all (d);
  come_back (d, 0, FAKE_DISK_EMPTY);
  EVENTUALLY (resynced (d));
  assert_both (d);
  stop_disk (d);
}

/* A server that goes away while it is checked, after any byte that it gets or
 * sends, is treated as one that was away; with pages, and without.
 */
TEST (one_goes_at_start)
{
  for (unsigned turn = 0; turn < unit_scaled (40); ++turn) {
    struct disk *d = new_disk ();
    struct fake_server *p;
    int64_t cut;

    d->rng.state += turn;
    p = d->replicas[rng_below (&d->rng, 2)];
    /* After the handshake, most of the time. */
    cut = (int64_t) rng_below (&d->rng, turn % 4 ? 2 * BACKING_BLOCK : 300);
    if (rng_below (&d->rng, 3) > 0) {
      open_complete (d);
      put_in_time (d, 0, 50);
      EVENTUALLY (resynced (d));
      close_disk (d);
    }
    /* Its threads must have ended before their counters can be set. */
    fake_server_leave (p);
    if (rng_below (&d->rng, 2) == 0)
      p->send_left = cut;
    else
      p->receive_left = cut;
    fake_server_return (p, FAKE_DISK_KEPT);
    open_both (d);
    assert_all (d);
    put_in_time (d, 0, 100);
    EVENTUALLY (resynced (d));
    assert_all (d);
    assert_both (d);
    stop_disk (d);
  }
}

/* A smaller replica bounds what is used, and can't get blocks beyond its end.
 */
TEST (of_two_sizes)
{
  struct disk *d = new_disk ();

  d->replicas[0]->size = DISK / 2;
  open_complete (d);
  assert_int_equal (size_of (d), DISK / 2);
  put_in_time (d, 0, 100);
  assert_both (d);
  close_disk (d);

  fake_server_leave (d->replicas[0]);
  open_both (d);
  assert_int_equal (size_of (d), DISK);
  put_in_time (d, 0, 100);
  d->replicas[0]->size = 16 * BACKING_BLOCK;
  fake_server_return (d->replicas[0], FAKE_DISK_KEPT);
  EVENTUALLY (is_connected (d, 0));
  assert_false (resynced (d));
  assert_all (d);
  /* ... and does not limit the use of the other one. */
  put_in_time (d, 0, 100);
  assert_int_equal (size_of (d), DISK);
  assert_false (resynced (d));
  close_disk (d);

  /* It has room for all pages, and must have room for new ones. */
  fake_server_leave (d->replicas[0]);
  open_both (d);
  d->replicas[0]->size = DISK / 2;
  fake_server_return (d->replicas[0], FAKE_DISK_KEPT);
  EVENTUALLY (resynced (d));
  assert_both (d);
  assert_int_equal (size_of (d), DISK / 2);
  stop_disk (d);
}

/* A replica in sync becomes smaller than its pages need: no page is lost, even
 * though its header is still there.
 */
TEST (one_has_shrunk)
{
  for (unsigned n = 0; n < BACKING_REPLICAS; ++n) {
    struct disk *d = start_disk ();

    put_in_time (d, 0, 200);
    close_disk (d);
    assert_int_equal (d->record.in_sync, 3);
    d->replicas[n]->size = 100 * BACKING_BLOCK;
    open_both (d);
    EVENTUALLY (!look_at (d, n).in_sync);
    assert_all (d);
    put_in_time (d, 0, 100);
      assert_int_equal (size_of (d), DISK);
    assert_false (resynced (d));
    assert_all (d);
    close_disk (d);

    d->replicas[n]->size = DISK;
    open_both (d);
    EVENTUALLY (resynced (d));
    assert_both (d);
    close_disk (d);

    /* ... while it is away. */
    fake_server_leave (d->replicas[n]);
    open_both (d);
    assert_true (look_at (d, n).in_sync);
    d->replicas[n]->size = 100 * BACKING_BLOCK;
    fake_server_return (d->replicas[n], FAKE_DISK_KEPT);
    EVENTUALLY (!look_at (d, n).in_sync && is_connected (d, n));
    put_in_time (d, 0, 100);
    assert_all (d);
    d->replicas[n]->size = DISK;
    stop_disk (d);
  }
}

TEST (refusals)
{
  struct disk *d = new_disk ();
  char *uris[BACKING_REPLICAS] = { d->replicas[0]->uri, d->replicas[1]->uri };

  assert_unusable (d, uris[0], "/tmp/file", "both replicas");
  assert_unusable (d, "/tmp/file", uris[0], "both replicas");
  assert_unusable (d, uris[0], "nbd+unix:///?socket=s", "slash");
  d->replicas[1]->read_only = true;
  assert_unusable (d, uris[0], uris[1], "read-only");
  assert_string_equal (d->error.path, uris[1]);
  d->replicas[1]->read_only = false;
  d->replicas[1]->disk[MIB - 1] = 1;
  assert_refused (d, uris[0], uris[1], BACKING_ERROR_OCCUPIED);
  assert_string_equal (d->error.path, uris[1]);
  assert_refused (d, uris[1], uris[0], BACKING_ERROR_OCCUPIED);
  d->replicas[1]->disk[MIB - 1] = 0;

  /* Nothing was written to either. */
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    assert_int_equal (d->replicas[i]->writes, 0);
  d->options.pool_id[0] ^= 1;
  open_disk (d, uris[1], NULL);
  close_disk (d);
  d->options.pool_id[0] ^= 1;
  d->record.has = 0;
  assert_refused (d, uris[0], uris[1], BACKING_ERROR_OTHER_POOL);
  assert_string_equal (d->error.path, uris[1]);
  memset (d->replicas[1]->disk, 0, BACKING_BLOCK);

  fake_server_leave (d->replicas[0]);
  fake_server_leave (d->replicas[1]);
  assert_unusable (d, uris[0], uris[1], "No such file");
  fake_server_return (d->replicas[0], FAKE_DISK_KEPT);
  fake_server_return (d->replicas[1], FAKE_DISK_KEPT);

  assert_int_equal (try_open (d, uris[0], uris[0]), -1);
  assert_non_null (strstr (d->error.detail, "the same export"));
  assert_int_equal (d->record.has, 0);
  open_both (d);
  close_disk (d);
  assert_unusable (d, uris[1], uris[1], "the same export");

  /* Neither of them is the expected one. */
  memset (d->replicas[0]->disk, 0, BACKING_BLOCK);
  memset (d->replicas[1]->disk, 0, BACKING_BLOCK);
  assert_refused (d, uris[0], uris[1], BACKING_ERROR_UNEXPECTED);
  d->record.has = 0;
  open_both (d);
  stop_disk (d);
}

/* ---- a replica that has lost its last writes, but not its header ---- */

#define PAGES 2000

/* Open a pool with the replicas of D. */
static struct device *
open_pool (struct disk *d, struct unit_pool *u)
{
  const struct writeback_options o = {
    .path = d->replicas[0]->uri, .other_path = d->replicas[1]->uri,
    .timeout = LONG, .log = count_line,
  };
  struct device *device;

  assert_int_equal (unit_open (u, "lz4", BACKING_BLOCK, true, 0), 0);
  unit_detach (u);
  u->pool = pool_open (&u->options);
  assert_non_null (u->pool);
  if (pool_open_writeback (u->pool, &o, &d->error) == -1)
    fail_open (d);
  assert_int_equal (pool_start (u->pool), ATTACH_OK);
  device = device_open (u->pool, "", PAGES * BACKING_BLOCK);
  assert_non_null (device);
  assert_int_equal (backing_start (u->pool->backing), 0);
  return device;
}

static void
write_pages (struct device *device, unsigned tag, unsigned step)
{
  uint8_t page[BACKING_BLOCK];

  for (uint64_t i = 0; i < PAGES; i += step) {
    data_realistic (page, sizeof page, tag + i);
    assert_int_equal (device_write (device, page, sizeof page,
                                    i * sizeof page), 0);
  }
}

static void
assert_pages (struct device *device, unsigned tag, unsigned later,
              unsigned step)
{
  uint8_t page[BACKING_BLOCK], expected[BACKING_BLOCK];

  for (uint64_t i = 0; i < PAGES; ++i) {
    data_realistic (expected, sizeof expected, (i % step ? tag : later) + i);
    if (device_read (device, page, sizeof page, i * sizeof page) == -1)
      fail_msg ("page %u can't be read", (unsigned) i);
    assert_memory_equal (page, expected, sizeof page);
  }
}

/* Its older pages are not accepted, and not copied to the other replica. */
TEST (one_has_forgotten)
{
  for (unsigned n = 0; n < 2 * BACKING_REPLICAS; ++n) {
    struct disk *d = new_disk ();
    struct fake_server *p = d->replicas[n / 2];
    const struct selection all = select_type (PAGES_ALL);
    struct writeback_result r;
    struct unit_pool u;
    struct device *device = open_pool (d, &u);

    write_pages (device, 1000, 1);
    assert_int_equal (pool_write_back (u.pool, &all, NULL, &r), 0);
    assert_true (r.written > PAGES / 2);
    memset (p->disk + BACKING_BLOCK, 0, DISK - BACKING_BLOCK);
    if (n % 2) {
      uint64_t used = u.pool->backing->used;

      write_pages (device, 5000, 2);
      assert_int_equal (pool_clean (u.pool, NULL), 0);
      assert_true (u.pool->backing->used < used);
    }
    assert_pages (device, 1000, n % 2 ? 5000 : 1000, 2);
    assert_true (u.pool->counters.checksum_errors > 0);
    unit_close (&u);
    free_disk (d);
  }
}

/* ---- a pool that starts while its only export is away ---- */

/* Attach the pool of U with the first export of D, of which BLOCKS blocks are
 * known; 0: as many as the pool's record says.
 */
static enum attach_result
attach_single (struct disk *d, struct unit_pool *u, uint64_t blocks)
{
  const struct writeback_options o = {
    .path = d->replicas[0]->uri, .timeout = LONG, .log = count_line,
  };

  u->pool = pool_open (&u->options);
  assert_non_null (u->pool);
  if (blocks > 0)
    pool_file_backing (&u->pool->file)->blocks = blocks;
  if (pool_open_writeback (u->pool, &o, &d->error) == -1)
    fail_open (d);
  return pool_start (u->pool);
}

/* A page beyond the known end is not taken for a damaged one. */
TEST (pages_beyond_the_known_end)
{
  struct disk *d = new_disk ();
  const struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;
  struct unit_pool u;
  struct device *device;
  uint64_t blocks;

  assert_int_equal (unit_open (&u, "lz4", BACKING_BLOCK, true, 0), 0);
  unit_detach (&u);
  assert_int_equal (attach_single (d, &u, 0), ATTACH_OK);
  device = device_open (u.pool, "", PAGES * BACKING_BLOCK);
  assert_non_null (device);
  assert_int_equal (backing_start (u.pool->backing), 0);
  write_pages (device, 1000, 1);
  assert_int_equal (pool_write_back (u.pool, &all, NULL, &r), 0);
  assert_true (r.written > PAGES / 2);
  blocks = pool_file_backing (&u.pool->file)->blocks;
  unit_detach (&u);

  fake_server_leave (d->replicas[0]);
  assert_int_equal (attach_single (d, &u, 2), ATTACH_BACKING_UNKNOWN);
  unit_detach (&u);
  assert_int_equal (attach_single (d, &u, blocks), ATTACH_OK);
  assert_int_equal (u.pool->counters.bad_slots, 0);
  fake_server_return (d->replicas[0], FAKE_DISK_KEPT);
  unit_close (&u);
  free_disk (d);
}

/* ---- corrupt replicas ---- */

struct pair {
  struct disk *d;
  struct unit_pool u;
  struct device *device;
};

static void
write_all_back (struct pair *p)
{
  const struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;

  assert_int_equal (pool_write_back (p->u.pool, &all, NULL, &r), 0);
  assert_true (r.written > PAGES / 2);
}

/* Write pages to both replicas, and keep none in memory. */
static void
begin_pair (struct pair *p, unsigned tag)
{
  p->d = new_disk ();
  p->device = open_pool (p->d, &p->u);
  write_pages (p->device, tag, 1);
  write_all_back (p);
}

static void
end_pair (struct pair *p)
{
  assert_pool_ok (p->u.pool);
  unit_close (&p->u);
  free_disk (p->d);
}

static struct backing_replica
member_of_pair (struct pair *p, unsigned n)
{
  struct backing_replica st;

  assert_true (backing_get_replica (p->u.pool->backing, 0, &st));
  if (strcmp (st.uri, p->d->replicas[n]->uri) != 0)
    assert_true (backing_get_replica (p->u.pool->backing, 1, &st));
  return st;
}

static bool
pair_is_whole (struct pair *p)
{
  while (backing_resync (p->u.pool->backing))
    ;
  return member_of_pair (p, 0).in_sync && member_of_pair (p, 1).in_sync;
}

/* 1: page I is that of TAG, 0: another one, -1: it can't be read. */
static int
look_at_page (struct pair *p, uint64_t i, unsigned tag)
{
  uint8_t page[BACKING_BLOCK], expected[BACKING_BLOCK];

  data_realistic (expected, sizeof expected, tag + i);
  if (device_read (p->device, page, sizeof page, i * sizeof page) == -1)
    return -1;
  return memcmp (page, expected, sizeof page) == 0;
}

/* Lose a part of the used blocks, in percent. */
static void
lose_part (struct pair *p, unsigned replica, unsigned from, unsigned end)
{
  uint64_t used = p->u.pool->backing->used;

  fake_server_fill (p->d->replicas[replica],
                    (1 + used * from / 100) * BACKING_BLOCK,
                    (used * end / 100 - used * from / 100) * BACKING_BLOCK, 0);
}

/* The first read finds the corrupt replica, which is then resynced, so that
 * the other one may be lost.
 */
TEST (one_goes_back)
{
  static uint8_t snapshot[DISK];

  for (unsigned n = 0; n < BACKING_REPLICAS; ++n) {
    struct pair p;
    uint64_t i = 0;

    begin_pair (&p, 1000);
    fake_server_get (p.d->replicas[n], 0, snapshot, DISK);
    write_pages (p.device, 5000, 1);
    write_all_back (&p);
    fake_server_put (p.d->replicas[n], 0, snapshot, DISK);
    while (member_of_pair (&p, n).in_sync && i < PAGES)
      assert_int_equal (look_at_page (&p, i++, 5000), 1);
    assert_true (i < PAGES / 10);
    assert_true (p.u.pool->counters.bd_stale > 0);
    assert_true (member_of_pair (&p, !n).in_sync);
    EVENTUALLY (pair_is_whole (&p));
    lose_part (&p, !n, 0, 100);
    assert_pages (p.device, 5000, 5000, 1);
    end_pair (&p);
  }
}

/* Each replica has lost blocks that the other one has. */
TEST (both_lack_something)
{
  struct pair p;

  begin_pair (&p, 1000);
  lose_part (&p, 0, 0, 30);
  lose_part (&p, 1, 40, 100);
  for (uint64_t i = 0; i < PAGES; ++i) {
    assert_int_equal (look_at_page (&p, i, 1000), 1);
    if (i % 3 == 0)
      backing_resync (p.u.pool->backing);
  }
  EVENTUALLY (pair_is_whole (&p));
  write_all_back (&p);
  assert_pages (p.device, 1000, 1000, 1);
  end_pair (&p);
}

/* Blocks that both replicas have lost can't be read.  Neither replica is
 * marked corrupt for them, and a resync does not copy them.
 */
TEST (neither_has_it)
{
  struct pair p;
  unsigned errors = 0;

  begin_pair (&p, 1000);
  lose_part (&p, 0, 50, 60);
  lose_part (&p, 1, 50, 55);
  for (uint64_t i = 0; i < PAGES; ++i) {
    int r = look_at_page (&p, i, 1000);

    assert_true (r != 0);
    errors += r == -1;
  }
  assert_true (errors > 0 && errors < PAGES / 5);
  assert_true (p.u.pool->counters.bd_stale >= errors);
  EVENTUALLY (pair_is_whole (&p));
  for (uint64_t i = 0; i < PAGES; ++i)
    if (look_at_page (&p, i, 1000) == -1)
      errors--;
  assert_int_equal (errors, 0);
  end_pair (&p);
}

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
    cmocka_unit_test (written_to_both),
    cmocka_unit_test (one_is_away),
    cmocka_unit_test (stale_is_never_read),
    cmocka_unit_test (back_with_nothing),
    cmocka_unit_test (emptied_while_mended),
    cmocka_unit_test (back_as_another),
    cmocka_unit_test (power_lost),
    cmocka_unit_test (cut_writes),
    cmocka_unit_test (one_is_full),
    cmocka_unit_test (one_has_a_bad_block),
    cmocka_unit_test (one_hangs),
    cmocka_unit_test (one_hangs_at_writes),
    cmocka_unit_test (from_one_to_two_and_back),
    cmocka_unit_test (one_alone_is_away),
    cmocka_unit_test (begins_with_one),
    cmocka_unit_test (one_goes_at_start),
    cmocka_unit_test (of_two_sizes),
    cmocka_unit_test (one_has_shrunk),
    cmocka_unit_test (refusals),
    cmocka_unit_test (one_has_forgotten),
    cmocka_unit_test (pages_beyond_the_known_end),
    cmocka_unit_test (closed_while_a_half_comes_back),
    cmocka_unit_test (one_goes_back),
    cmocka_unit_test (both_lack_something),
    cmocka_unit_test (neither_has_it),
    cmocka_unit_test (anything),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("mirror", tests, NULL, NULL);
}
