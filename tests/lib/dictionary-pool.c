/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "unit.h"

#include <cmocka.h>

#include "dictionary-pool.h"

struct unit_pool u;
struct device *device;

const uint8_t *
content_of (uint64_t tag)
{
  static uint8_t content[LENGTH / PAGE * PAGE + PAGE];

  for (size_t at = 0; at < sizeof content; at += PAGE)
    data_fill (content + at, PAGE, at % (2 * PAGE) ? DATA_TEXT : DATA_RECORDS,
               tag * 100 + at / PAGE);
  return content;
}

int
use_dictionary (uint64_t tag)
{
  return pool_use_dictionary (u.pool, content_of (tag), LENGTH);
}

void
page_of (uint64_t tag, uint8_t page[PAGE])
{
  data_fill (page, PAGE, tag % 2 ? DATA_TEXT : DATA_RECORDS, tag);
}

void
put (uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE];

  page_of (tag, page);
  assert_int_equal (device_write (device, page, PAGE, index * PAGE), 0);
}

void
compare (uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE], found[PAGE];

  page_of (tag, page);
  assert_int_equal (device_read (device, found, PAGE, index * PAGE), 0);
  assert_memory_equal (found, page, PAGE);
}

void
put_all (unsigned g)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    put (g * PAGES + i, g * PAGES + i);
}

void
compare_all (unsigned g)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    compare (g * PAGES + i, g * PAGES + i);
}

uint64_t
slots_of (unsigned generation)
{
  return u.pool->dictionaries.generations[generation].slots;
}

void
find_device (void)
{
  device = device_open (u.pool, "", POOL_DICTIONARIES * PAGES * PAGE);
  assert_non_null (device);
}

void
reopen (void)
{
  assert_int_equal (unit_reopen (&u), 0);
  find_device ();
}

int
open_pool (void **state)
{
  (void) state;
  assert_int_equal (unit_open (&u, "zstd:level=3:dict=auto", PAGE, true, 0),
                    0);
  find_device ();
  return 0;
}

int
close_pool (void **state)
{
  (void) state;
  unit_close (&u);
  return 0;
}
