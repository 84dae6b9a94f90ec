/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "tests/lib/devices.h"

#include <errno.h>

#include "lib/base/mutex.h"

#include <cmocka.h>

struct unit_pool u;

void
open_pool (uint64_t limit)
{
  assert_int_equal (unit_open (&u, "lz4", PAGE, true, limit), 0);
}

void
fill (struct device *d, uint64_t first, uint64_t end, uint64_t seed)
{
  uint8_t page[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    data_realistic (page, PAGE, seed + i);
    assert_int_equal (device_write (d, page, PAGE, i * PAGE), 0);
  }
}

void
verify (struct device *d, uint64_t first, uint64_t end, uint64_t seed)
{
  uint8_t page[PAGE], found[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    data_realistic (page, PAGE, seed + i);
    assert_int_equal (device_read (d, found, PAGE, i * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
}

void
verify_zero (struct device *d, uint64_t first, uint64_t end)
{
  uint8_t page[PAGE] = { 0 }, found[PAGE];

  for (uint64_t i = first; i < end; ++i) {
    assert_int_equal (device_read (d, found, PAGE, i * PAGE), 0);
    assert_memory_equal (found, page, PAGE);
  }
}

uint64_t
fill_up (struct device *d, int error, uint64_t seed)
{
  uint8_t page[PAGE];

  for (uint64_t i = 0; i < d->pages; ++i) {
    data_realistic (page, PAGE, seed + i);
    errno = 0;
    if (device_write (d, page, PAGE, i * PAGE) == -1) {
      assert_int_equal (errno, error);
      return i;
    }
  }
  fail_msg ("everything found room");
  return 0;
}

struct algorithm
strong (void)
{
  return unit_algorithm (codec_by_name ("zstd") ? "zstd:level=3"
                         : codec_by_name ("deflate") ? "deflate"
                         : "lz4hc:level=12");
}

slot_t
slot_at (struct device *d, uint64_t index)
{
  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  return table_get (&d->table, index);
}
