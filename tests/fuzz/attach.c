/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaches to a pool file with arbitrary content, and uses the pool.
 *
 * The input is the geometry, then changes to a pool of a few pages.  A change
 * may correct the checksum, so that the code after the check is reached.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xxhash.h>

#include "lib/base/os.h"
#include "lib/maintenance/compact.h"
#include "lib/store/devices.h"

#include "fuzz.h"

#define PAGES 64
#define SUPERBLOCK_SIZE 40      /* magic, sum, and the fields of the sum */
#define RECORD_SIZE 296

const unsigned fuzz_inputs = 2000;

struct input {
  const uint8_t *data;
  size_t size;
};

static uint8_t
next_byte (struct input *in)
{
  if (in->size == 0)
    return 0;
  in->size--;
  return *in->data++;
}

static uint64_t
next_number (struct input *in, unsigned bytes)
{
  uint64_t n = 0;

  while (bytes-- > 0)
    n = n << 8 | next_byte (in);
  return n;
}

#define REQUIRE(cond)                                                   \
  do {                                                                  \
    if (!(cond)) {                                                      \
      fprintf (stderr, "line %d: %s\n", __LINE__, #cond);               \
      abort ();                                                         \
    }                                                                   \
  } while (0)

/* ---- changing ---- */

static void
change_slot (struct input *in, struct device *d, bool seal)
{
  uint64_t index = next_byte (in) % (PAGES + 16);
  slot_t slot = next_number (in, 8);

  if (seal) {
    /* Use a valid kind, and mostly an offset near other objects. */
    slot = (slot & ~(slot_t) 0xff) | (slot % 4 + 1);
    if (next_byte (in) % 4 != 0)
      slot &= (UINT64_C (1) << 44) - 1;
    slot = slot_seal (slot);
  }
  if (d->table.leaves > 0 && table_prepare (&d->table, index) == 0)
    d->table.slots[index] = slot;
}

static void
change_object (struct input *in, struct pool *pool)
{
  uint64_t at = next_number (in, 2) * 32 + next_byte (in) % 8;

  for (unsigned n = next_byte (in) % 16; n > 0; --n)
    pool->arena.base[at++] = next_byte (in);
}

static void
change_head (struct input *in, uint8_t *head, size_t size, bool sum)
{
  uint8_t at = next_byte (in);
  uint64_t right;

  /* Prefer the first bytes of a record: they contain its numbers, which
   * matter most.
   */
  head[(at < 200 ? at % 40 : at) % size] = next_byte (in);
  if (sum) {
    right = XXH3_64bits (head + 16, size - 16);
    memcpy (head + 8, &right, sizeof right);
  }
}

static void
change (struct input *in, struct pool *pool)
{
  uint8_t op = next_byte (in), *head = pool->file.head;

  /* Change the head rarely, since after most changes attaching fails. */
  if (op < 2)
    change_head (in, head, SUPERBLOCK_SIZE, op == 1);
  else if (op < 4)
    change_head (in, head + OS_PAGE_SIZE, RECORD_SIZE, op == 3);
  else if (op < 40)
    change_slot (in, pool->devices[0], false);
  else if (op < 110)
    change_object (in, pool);
  else
    change_slot (in, pool->devices[0], true);
}

/* ---- making and using ---- */

static void
make (struct unit_pool *u, struct input *in)
{
  uint8_t way = next_byte (in), page[65536];
  uint32_t page_size = (uint32_t) 4096 << way % 5;
  struct device *d;

  if (unit_open (u, codecs[0]->name, page_size, way & 8, 0) == -1
      || (d = device_open (u->pool, "d", PAGES * page_size)) == NULL)
    abort ();
  for (uint64_t i = 0; i < 2 * DATA_KINDS; ++i) {
    data_fill (page, page_size, (enum data_kind) (i % DATA_KINDS), i);
    if (device_write (d, page, page_size, i * page_size) == -1)
      abort ();
  }
  while (in->size > 0)
    change (in, u->pool);
}

static void
read_all (struct device *d)
{
  uint32_t page_size = d->pool->sizes.page_size;
  uint8_t page[65536];

  for (uint64_t i = 0; i < MIN (d->pages, PAGES); ++i) {
    uint32_t count = (uint32_t) MIN (page_size, d->size - i * page_size);

    if (device_read (d, page, count, i * page_size) == -1)
      REQUIRE (errno == EIO);
  }
}

static void
write_some (struct device *d, enum data_kind kind)
{
  uint32_t page_size = d->pool->sizes.page_size;
  uint8_t page[65536], found[65536];

  for (uint64_t i = kind; i < MIN (d->pages, PAGES); i += 3) {
    uint32_t count = (uint32_t) MIN (page_size, d->size - i * page_size);

    data_fill (page, page_size, kind, i);
    REQUIRE (device_write (d, page, count, i * page_size) == 0);
    REQUIRE (device_read (d, found, count, i * page_size) == 0);
    REQUIRE (memcmp (page, found, count) == 0);
  }
}

static void
use (struct pool *pool)
{
  struct device *d = pool->devices[0];

  REQUIRE (objects_check (&pool->objects) == NULL);
  if (!d)
    return;
  read_all (d);
  pool_compact (pool, NULL);
  REQUIRE (objects_check (&pool->objects) == NULL);
  write_some (d, DATA_TEXT);
  pool_compact (pool, NULL);
  write_some (d, DATA_RANDOM);
  REQUIRE (objects_check (&pool->objects) == NULL);
  read_all (d);
  REQUIRE (device_zero (d, MIN (d->size, PAGES / 2 * 4096), 0) == 0
           || errno == EIO);
  REQUIRE (objects_check (&pool->objects) == NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct input in = { data, size };
  struct unit_pool u;

  make (&u, &in);
  if (unit_reopen (&u) == 0)
    use (u.pool);
  else if (u.started != ATTACH_NO_BACKING)
    REQUIRE (u.started == ATTACH_FAILED
             && (errno == EINVAL || errno == ENOMEM || errno == ENOTSUP
                 || errno == EMLINK || errno == ENOSPC
                 || errno == EPROTONOSUPPORT));
  unit_close (&u);
  return 0;
}

size_t
fuzz_example (uint8_t *buf, size_t room, struct rng *rng)
{
  size_t size = MIN (room, 2 + rng_below (rng, 400));

  for (size_t i = 0; i < size; ++i)
    buf[i] = (uint8_t) rng_next (rng);
  return size;
}
