/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD client, with a fake server: whatever happens to connections, a read
 * gives the right data or an error, and what is reported as written is
 * written.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/backing/nbd-client.h"
#include "tests/fake/server.h"
#include "tests/lib/backing.h"

#include <cmocka.h>

#define DISK (8 * MIB)

/* Of the first block: what makes it the right one. */
#define RIGHT 'R'

/* Seconds: longer than anything takes that must succeed. */
#define LONG 600

static _Atomic unsigned said;   /* lines of the log */

static void
count_line (const char *text)
{
  assert_null (strchr (text, '\n'));
  said++;
}

static bool
is_right (void *opaque, const void *block)
{
  (void) opaque;
  return *(const char *) block == RIGHT;
}

/* The first content of block N. */
static void
fill_block (uint8_t *block, uint64_t n)
{
  object_fill (block, BACKING_BLOCK, (uint32_t) n + 1);
}

static struct fake_server *
start_server (bool multi_conn)
{
  struct fake_server *p = fake_server_start (DISK);

  p->multi_conn = multi_conn;
  for (uint64_t n = 0; n < DISK / BACKING_BLOCK; ++n)
    fill_block (p->disk + n * BACKING_BLOCK, n);
  p->disk[0] = RIGHT;
  memcpy (p->durable, p->disk, DISK);
  return p;
}

static struct nbd_client *
open_client (struct fake_server *p, unsigned timeout)
{
  const struct nbd_client_options o = {
    .uri = p->uri, .timeout = timeout, .log = count_line,
  };
  char error[256] = "";
  struct nbd_client *f = nbd_client_open (&o, error, sizeof error);

  if (!f)
    fail_msg ("%s", error);
  assert_int_equal (nbd_client_size (f), DISK);
  assert_true (nbd_client_can_trim (f));
  return f;
}

static void
wait_for_connections (struct nbd_client *f, unsigned n)
{
  struct nbd_client_stats st;

  for (unsigned i = 0; i < 6000; ++i) {
    nbd_client_get_stats (f, &st);
    if (st.connections == n)
      return;
    usleep (10000);
  }
  fail_msg ("%u connections", st.connections);
}

static struct nbd_client *
start_client (struct fake_server *p, unsigned timeout)
{
  struct nbd_client *f = open_client (p, timeout);

  nbd_client_disconnect (f);
  assert_false (nbd_client_is_connected (f));
  assert_int_equal (nbd_client_start (f, is_right, NULL), 0);
  wait_for_connections (f, p->multi_conn ? NBD_CONNECTIONS_MAX : 1);
  return f;
}

static void
assert_block (struct nbd_client *f, uint64_t n)
{
  uint8_t block[BACKING_BLOCK], expected[BACKING_BLOCK];

  fill_block (expected, n);
  if (nbd_client_read (f, block, sizeof block, n * BACKING_BLOCK, true) == -1)
    fail_msg ("block %u: %s", (unsigned) n, strerror (errno));
  assert_memory_equal (block, expected, sizeof block);
}

static int
write_blocks (struct nbd_client *f, const uint8_t *data, uint64_t n,
              unsigned blocks, bool *unsure)
{
  const struct io_run run = {
    data, (size_t) blocks * BACKING_BLOCK, n * BACKING_BLOCK,
  };

  return nbd_client_write (f, &run, 1, unsure);
}

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

/* ---- connections that end ---- */

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

/* ---- a backing file on a remote disk ---- */

static void
open_backing (struct backing *b, struct fake_server *p, struct budget *budget,
              struct backing_record *record)
{
  struct backing_error error;
  char text[512];
  const struct backing_options o = {
    .path = p->uri, .page_size = 4096, .pool_id = "a pool", .pool_fd = -1,
    .budget = budget, .timeout = LONG, .record = record,
  };

  if (backing_open (b, &o, &error) == -1) {
    backing_error_text (&error, text, sizeof text);
    fail_msg ("%s", text);
  }
  assert_int_equal (b->blocks, DISK / BACKING_BLOCK);
  if (!b->taken_over)
    backing_attach_done (b);
  assert_int_equal (backing_start (b), 0);
  for (unsigned i = 0; !backing_may_write (b); ++i) {
    assert_true (i < 6000);
    usleep (10000);
  }
}

/* Write one object of a block to each of BLOCKS blocks.  Returns the offset of
 * the first, or 0 with errno.
 */
static uint64_t
write_some (struct backing *b, struct backing_batch *t, unsigned blocks)
{
  static uint8_t object[BACKING_BLOCK];
  uint64_t offset;
  int err;

  for (unsigned i = 0; i < blocks; ++i) {
    object_fill (object, sizeof object, i + 1);
    assert_int_equal (backing_batch_add (t, object, sizeof object, true), i);
  }
  err = backing_flush (t) == 0 ? 0 : errno;
  offset = err == 0 ? backing_batch_offset (t, 0) : 0;
  for (unsigned i = 0; err == 0 && i < blocks; ++i)
    backing_claim (b, backing_batch_offset (t, i), BACKING_BLOCK, 1);
  backing_batch_reset (t);
  errno = err;
  return offset;
}

/* A write that fails now succeeds after a while. */
static uint64_t
write_in_time (struct backing *b, struct backing_batch *t, unsigned blocks)
{
  uint64_t offset = 0;

  for (unsigned i = 0; offset == 0 && i < 6000; ++i) {
    usleep (10000);
    offset = write_some (b, t, blocks);
  }
  assert_true (offset != 0);
  return offset;
}

/* Number I of those that were written together. */
static void
assert_object (struct backing *b, uint64_t offset, unsigned i)
{
  static _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  uint8_t object[BACKING_BLOCK];
  void *found = backing_read (b, offset + i * BACKING_BLOCK, sizeof object,
                              buf);

  object_fill (object, sizeof object, i + 1);
  assert_non_null (found);
  assert_memory_equal (found, object, sizeof object);
}

/* A backing file on a fake server, with ten objects. */
struct written {
  struct fake_server *server;
  struct budget budget;
  struct backing_record record;
  struct backing backing;
  struct backing_batch *batch;
  uint64_t offset;              /* of the first object */
};

static void
begin_written (struct written *w)
{
  *w = (struct written) { .server = fake_server_start (DISK) };
  open_backing (&w->backing, w->server, &w->budget, &w->record);
  w->batch = backing_batch_new (&w->backing, MIB, false);
  w->offset = write_some (&w->backing, w->batch, 10);
  assert_true (w->offset != 0);
}

static void
end_written (struct written *w)
{
  assert_null (backing_check (&w->backing));
  backing_batch_free (w->batch);
  backing_close (&w->backing);
  assert_int_equal (w->budget.used, 0);
  fake_server_stop (w->server);
}

TEST (backing_taken_over_once)
{
  struct written w;
  struct backing *b = &w.backing;

  begin_written (&w);
  assert_true (b->taken_over && b->is_device && b->can_give_back);
  assert_int_equal (w.server->trimmed, DISK - BACKING_BLOCK);
  assert_object (b, w.offset, 0);
  assert_int_equal (b->counters.write_bytes, 11 * BACKING_BLOCK);
  backing_batch_free (w.batch);
  backing_close (b);

  open_backing (b, w.server, &w.budget, &w.record);
  assert_false (b->taken_over);
  assert_int_equal (b->used, 1);
  assert_object (b, w.offset, 7);
  w.batch = NULL;
  end_written (&w);
}

/* Blocks that may still be written are not used again. */
TEST (backing_unsure_writes)
{
  struct backing_stats st;
  struct written w;
  struct backing *b = &w.backing;
  uint32_t used;
  int error;

  begin_written (&w);
  used = b->used;
  w.server->send_left = 0;
  assert_int_equal (write_some (b, w.batch, 20), 0);
  assert_int_equal (errno, ENOTCONN);
  assert_int_equal (b->used, used + 20);
  assert_int_equal (b->counters.write_errors, 1);
  assert_null (backing_check (b));
  assert_object (b, w.offset, 3); /* waits for it */
  write_in_time (b, w.batch, 10);
  assert_int_equal (b->used, used + 30);
  assert_int_equal (backing_get_state (b, &error), BACKING_OK);
  backing_get_stats (b, &st);
  assert_true (st.connections == 1 && st.reconnects == 1);
  end_written (&w);
}

/* Readers that wait do not block it. */
TEST (backing_waiting_readers)
{
  struct written w;
  struct backing *b = &w.backing;
  unsigned phase;
  uint32_t used;

  begin_written (&w);
  used = b->used;
  phase = backing_read_begin (b);
  assert_int_equal (write_some (b, w.batch, 5), 0);
  assert_int_equal (errno, EBUSY);
  backing_read_end (b, phase);
  assert_int_equal (b->used, used);
  write_in_time (b, w.batch, 5);
  end_written (&w);
}

/* Free blocks are trimmed; if the result is unsure, they stay unused. */
TEST (backing_trims)
{
  struct written w;
  struct backing *b = &w.backing;
  uint32_t used;

  begin_written (&w);
  w.server->trimmed = 0;
  backing_release (b, w.offset, 5 * BACKING_BLOCK, 1);
  backing_give_back (b, 0);
  assert_int_equal (w.server->trimmed, 5 * BACKING_BLOCK);
  used = b->used;
  backing_release (b, w.offset + 5 * BACKING_BLOCK, 2 * BACKING_BLOCK, 1);
  assert_int_equal (b->used, used - 2);
  w.server->send_left = 0;
  backing_give_back (b, 0);
  assert_int_equal (b->used, used);
  end_written (&w);
}

/* Another program takes the disk over while it is connected: nothing is
 * written to it any more.
 */
TEST (backing_taken_by_another)
{
  struct written w;
  struct backing *b = &w.backing;
  struct fake_server *p;
  int error;

  begin_written (&w);
  p = w.server;
  b->disk.verified_at = 1;
  fake_server_fill (p, 30, 1, p->disk[30] ^ 1); /* of the id */
  p->writes = 0;
  assert_int_equal (write_some (b, w.batch, 2), 0);
  assert_int_equal (errno, EIO);
  assert_int_equal (p->writes, 0);
  assert_int_equal (backing_get_state (b, &error), BACKING_WRONG);
  end_written (&w);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (requests),
    cmocka_unit_test (refusals),
    cmocka_unit_test (away_at_first),
    cmocka_unit_test (unusable),
    cmocka_unit_test (cut_reads),
    cmocka_unit_test (cut_writes),
    cmocka_unit_test (cut_handshakes),
    cmocka_unit_test (behind_the_end),
    cmocka_unit_test (power_lost),
    cmocka_unit_test (wrong),
    cmocka_unit_test (mute),
    cmocka_unit_test (answers),
    cmocka_unit_test (many),
    cmocka_unit_test (backing_taken_over_once),
    cmocka_unit_test (backing_unsure_writes),
    cmocka_unit_test (backing_waiting_readers),
    cmocka_unit_test (backing_trims),
    cmocka_unit_test (backing_taken_by_another),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("far-end", tests, NULL, NULL);
}
