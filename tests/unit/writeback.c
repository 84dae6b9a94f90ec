/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages that are written back to the backing file, and come back. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/backing/backing.h"
#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/maintenance/stats.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/device-objects.h"
#include "lib/store/page-state.h"

#define PAGE 4096
#define PAGES 2000

static struct rng rng;
static char path[128];
static struct backing_error refusal;

/* ---- a device whose pages are known by their tags ---- */

struct fixture {
  struct unit_pool u;
  struct device *d;
  uint64_t tags[PAGES];         /* 0: never written */
};

static int
try_attach (struct fixture *f, const char *backing, uint64_t size)
{
  struct writeback_options o = { .path = backing, .size = size };

  f->u.pool = pool_open (&f->u.options);
  assert_non_null (f->u.pool);
  f->u.started = ATTACH_FAILED;
  if (!backing || pool_open_writeback (f->u.pool, &o, &refusal) == 0)
    f->u.started = pool_start (f->u.pool);
  if (f->u.started == ATTACH_OK) {
    f->d = device_open (f->u.pool, "", PAGES * PAGE);
    assert_non_null (f->d);
    return 0;
  }
  unit_detach (&f->u);
  return -1;
}

static void
open_with (struct fixture *f, enum dedup_mode dedup, uint64_t size)
{
  memset (f, 0, sizeof *f);
  unlink (path);
  assert_int_equal (unit_open (&f->u, "lz4", PAGE, true, 0), 0);
  unit_detach (&f->u);
  f->u.options.dedup = dedup;
  f->u.options.recompress[0] = unit_algorithm
    (codec_by_name ("zstd") ? "zstd" : "lz4hc");
  f->u.options.recompress_count = 1;
  assert_int_equal (try_attach (f, path, size), 0);
}

static void
open_disk (struct fixture *f)
{
  open_with (f, DEDUP_OFF, 16 * MIB);
}

static void
close_disk (struct fixture *f)
{
  assert_pool_ok (f->u.pool);
  unit_close (&f->u);
  unlink (path);
}

static void
reattach (struct fixture *f)
{
  unit_detach (&f->u);
  assert_int_equal (try_attach (f, path, 16 * MIB), 0);
  assert_pool_ok (f->u.pool);
}

static void
page_of_tag (uint8_t *page, uint64_t tag)
{
  if (tag == 0)
    memset (page, 0, PAGE);
  else
    data_realistic (page, PAGE, tag);
}

static void
put_tag (struct fixture *f, uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE];

  f->tags[index] = tag;
  page_of_tag (page, tag);
  assert_int_equal (device_write (f->d, page, PAGE, index * PAGE), 0);
}

static void
put (struct fixture *f, uint64_t index)
{
  put_tag (f, index, 1 + rng_next (&rng) % 100000);
}

static void
fill (struct fixture *f)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    put (f, i);
}

static void
assert_page (struct fixture *f, uint64_t i)
{
  uint8_t page[PAGE], expected[PAGE];

  page_of_tag (expected, f->tags[i]);
  assert_int_equal (device_read (f->d, page, PAGE, i * PAGE), 0);
  assert_memory_equal (page, expected, PAGE);
}

static void
assert_content (struct fixture *f)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    assert_page (f, i);
}

static struct stats
stats_of (struct fixture *f)
{
  struct stats st;

  pool_get_stats (f->u.pool, &st);
  return st;
}

static struct writeback_result
write_back (struct fixture *f, enum page_type type)
{
  struct selection which = select_type (type);
  struct writeback_result r;

  assert_int_equal (pool_write_back (f->u.pool, &which, NULL, &r), 0);
  assert_pool_ok (f->u.pool);
  return r;
}

static void
group_pages (struct fixture *f)
{
  struct recompress_request req = { .max_pages = 0 };
  struct recompress_result r;

  assert_int_equal (pool_group (f->u.pool, &req, NULL, &r), 0);
  assert_true (r.recompressed > 0);
}

/* ---- written back and read ---- */

TEST (memory_goes_and_pages_stay)
{
  struct fixture f;
  struct writeback_result r;
  struct stats before, after;

  open_disk (&f);
  fill (&f);
  before = stats_of (&f);
  r = write_back (&f, PAGES_ALL);
  after = stats_of (&f);
  assert_int_equal (r.written, r.tried);
  assert_int_equal (after.bd_count, r.written);
  assert_int_equal (after.bd_writes, r.written);
  assert_true (after.compr_data_size < before.compr_data_size / 20);
  assert_int_equal (after.orig_data_size, before.orig_data_size);

  /* Of what compression saves, nine tenths are saved there. */
  assert_true (PAGE * r.written - after.bd_used
               >= (PAGE * r.written - r.bytes) * 9 / 10);
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_count, 0);
  assert_int_equal (stats_of (&f).bd_promoted, r.written);
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_reads, r.written);
  assert_int_equal (stats_of (&f).compr_data_size, before.compr_data_size);
  close_disk (&f);
}

/* ---- requests that must not wait ---- */

/* Puts a page that has an object at INDEX. */
static void
put_object (struct fixture *f, uint64_t index)
{
  uint8_t page[PAGE];
  uint64_t tag;

  do {
    tag = 1 + rng_next (&rng) % 100000;
    page_of_tag (page, tag);
  } while (memcmp (page, page + 8, PAGE - 8) == 0);
  put_tag (f, index, tag);
}

TEST (reads_that_would_wait)
{
  struct fixture f;
  struct stats before;
  uint64_t reads, trims;
  uint8_t page[PAGE], half[PAGE / 2];

  open_disk (&f);
  for (uint64_t i = 0; i < 8; ++i)
    put_object (&f, i);
  assert_int_equal (device_try_read (f.d, page, PAGE, 0), 0);
  assert_int_equal (write_back (&f, PAGES_ALL).written, 8);
  before = stats_of (&f);
  reads = f.d->counters.reads;
  trims = f.d->counters.trims;

  /* Nothing is counted that another thread does again. */
  errno = 0;
  assert_int_equal (device_try_read (f.d, page, PAGE, 0), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (device_try_read (f.d, half, sizeof half, 100), -1);
  assert_int_equal (errno, EAGAIN);
  memset (half, 7, sizeof half);
  assert_int_equal (device_try_write (f.d, half, sizeof half, PAGE), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (device_try_zero (f.d, PAGE / 2, 2 * PAGE), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (f.d->counters.reads, reads);
  assert_int_equal (f.d->counters.trims, trims);
  assert_int_equal (f.d->counters.failed, 0);
  assert_int_equal (stats_of (&f).bd_reads, before.bd_reads);

  /* Whole pages need nothing from the file. */
  f.tags[3] = 5;
  page_of_tag (page, f.tags[3]);
  assert_int_equal (device_try_write (f.d, page, PAGE, 3 * PAGE), 0);
  f.tags[4] = 0;
  assert_int_equal (device_try_zero (f.d, PAGE, 4 * PAGE), 0);
  for (uint64_t i = 0; i < 8; ++i)
    assert_page (&f, i);

  /* The streams that were used wait again when they may. */
  write_back (&f, PAGES_ALL);
  for (uint64_t i = 0; i < 8; ++i)
    assert_page (&f, i);
  close_disk (&f);
}

TEST (writes_that_would_wait)
{
  struct fixture f;
  uint8_t page[PAGE];
  uint64_t writes;

  open_disk (&f);
  put_tag (&f, 0, 1);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  data_fill (page, PAGE, DATA_RANDOM, 9);
  writes = f.d->counters.writes;
  assert_int_equal (device_try_write (f.d, page, PAGE, PAGE), -1);
  assert_int_equal (errno, EAGAIN);
  assert_int_equal (f.d->counters.writes, writes);
  assert_int_equal (stats_of (&f).failed_writes, 0);
  /* Here nothing frees memory, so waiting ends at once. */
  assert_int_equal (device_write (f.d, page, PAGE, PAGE), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (stats_of (&f).failed_writes, 1);
  assert_page (&f, 0);
  assert_page (&f, 1);
  close_disk (&f);
}

TEST (no_room_no_promotion)
{
  struct fixture f;
  struct writeback_result r;

  open_disk (&f);
  fill (&f);
  r = write_back (&f, PAGES_ALL);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_count, r.written);
  f.u.pool->budget.limit = 0;
  reattach (&f);
  assert_int_equal (stats_of (&f).bd_count, r.written);
  assert_content (&f);
  close_disk (&f);
}

TEST (parts_of_pages_are_changed)
{
  struct fixture f;
  uint8_t page[PAGE], got[PAGE];

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  for (uint64_t i = 0; i < 50; ++i) {
    page_of_tag (page, f.tags[i]);
    memset (page + 100, 0xa5, 7);
    assert_int_equal (device_write (f.d, page + 100, 7, i * PAGE + 100), 0);
    memset (page + 2000, 0, 600);
    assert_int_equal (device_zero (f.d, 600, i * PAGE + 2000), 0);
    assert_int_equal (device_read (f.d, got + 5, PAGE - 5, i * PAGE + 5), 0);
    assert_memory_equal (got + 5, page + 5, PAGE - 5);
    put (&f, i);
  }
  assert_content (&f);
  close_disk (&f);
}

TEST (trimming_frees_the_file)
{
  struct fixture f;
  uint64_t empty;

  open_disk (&f);
  empty = stats_of (&f).bd_live;
  fill (&f);
  write_back (&f, PAGES_ALL);
  assert_true (stats_of (&f).bd_live > 100 * PAGE);
  assert_int_equal (device_zero (f.d, PAGES * PAGE, 0), 0);
  memset (f.tags, 0, sizeof f.tags);
  assert_int_equal (stats_of (&f).bd_live, empty);
  assert_int_equal (stats_of (&f).bd_count, 0);
  assert_int_equal (stats_of (&f).orig_data_size, 0);
  assert_content (&f);
  close_disk (&f);
}

TEST (types_are_kept_to)
{
  struct fixture f;
  struct writeback_result r;
  uint64_t huge;

  open_disk (&f);
  fill (&f);
  assert_int_equal (write_back (&f, PAGES_IDLE).tried, 0);
  assert_int_equal (write_back (&f, PAGES_INCOMPRESSIBLE).tried, 0);
  huge = stats_of (&f).huge_pages;
  assert_true (huge > 0);
  r = write_back (&f, PAGES_HUGE);
  assert_int_equal (r.written, huge);
  assert_int_equal (stats_of (&f).huge_pages, 0);
  assert_content (&f);
  close_disk (&f);
}

TEST (groups_go_whole)
{
  struct fixture f;
  uint64_t grouped;

  open_disk (&f);
  fill (&f);
  group_pages (&f);
  grouped = stats_of (&f).group_pages;
  write_back (&f, PAGES_ALL);
  assert_int_equal (stats_of (&f).group_pages, 0);
  assert_true (stats_of (&f).bd_count >= grouped);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  f.u.pool->budget.limit = 0;
  reattach (&f);
  for (uint64_t i = 0; i < PAGES; i += 3)
    put (&f, i);
  assert_content (&f);
  close_disk (&f);
}

TEST (shared_objects_go_once)
{
  struct fixture f;
  struct writeback_result r;

  open_with (&f, DEDUP_POOL, 16 * MIB);
  for (uint64_t i = 0; i < PAGES; ++i)
    put_tag (&f, i, 1 + i % 100);
  r = write_back (&f, PAGES_ALL);
  assert_true (r.written > PAGES / 2);
  assert_true (stats_of (&f).bd_written < 150 * PAGE);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  f.u.pool->budget.limit = 0;
  for (uint64_t i = 0; i < PAGES; i += 2)
    put (&f, i);
  reattach (&f);
  assert_content (&f);
  close_disk (&f);
}

/* ---- limits and failures ---- */

TEST (the_limit_of_a_day)
{
  struct fixture f;
  struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;
  uint64_t limit, left;

  open_disk (&f);
  fill (&f);
  pool_writeback_clock (f.u.pool, 100);
  pool_set_writeback_limit (f.u.pool, 100000);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_int_equal (errno, EDQUOT);
  assert_uint_in_range (r.bytes, 100000 - PAGE, 100000);
  pool_get_writeback_limit (f.u.pool, &limit, &left);
  assert_int_equal (limit, 100000);
  assert_int_equal (left, limit - r.bytes);
  pool_writeback_clock (f.u.pool, 100 + 86399);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_uint_in_range (r.bytes, 0, PAGE);
  pool_writeback_clock (f.u.pool, 100 + 86400);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_uint_in_range (r.bytes, 100000 - PAGE, 100000);
  pool_set_writeback_limit (f.u.pool, 0);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), 0);
  assert_content (&f);
  close_disk (&f);
}

TEST (a_full_file_loses_nothing)
{
  struct fixture f;
  struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;

  open_with (&f, DEDUP_OFF, MIB);
  fill (&f);
  assert_int_equal (pool_write_back (f.u.pool, &all, NULL, &r), -1);
  assert_int_equal (errno, ENOSPC);
  assert_pool_ok (f.u.pool);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  assert_true (stats_of (&f).bd_used <= MIB);
  unit_close (&f.u);
  unlink (path);
}

TEST (a_cut_file_is_an_error)
{
  struct fixture f;
  uint8_t page[PAGE];
  uint64_t failed = 0;

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  assert_int_equal (truncate (path, 100 * PAGE), 0);
  for (uint64_t i = 0; i < PAGES; ++i)
    if (device_read (f.d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, EIO);
      failed++;
      put (&f, i);
    }
  assert_uint_in_range (failed, 100, PAGES);
  assert_true (stats_of (&f).bd_read_errors + stats_of (&f).checksum_errors
               >= failed);
  assert_content (&f);
  close_disk (&f);
}

TEST (damage_is_noticed)
{
  struct fixture f;
  uint8_t page[PAGE], expected[PAGE];
  uint64_t failed = 0;
  int fd;

  open_disk (&f);
  fill (&f);
  group_pages (&f);
  write_back (&f, PAGES_ALL);
  fd = open (path, O_WRONLY | O_CLOEXEC);
  assert_true (fd != -1);
  for (unsigned i = 1; i < 500; ++i)
    assert_int_equal (pwrite (fd, &i, 1, (off_t) (i * PAGE
                                                  + rng_below (&rng, PAGE))),
                      1);
  close (fd);
  for (uint64_t i = 0; i < PAGES; ++i) {
    page_of_tag (expected, f.tags[i]);
    if (device_read (f.d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, EIO);
      failed++;
    }
    else
      assert_memory_equal (page, expected, PAGE);
  }
  assert_true (failed > 0);
  unit_close (&f.u);
  unlink (path);
}

/* Save the file, or restore it, except its header. */
static void
copy_file (bool back, uint8_t *copy, size_t size)
{
  int fd = open (path, O_RDWR | O_CLOEXEC);

  assert_true (fd != -1);
  assert_int_equal (ftruncate (fd, (off_t) size), 0);
  assert_true (back ? pwrite (fd, copy, size - PAGE, PAGE) > 0
                    : pread (fd, copy, size - PAGE, PAGE) > 0);
  close (fd);
}

/* Count the pages that can't be read; all others must be right. */
static unsigned
count_errors (struct fixture *f)
{
  uint8_t page[PAGE], expected[PAGE];
  unsigned errors = 0;

  for (uint64_t i = 0; i < PAGES; ++i) {
    page_of_tag (expected, f->tags[i]);
    if (device_read (f->d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, EIO);
      errors++;
    } else
      assert_memory_equal (page, expected, PAGE);
  }
  return errors;
}

static uint8_t older[16 * MIB];

/* The file is an older one.  Cleaning, or a later process, does not make a
 * stale page valid.
 */
TEST (older_pages_are_errors)
{
  for (unsigned n = 0; n < 6; ++n) {
    struct fixture f;

    open_disk (&f);
    fill (&f);
    if (n >= 3)
      group_pages (&f);
    write_back (&f, PAGES_ALL);
    copy_file (false, older, sizeof older);
    for (uint64_t i = 0; i < PAGES; ++i)
      put_tag (&f, i, 100000 + f.tags[i]);
    if (n >= 3)
      group_pages (&f);
    write_back (&f, PAGES_ALL);
    if (n % 3 != 0)
      reattach (&f);
    copy_file (true, older, sizeof older);
    if (n % 3 == 2) {
      for (uint64_t i = 0; i < PAGES; i += 2)
        assert_int_equal (device_zero (f.d, PAGE, i * PAGE), 0);
      for (uint64_t i = 0; i < PAGES; i += 2)
        f.tags[i] = 0;
      assert_int_equal (pool_clean (f.u.pool, NULL), 0);
    }
    assert_true (count_errors (&f) > (n % 3 == 2 ? PAGES / 4 : PAGES / 2));
    assert_true (stats_of (&f).bd_stale > 0);
    fill (&f);
    write_back (&f, PAGES_ALL);
    assert_content (&f);
    close_disk (&f);
  }
}

/* A pool of the version without checksums of blocks has all its pages.  It
 * gets the new version when something is written back, not before.
 */
TEST (pool_of_an_earlier_version)
{
  struct fixture f;
  struct pool_file file;
  struct backing_sums sums;
  _Atomic uint64_t *magic;
  uint64_t earlier;

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  unit_detach (&f.u);
  assert_int_equal (pool_file_open (&file, f.u.path,
                                    &f.u.options.geometry), 0);
  assert_int_equal (pool_file_open_sums (&file, &sums), 0);
  assert_int_equal (os_punch (file.fd, sums.offset, BACKING_SUMS_SIZE), 0);
  magic = file.head;
  earlier = --*magic;
  pool_file_close (&file);

  assert_int_equal (try_attach (&f, path, 16 * MIB), 0);
  assert_pool_ok (f.u.pool);
  magic = f.u.pool->file.head;
  assert_content (&f);
  assert_true (*magic == earlier);
  write_back (&f, PAGES_ALL);
  assert_true (*magic == earlier + 1);
  assert_content (&f);
  reattach (&f);
  assert_content (&f);
  assert_int_equal (stats_of (&f).bd_stale, 0);
  close_disk (&f);
}

TEST (the_wrong_file_is_refused)
{
  struct fixture f, other;
  char elsewhere[160];

  open_disk (&f);
  fill (&f);
  write_back (&f, PAGES_ALL);
  unit_detach (&f.u);
  assert_int_equal (try_attach (&f, NULL, 0), -1);
  assert_int_equal (f.u.started, ATTACH_NO_BACKING);
  snprintf (elsewhere, sizeof elsewhere, "%s.other", path);
  assert_int_equal (try_attach (&f, elsewhere, 16 * MIB), -1);
  assert_int_equal (refusal.reason, BACKING_ERROR_UNEXPECTED);
  unlink (elsewhere);
  assert_int_equal (try_attach (&f, path, 16 * MIB), 0);
  assert_content (&f);

  memset (&other, 0, sizeof other);
  assert_int_equal (unit_open (&other.u, "lz4", PAGE, true, 0), 0);
  unit_detach (&other.u);
  assert_int_equal (try_attach (&other, path, 16 * MIB), -1);
  assert_int_equal (refusal.reason, BACKING_ERROR_BUSY);
  unit_close (&other.u);
  close_disk (&f);
}

/* ---- for a long time ---- */

TEST (cleaning_keeps_it_dense)
{
  struct fixture f;
  struct stats st;

  open_disk (&f);
  fill (&f);
  f.u.pool->budget.limit = 0;
  for (unsigned round = 0; round < unit_scaled (100); ++round) {
    write_back (&f, PAGES_ALL);
    assert_int_equal (pool_clean (f.u.pool, NULL), 0);
    st = stats_of (&f);
    /* Such a small file need not give back the last blocks. */
    assert_true (st.bd_used <= st.bd_live * 120 / 100 + 80 * PAGE);
    for (unsigned i = 0; i < PAGES / 10; ++i)
      put (&f, rng_below (&rng, PAGES));
    if (round % 10 == 9)
      reattach (&f);
  }
  f.u.pool->budget.limit = f.u.pool->budget.used;
  assert_content (&f);
  close_disk (&f);
}

/* More is written than fits in memory, faster than pages age. */
TEST (writes_wait_for_room)
{
  struct fixture f;
  struct maintainer m;
  struct maintainer_settings s;
  uint8_t page[PAGE];
  uint64_t limit;

  open_disk (&f);
  limit = f.u.pool->budget.used + MIB;
  f.u.pool->budget.limit = limit;
  maintainer_settings_init (&s);
  assert_int_equal (maintainer_start (&m, f.u.pool, &s), 0);
  fill (&f);
  assert_true (f.u.pool->budget.used_max <= limit);
  assert_true (stats_of (&f).bd_count > PAGES / 4);
  assert_int_equal (stats_of (&f).failed_writes, 0);
  assert_content (&f);

  /* Write a part of a stored page, with memory as full as possible. */
  for (uint64_t i = 0; i < PAGES; i += 7) {
    page_of_tag (page, f.tags[i]);
    assert_int_equal (device_write (f.d, page + 9, 90, i * PAGE + 9), 0);
  }
  assert_content (&f);

  /* Without the maintainer, no memory is freed. */
  s.policy.on = false;
  maintainer_set_settings (&m, &s);
  f.u.pool->budget.limit = f.u.pool->budget.used;
  data_fill (page, PAGE, DATA_RANDOM, 1);
  for (uint64_t i = 0; i < PAGES; ++i)
    if (device_write (f.d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, ENOSPC);
      break;
    }
  assert_true (stats_of (&f).failed_writes > 0);
  maintainer_stop (&m);
  f.u.pool->budget.limit = 0;
  close_disk (&f);
}

/* ---- memory that is freed by others than the maintainer ---- */

static void
do_nothing (void *opaque)
{
  (void) opaque;
}

struct writer {
  struct device *d;
  int result;
  _Atomic bool done;
};

/* More than the pool has free within its zspages. */
static void *
write_pages (void *opaque)
{
  static uint8_t pages[256 * PAGE];
  struct writer *w = opaque;

  data_fill (pages, sizeof pages, DATA_RANDOM, 1);
  w->result = device_write (w->d, pages, sizeof pages, 0);
  w->done = true;
  return NULL;
}

/* Write to a full pool, and call MAKE_ROOM once the write waits.  It waits
 * for two seconds, in which a busy machine may not get far.  Returns how often
 * the write was woken.
 */
static uint64_t
write_beside (void (*make_room) (struct fixture *f))
{
  struct fixture f;
  struct writer w;
  uint64_t rounds;
  unsigned tries = 0;

  do {
    pthread_t thread;

    assert_true (++tries < 20);
    open_disk (&f);
    w = (struct writer) { .d = f.d };
    reclaim_set (&f.u.pool->reclaim, do_nothing, NULL);
    fill (&f);
    f.u.pool->budget.limit = f.u.pool->budget.used;
    assert_int_equal (pthread_create (&thread, NULL, write_pages, &w), 0);
    while (!reclaim_is_wanted (&f.u.pool->reclaim) && !w.done)
      usleep (100);
    make_room (&f);
    pthread_join (thread, NULL);
    rounds = f.u.pool->reclaim.rounds;
    f.u.pool->budget.limit = 0;
    close_disk (&f);
  } while (w.result == -1);
  return rounds;
}

static void
lift_limit (struct fixture *f)
{
  assert_int_equal (pool_set_mem_limit (f->u.pool, 0), 0);
}

static void
trim_most (struct fixture *f)
{
  assert_int_equal (device_zero (f->d, (PAGES - 64) * PAGE, 64 * PAGE), 0);
}

TEST (waiting_writes_see_other_room)
{
  assert_int_equal (write_beside (lift_limit), 1);
  /* A trim does not wake them. */
  assert_int_equal (write_beside (trim_most), 0);
}

/* When the file is full, too, a write fails soon. */
TEST (no_room_anywhere)
{
  struct fixture f;
  struct maintainer m;
  struct maintainer_settings s;
  uint8_t page[PAGE];
  uint64_t i;

  open_with (&f, DEDUP_OFF, MIB);
  f.u.pool->budget.limit = f.u.pool->budget.used + MIB;
  maintainer_settings_init (&s);
  assert_int_equal (maintainer_start (&m, f.u.pool, &s), 0);
  for (i = 0; i < PAGES; ++i) {
    data_fill (page, PAGE, DATA_RANDOM, i + 1);
    if (device_write (f.d, page, PAGE, i * PAGE) == -1)
      break;
  }
  assert_int_equal (errno, ENOSPC);
  assert_uint_in_range (i, 300, 500);
  while (i-- > 0) {
    uint8_t got[PAGE];

    data_fill (page, PAGE, DATA_RANDOM, i + 1);
    assert_int_equal (device_read (f.d, got, PAGE, i * PAGE), 0);
    assert_memory_equal (got, page, PAGE);
  }
  maintainer_stop (&m);
  unit_close (&f.u);
  unlink (path);
}

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
  assert_int_equal (try_attach (f, path, 16 * MIB), 0);
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
    cmocka_unit_test (memory_goes_and_pages_stay),
    cmocka_unit_test (reads_that_would_wait),
    cmocka_unit_test (writes_that_would_wait),
    cmocka_unit_test (no_room_no_promotion),
    cmocka_unit_test (parts_of_pages_are_changed),
    cmocka_unit_test (trimming_frees_the_file),
    cmocka_unit_test (types_are_kept_to),
    cmocka_unit_test (groups_go_whole),
    cmocka_unit_test (shared_objects_go_once),
    cmocka_unit_test (the_limit_of_a_day),
    cmocka_unit_test (a_full_file_loses_nothing),
    cmocka_unit_test (a_cut_file_is_an_error),
    cmocka_unit_test (damage_is_noticed),
    cmocka_unit_test (older_pages_are_errors),
    cmocka_unit_test (pool_of_an_earlier_version),
    cmocka_unit_test (the_wrong_file_is_refused),
    cmocka_unit_test (cleaning_keeps_it_dense),
    cmocka_unit_test (writes_wait_for_room),
    cmocka_unit_test (waiting_writes_see_other_room),
    cmocka_unit_test (no_room_anywhere),
    cmocka_unit_test (a_hole_is_no_damage),
    cmocka_unit_test (a_dictionary_may_go_meanwhile),
    cmocka_unit_test (everything_at_once),
  };

  rng.state = unit_seed ();
  snprintf (path, sizeof path, "tests/unit-writeback.%d.backing",
            (int) getpid ());
  return cmocka_run_group_tests_name ("writeback", tests, NULL, NULL);
}
