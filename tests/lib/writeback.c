/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "tests/lib/writeback.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/maintenance/recompress.h"
#include "lib/store/devices.h"

#include <cmocka.h>

struct rng rng;
char backing_path[128];
struct backing_error refusal;

void
writeback_tests_begin (void)
{
  rng.state = unit_seed ();
  snprintf (backing_path, sizeof backing_path,
            "tests/unit-writeback.%d.backing", (int) getpid ());
}

int
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

void
open_with (struct fixture *f, enum dedup_mode dedup, uint64_t size)
{
  memset (f, 0, sizeof *f);
  unlink (backing_path);
  assert_int_equal (unit_open (&f->u, "lz4", PAGE, true, 0), 0);
  unit_detach (&f->u);
  f->u.options.dedup = dedup;
  f->u.options.recompress[0] = unit_algorithm
    (codec_by_name ("zstd") ? "zstd" : "lz4hc");
  f->u.options.recompress_count = 1;
  assert_int_equal (try_attach (f, backing_path, size), 0);
}

void
open_disk (struct fixture *f)
{
  open_with (f, DEDUP_OFF, 16 * MIB);
}

void
close_disk (struct fixture *f)
{
  assert_pool_ok (f->u.pool);
  unit_close (&f->u);
  unlink (backing_path);
}

void
reattach (struct fixture *f)
{
  unit_detach (&f->u);
  assert_int_equal (try_attach (f, backing_path, 16 * MIB), 0);
  assert_pool_ok (f->u.pool);
}

void
page_of_tag (uint8_t *page, uint64_t tag)
{
  if (tag == 0)
    memset (page, 0, PAGE);
  else
    data_realistic (page, PAGE, tag);
}

void
put_tag (struct fixture *f, uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE];

  f->tags[index] = tag;
  page_of_tag (page, tag);
  assert_int_equal (device_write (f->d, page, PAGE, index * PAGE), 0);
}

void
put (struct fixture *f, uint64_t index)
{
  put_tag (f, index, 1 + rng_next (&rng) % 100000);
}

void
fill (struct fixture *f)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    put (f, i);
}

void
assert_page (struct fixture *f, uint64_t i)
{
  uint8_t page[PAGE], expected[PAGE];

  page_of_tag (expected, f->tags[i]);
  assert_int_equal (device_read (f->d, page, PAGE, i * PAGE), 0);
  assert_memory_equal (page, expected, PAGE);
}

void
assert_content (struct fixture *f)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    assert_page (f, i);
}

struct stats
stats_of (struct fixture *f)
{
  struct stats st;

  pool_get_stats (f->u.pool, &st);
  return st;
}

struct writeback_result
write_back (struct fixture *f, enum page_type type)
{
  struct selection which = select_type (type);
  struct writeback_result r;

  assert_int_equal (pool_write_back (f->u.pool, &which, NULL, &r), 0);
  assert_pool_ok (f->u.pool);
  return r;
}

void
group_pages (struct fixture *f)
{
  struct recompress_request req = { .max_pages = 0 };
  struct recompress_result r;

  assert_int_equal (pool_group (f->u.pool, &req, NULL, &r), 0);
  assert_true (r.recompressed > 0);
}
