/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD client, with a fake server: refusals, wrong disks, and a server that
 * is away, does not answer, or answers with errors.
 */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/backing/nbd-client.h"
#include "tests/fake/server.h"
#include "tests/lib/backing.h"
#include "tests/lib/nbd-client.h"

#include <cmocka.h>

static uint64_t
seconds (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec;
}

/* ---- without faults ---- */

/* The same before the threads are started. */
TEST (requests)
{
  static uint8_t data[MIB];
  struct io_run runs[3];
  bool unsure;

  for (unsigned turn = 0; turn < 4; ++turn) {
    struct fake_server *p = start_server (turn & 1);
    struct nbd_client *f = turn < 2 ? open_client (p, LONG)
                                 : start_client (p, LONG);

    assert_true (nbd_client_is_connected (f));
    for (uint64_t n = 1; n < 20; ++n)
      assert_block (f, n);
    object_fill (data, sizeof data, turn);
    runs[0] = (struct io_run) { data, 300 * KIB, MIB };
    runs[1] = (struct io_run) { data + 300 * KIB, 4 * KIB, 3 * MIB };
    runs[2] = (struct io_run) { data + 304 * KIB, 720 * KIB, 5 * MIB };
    assert_int_equal (nbd_client_write (f, runs, 3, &unsure), 0);
    for (unsigned i = 0; i < 3; ++i)
      assert_memory_equal (p->disk + runs[i].offset, runs[i].data,
                           runs[i].length);
    assert_int_equal (nbd_client_trim (f, 3 * MIB, 4 * KIB, &unsure), 0);
    assert_int_equal (p->trimmed, 4 * KIB);
    assert_int_equal (nbd_client_write (f, runs, 0, &unsure), 0);
    nbd_client_close (f);
    assert_int_equal (said, 0);
    fake_server_stop (p);
  }
}

TEST (refusals)
{
  const struct nbd_client_options o = {
    .uri = "nbd+unix:///?socket=/nonexistent/socket", .timeout = LONG,
  };
  char error[256] = "";

  assert_null (nbd_client_open (&o, error, sizeof error));
  assert_non_null (strstr (error, "No such file"));
  nbd_client_close (NULL);
}

/* ---- away at first ---- */

/* What opening usually finds is found when the server comes. */
TEST (away_at_first)
{
  for (unsigned turn = 0; turn < 4; ++turn) {
    struct fake_server *p = start_server (turn & 1);
    const struct nbd_client_options o = {
      .uri = p->uri, .timeout = turn < 2 ? LONG : 1, .may_be_away = true,
    };
    uint8_t block[BACKING_BLOCK];
    char error[256] = "";
    struct nbd_client *f;

    fake_server_leave (p);
    f = nbd_client_open (&o, error, sizeof error);
    assert_non_null (f);
    assert_non_null (strstr (error, "No such file"));
    assert_int_equal (nbd_client_size (f), 0);
    assert_false (nbd_client_is_connected (f));
    assert_int_equal (nbd_client_read (f, block, sizeof block, 0, true), -1);
    assert_int_equal (errno, ENOTCONN);
    nbd_client_disconnect (f);
    assert_int_equal (nbd_client_start (f, is_right, NULL), 0);
    if (turn < 2) {
      fake_server_return (p, FAKE_DISK_KEPT);
      assert_block (f, 1);      /* waits for it */
      wait_for_connections (f, turn & 1 ? NBD_CONNECTIONS_MAX : 1);
      assert_int_equal (nbd_client_size (f), DISK);
      assert_true (nbd_client_can_trim (f));
    } else {
      assert_int_equal (nbd_client_read (f, block, sizeof block, 0, true), -1);
      assert_int_equal (errno, ETIMEDOUT);
    }
    nbd_client_close (f);
    if (turn >= 2)
      fake_server_return (p, FAKE_DISK_KEPT);
    fake_server_stop (p);
  }
}

/* A server that can't be used is not away. */
TEST (unusable)
{
  struct fake_server *p = start_server (false);
  const struct nbd_client_options o = {
    .uri = p->uri, .timeout = LONG, .may_be_away = true,
  };
  char error[256] = "";

  p->read_only = true;
  assert_null (nbd_client_open (&o, error, sizeof error));
  assert_string_equal (error, "it is read-only");
  fake_server_stop (p);
}

/* ---- the wrong disk ---- */

TEST (wrong)
{
  uint8_t block[BACKING_BLOCK];
  struct nbd_client_stats st;
  bool unsure = true;

  for (unsigned turn = 0; turn < 2; ++turn) {
    struct fake_server *p = start_server (turn == 1);
    struct nbd_client *f = start_client (p, LONG);

    /* One connection finds the wrong disk for all. */
    said = 0;
    fake_server_fill (p, 0, 1, 'X');
    p->send_left = 0;
    nbd_client_read (f, block, sizeof block, BACKING_BLOCK, false);
    wait_for_connections (f, 0);
    do
      nbd_client_get_stats (f, &st);
    while (!st.is_wrong);
    assert_int_equal (nbd_client_read (f, block, sizeof block, BACKING_BLOCK,
                                       true), -1);
    assert_int_equal (errno, EIO);
    p->writes = 0;
    assert_int_equal (write_blocks (f, block, 1, 1, &unsure), -1);
    assert_false (unsure);
    assert_int_equal (p->writes, 0);

    fake_server_fill (p, 0, 1, RIGHT);
    wait_for_connections (f, turn == 1 ? NBD_CONNECTIONS_MAX : 1);
    assert_block (f, 1);
    assert_uint_in_range (said, 2, 3);

    /* The server that came back can't trim. */
    fake_server_leave (p);
    wait_for_connections (f, 0);
    p->no_trim = true;
    fake_server_return (p, FAKE_DISK_KEPT);
    wait_for_connections (f, turn == 1 ? NBD_CONNECTIONS_MAX : 1);
    assert_false (nbd_client_can_trim (f));
    nbd_client_close (f);
    fake_server_stop (p);
  }
  said = 0;
}

/* ---- no answer ---- */

TEST (mute)
{
  uint8_t block[BACKING_BLOCK] = { 0 };

  for (unsigned turn = 0; turn < 2; ++turn) {
    struct fake_server *p = start_server (turn == 1);
    struct nbd_client *f = start_client (p, 3);
    uint64_t start = seconds ();
    bool unsure = false;

    p->mute = true;
    assert_int_equal (nbd_client_read (f, block, sizeof block, BACKING_BLOCK,
                                       true), -1);
    assert_int_equal (errno, ETIMEDOUT);
    assert_true (seconds () - start >= 2);
    p->mute = false;
    assert_block (f, 1);

    p->mute = true;
    assert_int_equal (nbd_client_read (f, block, sizeof block, BACKING_BLOCK,
                                       false), -1);
    assert_int_equal (errno, ENOTCONN);
    p->mute = false;
    assert_block (f, 1);

    p->mute = true;
    assert_int_equal (write_blocks (f, block, 1, 1, &unsure), -1);
    assert_true (unsure);
    p->mute = false;
    assert_block (f, 2);
    nbd_client_close (f);
    fake_server_stop (p);
  }
}

/* ---- errors of the server ---- */

static void
answer (struct fake_server *p, int err, unsigned times)
{
  p->error = err;
  p->errors = times;
}

TEST (answers)
{
  struct fake_server *p = start_server (false);
  struct nbd_client *f = start_client (p, LONG);
  uint8_t block[BACKING_BLOCK] = { 0 };
  struct nbd_client_stats st;
  bool unsure = true;

  answer (p, 28, 1);            /* ENOSPC */
  assert_int_equal (write_blocks (f, block, 1, 1, &unsure), -1);
  assert_int_equal (errno, ENOSPC);
  assert_false (unsure);
  answer (p, 5, 1);             /* EIO */
  assert_int_equal (nbd_client_read (f, block, sizeof block, BACKING_BLOCK,
                                     true), -1);
  assert_int_equal (errno, EIO);
  assert_block (f, 1);
  nbd_client_get_stats (f, &st);
  assert_int_equal (st.reconnects, 0);

  /* The server shuts down: the next one answers. */
  answer (p, 108, 1);           /* ESHUTDOWN */
  assert_block (f, 2);
  nbd_client_get_stats (f, &st);
  assert_int_equal (st.reconnects, 1);
  nbd_client_close (f);
  fake_server_stop (p);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (requests),
    cmocka_unit_test (refusals),
    cmocka_unit_test (away_at_first),
    cmocka_unit_test (unusable),
    cmocka_unit_test (wrong),
    cmocka_unit_test (mute),
    cmocka_unit_test (answers),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("nbd-client", tests, NULL, NULL);
}
