/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replicated pair of which one server fails: while a replica that is in sync
 * can be reached, each page is as it was written last, and blocks that a
 * replica has missed are never read.
 */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/backing/replicated.h"
#include "lib/base/os.h"
#include "tests/fake/server.h"
#include "tests/lib/replicated.h"

#include <cmocka.h>

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
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("replicated-failures", tests, NULL,
                                      NULL);
}
