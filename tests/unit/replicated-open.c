/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a replicated pair, or one of it: what may be away, of another size,
 * or unusable.
 */

#include <config.h>

#include <string.h>

#include "lib/backing/replicated.h"
#include "tests/fake/server.h"
#include "tests/lib/replicated.h"

#include <cmocka.h>

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (from_one_to_two_and_back),
    cmocka_unit_test (one_alone_is_away),
    cmocka_unit_test (begins_with_one),
    cmocka_unit_test (one_goes_at_start),
    cmocka_unit_test (of_two_sizes),
    cmocka_unit_test (one_has_shrunk),
    cmocka_unit_test (refusals),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("replicated-open", tests, NULL, NULL);
}
