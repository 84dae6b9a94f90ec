/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD client, whose connections to a fake server end at any byte: a read
 * gives the right data or an error, and what is reported as written is
 * written.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "lib/backing/nbd-client.h"
#include "tests/fake/server.h"
#include "tests/lib/backing.h"
#include "tests/lib/nbd-client.h"

#include <cmocka.h>

/* Connections end at each of the first bytes, and at some later ones. */
static int64_t
next_cut (int64_t cut)
{
  return cut < 48 ? cut + 1 : cut + 1500;
}

TEST (cut_reads)
{
  struct fake_server *p = start_server (false);
  struct nbd_client *f = start_client (p, LONG);
  struct nbd_client_stats st;
  uint64_t n = 1;

  for (int64_t cut = 0; cut < 28; ++cut) {
    p->receive_left = cut;
    assert_block (f, n++);
    assert_int_equal (p->receive_left, -1);
  }
  for (int64_t cut = 0; cut < 16 + BACKING_BLOCK; cut = next_cut (cut)) {
    p->send_left = cut;
    assert_block (f, n++);
    assert_int_equal (p->send_left, -1);
  }
  nbd_client_get_stats (f, &st);
  assert_true (st.reconnects >= 28 + 48);
  nbd_client_close (f);
  fake_server_stop (p);
}

/* A write that fails says whether it may have been executed. */
static void
cut_write (struct fake_server *p, struct nbd_client *f, uint64_t n,
           bool must_be_sure)
{
  uint8_t data[2 * BACKING_BLOCK];
  bool unsure = false;
  int r;

  object_fill (data, sizeof data, (uint32_t) ~n);
  wait_for_connections (f, 1);
  r = write_blocks (f, data, n, 2, &unsure);
  if (r == -1) {
    assert_int_equal (errno, ENOTCONN);
    assert_true (unsure);
    wait_for_connections (f, 1);
    assert_int_equal (write_blocks (f, data, n, 2, &unsure), 0);
  } else
    assert_false (must_be_sure);
  assert_false (unsure);
  assert_memory_equal (p->disk + n * BACKING_BLOCK, data, sizeof data);
}

TEST (cut_writes)
{
  struct fake_server *p = start_server (false);
  struct nbd_client *f = start_client (p, LONG);
  uint64_t n = 1;

  for (int64_t cut = 0; cut < 28 + 2 * BACKING_BLOCK; cut = next_cut (cut)) {
    p->receive_left = cut;
    cut_write (p, f, n++, true);
    assert_int_equal (p->receive_left, -1);
  }
  for (int64_t cut = 0; cut < 16; ++cut) {
    p->send_left = cut;
    cut_write (p, f, n++, true);
    assert_int_equal (p->send_left, -1);
  }
  /* All other blocks are unchanged. */
  for (; n < DISK / BACKING_BLOCK; n += 7)
    assert_block (f, n + 1 < DISK / BACKING_BLOCK ? n + 1 : n);
  nbd_client_close (f);
  fake_server_stop (p);
}

/* ... while it is being made again. */
TEST (cut_handshakes)
{
  struct fake_server *p = start_server (false);
  struct nbd_client *f = start_client (p, LONG);
  unsigned step = unit_quick () ? 23 : 5;

  for (int64_t cut = 0; cut < 120; cut += step) {
    wait_for_connections (f, 1);
    fake_server_leave (p);
    p->send_left = cut;
    fake_server_return (p, FAKE_DISK_KEPT);
    assert_block (f, (uint64_t) cut + 1);
    p->send_left = -1;
    fake_server_leave (p);
    p->receive_left = cut;
    fake_server_return (p, FAKE_DISK_KEPT);
    assert_block (f, (uint64_t) cut + 2);
    p->receive_left = -1;
  }
  nbd_client_close (f);
  fake_server_stop (p);
}

/* A request behind the end fails, and ends no connection. */
TEST (behind_the_end)
{
  uint8_t block[BACKING_BLOCK] = { 0 };
  struct fake_server *p = start_server (true);
  struct nbd_client *f = start_client (p, LONG);
  struct nbd_client_stats st;
  bool unsure = true;

  assert_int_equal (nbd_client_read (f, block, sizeof block, DISK, true), -1);
  assert_int_equal (errno, EIO);
  assert_int_equal (write_blocks (f, block, DISK / BACKING_BLOCK, 1, &unsure),
                    -1);
  assert_false (unsure);
  assert_int_equal (
    nbd_client_trim (f, DISK - BACKING_BLOCK, 2 * BACKING_BLOCK, &unsure), -1);
  assert_false (unsure);
  nbd_client_get_stats (f, &st);
  assert_int_equal (st.connections, NBD_CONNECTIONS_MAX);
  assert_int_equal (st.reconnects, 0);
  nbd_client_close (f);
  fake_server_stop (p);
}

/* What was reported as written survives, if the server has FUA. */
TEST (power_lost)
{
  uint8_t data[8 * BACKING_BLOCK];
  bool unsure;

  for (unsigned turn = 0; turn < 4; ++turn) {
    struct fake_server *p = start_server (turn / 2);
    struct nbd_client *f;

    p->no_fua = turn % 2;
    f = start_client (p, LONG);
    for (unsigned i = 0; i < 8; ++i)
      fill_block (data + i * BACKING_BLOCK, 700 + i);
    assert_int_equal (write_blocks (f, data, 100, 8, &unsure), 0);
    fake_server_leave (p);
    fake_server_return (p, p->no_fua ? FAKE_DISK_KEPT : FAKE_DISK_POWER_LOST);
    assert_memory_equal (p->disk + 100 * BACKING_BLOCK, data, sizeof data);
    assert_block (f, 7);

    /* A server with other features may come back. */
    fake_server_leave (p);
    wait_for_connections (f, 0);
    p->no_fua = !p->no_fua;
    fake_server_return (p, FAKE_DISK_KEPT);
    wait_for_connections (f, p->multi_conn ? NBD_CONNECTIONS_MAX : 1);
    assert_int_equal (write_blocks (f, data, 200, 8, &unsure), 0);
    assert_memory_equal ((p->no_fua ? p->disk : p->durable)
                         + 200 * BACKING_BLOCK, data, sizeof data);
    nbd_client_close (f);
    fake_server_stop (p);
  }
}

/* ---- all at once ---- */

#define READERS 6

static struct nbd_client *shared;
static _Atomic bool enough;
static _Atomic unsigned reads_done;

static void *
read_on (void *opaque)
{
  struct rng rng = { .state = (uintptr_t) opaque + unit_seed () };

  while (!enough) {
    /* The writer uses the second half of the disk. */
    assert_block (shared, 1 + rng_below (&rng, DISK / BACKING_BLOCK / 2 - 1));
    reads_done++;
  }
  return NULL;
}

TEST (many)
{
  static uint8_t data[MIB];
  struct rng rng = { .state = unit_seed () };
  unsigned written = 0, rounds = unit_scaled (300);
  struct fake_server *p = start_server (true);
  uint64_t first = DISK / BACKING_BLOCK / 2;
  pthread_t threads[READERS];
  bool unsure;

  shared = start_client (p, LONG);
  enough = false;
  for (uintptr_t i = 0; i < READERS; ++i)
    assert_int_equal (pthread_create (&threads[i], NULL, read_on,
                                      (void *) i), 0);
  for (unsigned round = 0; round < rounds; ++round) {
    unsigned blocks = 1 + (unsigned) rng_below (&rng, 256);
    uint64_t n = first + rng_below (&rng, 700);

    object_fill (data, blocks * BACKING_BLOCK, round + 7);
    if (rng_below (&rng, 8) == 0)
      p->send_left = (int64_t) rng_below (&rng, 200000);
    if (rng_below (&rng, 8) == 0)
      p->receive_left = (int64_t) rng_below (&rng, 200000);
    if (write_blocks (shared, data, n, blocks, &unsure) == 0) {
      assert_memory_equal (p->disk + n * BACKING_BLOCK, data,
                           blocks * BACKING_BLOCK);
      written++;
    } else if (!nbd_client_is_connected (shared))
      usleep (50000);
  }
  assert_true (written > 0);
  enough = true;
  for (unsigned i = 0; i < READERS; ++i)
    pthread_join (threads[i], NULL);
  assert_true (reads_done > 0);
  nbd_client_close (shared);
  fake_server_stop (p);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (cut_reads),
    cmocka_unit_test (cut_writes),
    cmocka_unit_test (cut_handshakes),
    cmocka_unit_test (behind_the_end),
    cmocka_unit_test (power_lost),
    cmocka_unit_test (many),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("nbd-client-cuts", tests, NULL, NULL);
}
