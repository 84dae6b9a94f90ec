/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file on a remote disk, with a fake server. */

#include <config.h>

#include <errno.h>
#include <unistd.h>

#include "tests/fake/server.h"
#include "tests/lib/backing.h"

#include <cmocka.h>

#define DISK (8 * MIB)

/* Seconds: longer than anything takes that must succeed. */
#define LONG 600

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
    cmocka_unit_test (backing_taken_over_once),
    cmocka_unit_test (backing_unsure_writes),
    cmocka_unit_test (backing_waiting_readers),
    cmocka_unit_test (backing_trims),
    cmocka_unit_test (backing_taken_by_another),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing-nbd", tests, NULL, NULL);
}
