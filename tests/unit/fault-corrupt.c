/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bits flip in the pool file: while a pool has it open, through another
 * mapping, and between two that have.  A page then reads as an error or
 * as what it was, never as anything else; the other pages are as they
 * were; and writing a page heals it.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/maintenance/compact.h"
#include "lib/store/device-objects.h"
#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#define PAGE 4096
#define PAGES 40

static struct unit_pool u;
static struct device *device;
static struct rng rng;
static uint64_t seed_of_pages;
static const char *doing;
static uint64_t doing_at;

static void __attribute__ ((noreturn, format (printf, 1, 2)))
wrong (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  vfprintf (stderr, fmt, args);
  va_end (args);
  fprintf (stderr, " (%s %" PRIu64 ", errno %d)\n", doing, doing_at, errno);
  exit (1);
}

#define REQUIRE(cond) \
  do { if (!(cond)) wrong ("line %d: %s", __LINE__, #cond); } while (0)

/* ---- pages ---- */

static void
page_of (uint64_t index, uint8_t page[PAGE])
{
  data_fill (page, PAGE, (enum data_kind) (index % (DATA_KINDS + 1)),
             seed_of_pages + index);
}

static void
write_page (uint64_t index)
{
  uint8_t page[PAGE];

  page_of (index, page);
  REQUIRE (device_write (device, page, PAGE, index * PAGE) == 0);
}

/* Every codec writes a part of them, so that all are there. */
static void
fill (void)
{
  unsigned n = 0, count = 0;

  for (const struct codec *const *c = codecs; *c; ++c)
    count++;
  for (const struct codec *const *c = codecs; *c; ++c, ++n) {
    u.options.algorithm = unit_algorithm ((*c)->name);
    REQUIRE (unit_reopen (&u) == 0);
    device = device_open (u.pool, "disk", (PAGES + 8) * PAGE);
    REQUIRE (device != NULL);
    for (uint64_t index = n * PAGES / count; index < PAGES; ++index)
      write_page (index);
  }
}

/* 0 when the page is right, -1 when it gives EIO. */
static int
check_page (uint64_t index)
{
  uint8_t found[PAGE], expected[PAGE];

  memset (found, 0x5a, PAGE);
  errno = 0;
  if (device_read (device, found, PAGE, index * PAGE) == -1) {
    REQUIRE (errno == EIO);
    return -1;
  }
  page_of (index, expected);
  if (memcmp (found, expected, PAGE) != 0)
    wrong ("page %" PRIu64 " has another content", index);
  return 0;
}

/* All but MAYBE_DAMAGED must be right.  Returns how many were not. */
static unsigned
check_pages (uint64_t maybe_damaged)
{
  unsigned errors = 0;

  for (uint64_t index = 0; index < PAGES; ++index)
    if (check_page (index) == -1) {
      errors++;
      if (index != maybe_damaged)
        wrong ("page %" PRIu64 " can't be read", index);
    }
  return errors;
}

static void
check_invariants (bool exactly)
{
  struct unit_sums sums;
  const char *what = exactly ? unit_check (u.pool) : unit_walk (u.pool, &sums);

  if (what)
    wrong ("invariant: %s", what);
}

static void
heal (void)
{
  for (uint64_t index = 0; index < PAGES; ++index)
    write_page (index);
  REQUIRE (check_pages (PAGES) == 0);
}

/* What a damaged slot owned comes back when the pool is attached. */
static void
attach (void)
{
  REQUIRE (unit_reopen (&u) == 0);
  device = device_open (u.pool, "disk", 0);
  REQUIRE (device != NULL);
}

/* ---- flips, through a mapping of our own ---- */

static uint8_t *
map_byte (uint64_t offset)
{
  uint8_t *p = mmap (NULL, OS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                     u.fd, (off_t) align_down (offset, OS_PAGE_SIZE));

  REQUIRE (p != MAP_FAILED);
  return p + offset % OS_PAGE_SIZE;
}

static void
flip (uint64_t offset, unsigned bit)
{
  uint8_t *p = map_byte (offset);

  *p ^= (uint8_t) (1 << bit);
  munmap (p - offset % OS_PAGE_SIZE, OS_PAGE_SIZE);
}

static uint64_t
slot_at (uint64_t index)
{
  return device->table.offset + index * sizeof (slot_t);
}

static slot_t
slot_of (uint64_t index)
{
  return device->table.slots[index];
}

/* ---- slots ---- */

static void
flip_slots_live (void)
{
  doing = "slot, live, bit";
  for (uint64_t index = 0; index < PAGES; ++index)
    for (unsigned bit = 0; bit < 64; ++bit) {
      uint64_t at = slot_at (index) + bit / 8;

      doing_at = index * 64 + bit;
      flip (at, bit % 8);
      REQUIRE (check_pages (index) == 1);
      /* It must not be moved on the damaged slot's word. */
      if (bit % 16 == 0)
        pool_compact (u.pool, NULL);
      check_invariants (false);
      flip (at, bit % 8);
      REQUIRE (check_pages (PAGES) == 0);
    }
  check_invariants (true);
}

/* Written or trimmed while damaged, it frees nobody's object. */
static void
overwrite_damaged_slots (void)
{
  doing = "slot overwritten, bit";
  for (uint64_t index = 0; index < PAGES; ++index)
    for (unsigned bit = 0; bit < 64;
         bit += 1 + (unsigned) rng_below (&rng, 8)) {
      doing_at = index * 64 + bit;
      flip (slot_at (index) + bit / 8, bit % 8);
      if (bit % 2 == 0)
        REQUIRE (device_zero (device, PAGE, index * PAGE) == 0);
      write_page (index);
      REQUIRE (check_pages (PAGES) == 0);
      check_invariants (false);
    }
  attach ();
  check_invariants (true);
  REQUIRE (check_pages (PAGES) == 0);
}

static void
flip_slots_at_rest (void)
{
  doing = "slot, at rest, bit";
  for (uint64_t index = 0; index < PAGES; ++index)
    for (unsigned bit = 0; bit < 64; bit += unit_quick () ? 13 : 3) {
      uint64_t at = slot_at (index) + bit / 8;

      doing_at = index * 64 + bit;
      unit_detach (&u);
      flip (at, bit % 8);
      REQUIRE (unit_attach (&u) == 0);
      device = device_open (u.pool, "disk", 0);
      REQUIRE (u.pool->counters.bad_slots == 1);
      REQUIRE (check_pages (index) == 1);
      check_invariants (false);
      write_page (index);
      REQUIRE (check_pages (PAGES) == 0);
      check_invariants (true);
    }
}

/* ---- objects ---- */

/* Flips a bit and sees.  Whether it shows is the codec's affair. */
static unsigned
flip_object (uint64_t index, uint64_t byte, unsigned bit)
{
  uint64_t at = u.pool->file.arena_offset + slot_offset (slot_of (index))
    + byte;
  unsigned errors;

  doing_at = index;
  flip (at, bit);
  errors = check_pages (index);
  check_invariants (true);
  flip (at, bit);
  REQUIRE (check_page (index) == 0);
  return errors;
}

static void
flip_objects_live (void)
{
  unsigned flips = 0, errors = 0;

  doing = "object, live, page";
  for (uint64_t index = 0; index < PAGES; ++index) {
    slot_t s = slot_of (index);
    uint64_t length = slot_is_huge (s) ? PAGE
      : slot_length (s) + OBJECT_HEADER_SIZE;

    if (!slot_has_object (s))
      continue;
    if (slot_is_stored (s))
      for (unsigned bit = 0; bit < OBJECT_HEADER_SIZE * 8; ++bit)
        REQUIRE (flip_object (index, bit / 8, bit % 8) == 1);
    for (unsigned i = 0; i < unit_scaled (40); ++i, ++flips)
      errors += flip_object (index, rng_below (&rng, length),
                             (unsigned) rng_below (&rng, 8));
  }
  printf ("objects: %u of %u flips were errors\n", errors, flips);
}

/* Compaction moves damage, and makes none. */
static void
compact_damaged_objects (void)
{
  doing = "object, compacted, page";
  for (uint64_t index = 0; index < PAGES; ++index)
    if (slot_has_object (slot_of (index)))
      flip (u.pool->file.arena_offset + slot_offset (slot_of (index))
            + rng_below (&rng, 12), 3);
  for (uint64_t index = 0; index < PAGES; index += 3)
    REQUIRE (device_zero (device, PAGE, index * PAGE) == 0);
  pool_compact (u.pool, NULL);
  check_invariants (true);
  for (uint64_t index = 0; index < PAGES; ++index)
    if (index % 3 != 0)
      check_page (index);
  heal ();
  check_invariants (true);
}

static void
flip_objects_at_rest (void)
{
  doing = "object, at rest, page";
  for (uint64_t index = 0; index < PAGES; ++index) {
    slot_t s = slot_of (index);
    uint64_t at = u.pool->file.arena_offset + slot_offset (s)
      + rng_below (&rng, 12);

    if (!slot_has_object (s))
      continue;
    doing_at = index;
    unit_detach (&u);
    flip (at, (unsigned) rng_below (&rng, 8));
    REQUIRE (unit_attach (&u) == 0);
    device = device_open (u.pool, "disk", 0);
    check_invariants (true);
    check_pages (index);
    write_page (index);
    REQUIRE (check_pages (PAGES) == 0);
    check_invariants (true);
  }
}

/* A partial write must not make damage look whole. */
static void
partial_writes_to_damage (void)
{
  uint8_t part[10] = "partial";

  doing = "partial write, page";
  for (uint64_t index = 0; index < PAGES; ++index) {
    slot_t s = slot_of (index);

    doing_at = index;
    if (!slot_has_object (s))
      continue;
    flip (u.pool->file.arena_offset + slot_offset (s), 0);
    if (check_page (index) == -1) {
      REQUIRE (device_write (device, part, sizeof part, index * PAGE) == -1);
      REQUIRE (errno == EIO);
      REQUIRE (device_zero (device, 100, index * PAGE) == -1);
      REQUIRE (errno == EIO);
    }
    flip (u.pool->file.arena_offset + slot_offset (s), 0);
    REQUIRE (check_page (index) == 0);
  }
}

/* ---- many at once ---- */

/* One bit of a slot at a time: its check promises no more. */
static void
shower (void)
{
  doing = "shower";
  for (unsigned round = 0; round < unit_scaled (300); ++round) {
    bool flipped[PAGES] = { false };

    doing_at = round;
    for (uint64_t n = 1 + rng_below (&rng, 8); n > 0; --n) {
      uint64_t index = rng_below (&rng, PAGES);

      if (round % 2 == 0 && !flipped[index]) {
        flipped[index] = true;
        flip (slot_at (index) + rng_below (&rng, 8),
              (unsigned) rng_below (&rng, 8));
      }
      else
        flip (u.pool->file.arena_offset
              + rng_below (&rng, u.pool->objects.high_water)
                * u.pool->sizes.zspage_size + rng_below (&rng, 4096),
              (unsigned) rng_below (&rng, 8));
    }
    if (round % 3 == 0)
      attach ();
    for (uint64_t index = 0; index < PAGES; ++index)
      check_page (index);
    if (round % 4 == 0)
      pool_compact (u.pool, NULL);
    heal ();
    attach ();
    REQUIRE (check_pages (PAGES) == 0);
    check_invariants (true);
  }
}

/* ---- the head ---- */

/* Attach, or be refused; then, what is read is right. */
static void
try_attach (void)
{
  enum attach_result started;

  u.pool = pool_open (&u.options);
  if (!u.pool) {
    /* The version is a byte of the first word. */
    REQUIRE (errno == EINVAL || errno == EPROTONOSUPPORT);
    return;
  }
  started = pool_start (u.pool);
  if (started != ATTACH_OK)
    REQUIRE (started == ATTACH_FAILED && errno == EINVAL);
  else {
    uint64_t size;

    REQUIRE (pool_find_device (u.pool, "disk", &size) == 0);
    device = device_open (u.pool, "disk", 0);
    REQUIRE (device != NULL);
    REQUIRE (check_pages (PAGES) == 0);
    check_invariants (true);
  }
  unit_detach (&u);
}

static void
flip_head (uint64_t offset, uint64_t length, unsigned step)
{
  unit_detach (&u);
  for (uint64_t n = 0; n < length * 8; n += step) {
    doing_at = n;
    flip (offset + n / 8, n % 8);
    try_attach ();
    flip (offset + n / 8, n % 8);
  }
  attach ();
  REQUIRE (check_pages (PAGES) == 0);
}

static void
flip_superblock (void)
{
  doing = "superblock, bit";
  flip_head (0, 48, unit_quick () ? 7 : 1);
  flip_head (48, OS_PAGE_SIZE - 48, 997);
  doing = "record, bit";
  flip_head (OS_PAGE_SIZE, 48, unit_quick () ? 7 : 1);
  flip_head (OS_PAGE_SIZE + 48, OS_PAGE_SIZE - 48, 97);
}

/* ---- truncation ---- */

static int
copy_of_file (off_t size)
{
  int fd = memfd_create ("copy", MFD_CLOEXEC);
  off_t data = 0, hole;
  uint8_t buf[OS_PAGE_SIZE];

  REQUIRE (fd >= 0 && ftruncate (fd, size) == 0);
  while ((data = lseek (u.fd, data, SEEK_DATA)) != -1) {
    hole = lseek (u.fd, data, SEEK_HOLE);
    for (; data < hole; data += OS_PAGE_SIZE) {
      REQUIRE (pread (u.fd, buf, sizeof buf, data) == sizeof buf);
      REQUIRE (pwrite (fd, buf, sizeof buf, data) == sizeof buf);
    }
  }
  return fd;
}

static void
truncate_to (int copy, off_t size)
{
  struct pool_options options = u.options;
  struct pool *pool;
  char path[32];

  doing_at = (uint64_t) size;
  snprintf (path, sizeof path, "/proc/self/fd/%d", copy);
  options.path = path;
  REQUIRE (ftruncate (copy, size) == 0);
  errno = 0;
  pool = pool_open (&options);
  if (size == 0)
    REQUIRE (pool && pool->file.created);
  else if (pool) {
    REQUIRE (pool_start (pool) == ATTACH_FAILED && errno == EINVAL);
  }
  else
    REQUIRE (errno == EINVAL);
  pool_close (pool);
}

static void
truncated (void)
{
  uint64_t arena_end = u.pool->file.arena_offset + u.pool->file.arena_size;
  off_t size = lseek (u.fd, 0, SEEK_END);
  const off_t sizes[] = {
    size - 1, size - 4096, (off_t) arena_end + 1, (off_t) arena_end,
    (off_t) arena_end - 1, 1 << 30, 4 << 20, 2 << 20, (2 << 20) - 1, 100000,
    8192, 8191, 4097, 4096, 4095, 100, 48, 47, 40, 8, 7, 1, 0,
  };
  int copy;

  doing = "truncated to";
  unit_detach (&u);
  copy = copy_of_file (size);
  for (unsigned i = 0; i < ARRAY_SIZE (sizes); ++i)
    truncate_to (copy, sizes[i]);
  close (copy);
  attach ();
}

int
main (void)
{
  rng.state = seed_of_pages = unit_seed ();
  if (unit_open (&u, "lz4", PAGE, true, 0) == -1)
    wrong ("unit_open");
  fill ();
  REQUIRE (check_pages (PAGES) == 0);
  check_invariants (true);

  flip_slots_live ();
  flip_objects_live ();
  overwrite_damaged_slots ();
  fill ();
  flip_slots_at_rest ();
  fill ();
  flip_objects_at_rest ();
  fill ();
  partial_writes_to_damage ();
  compact_damaged_objects ();
  fill ();
  flip_superblock ();
  truncated ();
  shower ();
  unit_close (&u);
  return 0;
}
