/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages that are written back, cleaned or changed while others use them. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/backing/backing.h"
#include "lib/base/mutex.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/maintenance/writeback.h"
#include "tests/lib/unit.h"
#include "tests/lib/writeback.h"

#include <cmocka.h>

/* Requests while pages are written back, cleaned, and read. */
struct racer {
  struct fixture *f;
  pthread_t thread;
  uint64_t first, end;          /* pages that only this thread uses */
  uint64_t seed;
  _Atomic bool *stop;
  bool failed;
};

/* Check that a write succeeded, or failed for want of memory and changed
 * nothing.
 */
static bool
written (int r)
{
  return r == 0 || errno == ENOSPC;
}

static void *
race (void *opaque)
{
  struct racer *r = opaque;
  struct rng own = { r->seed };
  uint8_t page[PAGE], expected[PAGE];

  while (!*r->stop && !r->failed) {
    uint64_t i = r->first + rng_below (&own, r->end - r->first), tag;
    int done;

    switch (rng_below (&own, 8)) {
    case 0:
      tag = 1 + rng_below (&own, 5000);
      page_of_tag (page, tag);
      done = device_write (r->f->d, page, PAGE, i * PAGE);
      r->failed |= !written (done);
      if (done == 0)
        r->f->tags[i] = tag;
      break;
    case 1:
      page_of_tag (page, r->f->tags[i]);
      r->failed |= !written (device_write (r->f->d, page + 64, 100,
                                           i * PAGE + 64));
      break;
    case 2:
      r->failed |= device_zero (r->f->d, PAGE, i * PAGE) == -1;
      r->f->tags[i] = 0;
      break;
    default:
      page_of_tag (expected, r->f->tags[i]);
      r->failed |= device_read (r->f->d, page, PAGE, i * PAGE) == -1
                   || memcmp (page, expected, PAGE) != 0;
    }
  }
  return NULL;
}

#define RACERS 4

TEST (everything_at_once)
{
  struct fixture f;
  struct racer racers[RACERS];
  _Atomic bool stop = false;
  struct selection all = select_type (PAGES_ALL);
  struct recompress_request req = { .max_pages = 0 };
  struct recompress_result rr;
  struct writeback_result wr;

  open_with (&f, rng_below (&rng, 2) ? DEDUP_POOL : DEDUP_OFF, 16 * MIB);
  fill (&f);
  f.u.pool->budget.limit = f.u.pool->budget.used + MIB;
  for (unsigned i = 0; i < RACERS; ++i) {
    racers[i] = (struct racer) {
      .f = &f, .first = i * PAGES / RACERS, .end = (i + 1) * PAGES / RACERS,
      .seed = rng_next (&rng), .stop = &stop,
    };
    assert_int_equal (pthread_create (&racers[i].thread, NULL, race,
                                      &racers[i]), 0);
  }
  for (unsigned round = 0; round < unit_scaled (60); ++round) {
    if (round % 3 == 0)
      pool_recompress (f.u.pool, &req, NULL, &rr);
    if (round % 3 == 1)
      pool_group (f.u.pool, &req, NULL, &rr);
    pool_write_back (f.u.pool, &all, NULL, &wr);
    pool_clean (f.u.pool, NULL);
    pool_compact (f.u.pool, NULL);
  }
  stop = true;
  for (unsigned i = 0; i < RACERS; ++i) {
    pthread_join (racers[i].thread, NULL);
    assert_false (racers[i].failed);
  }
  assert_content (&f);
  assert_int_equal (stats_of (&f).checksum_errors, 0);
  close_disk (&f);
}

/* ---- pages that change while they are read ---- */

static struct fixture *changing;
static void (*change) (struct fixture *f);

/* A read takes long enough to call CHANGE. */
static ssize_t
slow_pread (int fd, void *buf, size_t len, off_t offset)
{
  void (*fn) (struct fixture *) = change;

  change = NULL;
  if (fn)
    fn (changing);
  return pread (fd, buf, len, offset);
}

static uint64_t
no_time (void)
{
  return 0;
}

static const struct backing_io slow_io = { slow_pread, pwrite, no_time };

/* Find a compressed page that is in the file. */
static uint64_t
find_written_back (struct fixture *f)
{
  for (uint64_t i = 0; i < PAGES; ++i) {
    slot_t slot;

    LOCK_FOR_SCOPE (table_lock (&f->d->table, i));
    slot = table_get (&f->d->table, i);
    if (slot_is_written_back (slot) && slot_is_stored (slot))
      return i;
  }
  fail_msg ("no page was written back");
  return 0;
}

/* Read a page, which FN changes during the read. */
static void
assert_read_during (struct fixture *f, void (*fn) (struct fixture *))
{
  const struct backing_io *io = f->u.pool->backing->io;
  uint64_t index = find_written_back (f);
  uint8_t page[PAGE], expected[PAGE];

  changing = f;
  change = fn;
  f->u.pool->backing->io = &slow_io;
  assert_int_equal (device_read (f->d, page, PAGE, index * PAGE), 0);
  assert_null (change);
  f->u.pool->backing->io = io;
  page_of_tag (expected, f->tags[index]);
  assert_memory_equal (page, expected, PAGE);
  assert_int_equal (f->u.pool->counters.checksum_errors, 0);
}

static void
write_back_all (struct fixture *f)
{
  struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;

  assert_int_equal (pool_write_back (f->u.pool, &all, NULL, &r), 0);
  assert_true (r.written > 0);
}

/* Do what pool_clean does when much is free. */
static void
free_the_file (struct fixture *f)
{
  for (uint64_t i = 0; i < 64; ++i)
    put_tag (f, i, 2000 + i);
  backing_give_back (f->u.pool->backing, 0);
}

TEST (a_hole_is_no_damage)
{
  struct fixture *f = calloc (1, sizeof *f);

  open_disk (f);
  for (uint64_t i = 0; i < 64; ++i)
    put_tag (f, i, 1000 + i);
  write_back_all (f);
  assert_read_during (f, free_the_file);
  close_disk (f);
  free (f);
}

static void
drop_the_dictionary (struct fixture *f)
{
  struct algorithm lz4 = unit_algorithm ("lz4");

  assert_int_equal (pool_set_algorithm (f->u.pool, &lz4), 0);
  for (uint64_t i = 0; i < 64; ++i)
    put_tag (f, i, 2000 + i);
  pool_compact (f->u.pool, NULL);
  assert_int_equal (dictionaries_alive (&f->u.pool->dictionaries), 0);
}

TEST (a_dictionary_may_go_meanwhile)
{
  struct fixture *f = calloc (1, sizeof *f);
  uint8_t content[16 * PAGE];

  if (!codec_by_name ("zstd")) {
    print_message ("zstd is not built in\n");
    free (f);
    skip ();
  }
  open_disk (f);
  unit_detach (&f->u);
  f->u.options.algorithm = unit_algorithm ("zstd:dict=auto");
  assert_int_equal (try_attach (f, backing_path, 16 * MIB), 0);
  for (uint64_t i = 0; i < 16; ++i)
    page_of_tag (content + i * PAGE, 1000 + i);
  assert_int_equal (pool_use_dictionary (f->u.pool, content, sizeof content),
                    0);
  for (uint64_t i = 0; i < 64; ++i)
    put_tag (f, i, 1000 + i);
  write_back_all (f);
  assert_read_during (f, drop_the_dictionary);
  close_disk (f);
  free (f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_hole_is_no_damage),
    cmocka_unit_test (a_dictionary_may_go_meanwhile),
    cmocka_unit_test (everything_at_once),
  };

  writeback_tests_begin ();
  return cmocka_run_group_tests_name ("writeback-races", tests, NULL, NULL);
}
