/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool on a replicated pair of which a replica has lost or damaged blocks
 * that it should have.
 */

#include <config.h>

#include <string.h>

#include "lib/backing/replicated.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/devices.h"
#include "tests/fake/server.h"
#include "tests/lib/replicated.h"

#include <cmocka.h>

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (one_has_forgotten),
    cmocka_unit_test (pages_beyond_the_known_end),
    cmocka_unit_test (one_goes_back),
    cmocka_unit_test (both_lack_something),
    cmocka_unit_test (neither_has_it),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("replicated-damage", tests, NULL, NULL);
}
