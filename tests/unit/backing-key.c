/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file that is encrypted: what is on the disk, and what is refused.
 *
 * Where a block is forged, its checksum is set to that of the forged block, as
 * an attacker could do that knows how checksums are made.  Then only the seal
 * refuses it; without a key, the same is accepted.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/backing/internal.h"
#include "lib/backing/seal.h"
#include "lib/base/os.h"
#include "lib/maintenance/trim.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/devices.h"
#include "tests/lib/backing.h"

#include <cmocka.h>

#define SLOTS 400u
#define BLOCKS 256u
#define BYTES (BLOCKS * BACKING_BLOCK)

static uint8_t disk[BYTES], older[BYTES];

/* ---- a store, and what is on its disk ---- */

static void
put_all (struct store *s)
{
  for (uint32_t n = 0; n < SLOTS; ++n)
    assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
  assert_int_equal (store_flush (s), 0);
}

static struct store *
open_full (enum store_key with_key)
{
  struct store *s = store_open_as (".", BYTES, with_key);

  assert_int_equal (truncate (s->path, BYTES), 0);
  put_all (s);
  store_check (s);
  store_blocks (s, 0, disk, BYTES, false);
  return s;
}

static uint8_t *
block_of (uint8_t *bytes, uint32_t block)
{
  return bytes + (size_t) block * BACKING_BLOCK;
}

/* Put CONTENT in BLOCK of the disk, with a checksum that matches. */
static void
forge (struct store *s, uint32_t block, uint8_t *content)
{
  store_blocks (s, block, content, BACKING_BLOCK, true);
  sums_set (&s->backing, block, content);
}

/* The first block that has a part of slot N. */
static uint32_t
block_of_slot (const struct store *s, uint32_t n)
{
  return (uint32_t) (s->slots[n].offset / BACKING_BLOCK);
}

/* Slots that can't be read, or, if WRONG, that give another object. */
static unsigned
count_slots (struct store *s, bool wrong)
{
  unsigned count = 0;

  for (uint32_t n = 0; n < SLOTS; ++n)
    if (!store_slot_ok (s, n)) {
      assert_true (errno == 0 || errno == EUCLEAN);
      count += (errno == 0) == wrong;
    }
  return count;
}

/* A forged block is refused with a key, and accepted without. */
static void
assert_refused (struct store *s)
{
  if (s->options.key) {
    assert_true (count_slots (s, false) > 0);
    assert_int_equal (count_slots (s, true), 0);
  } else
    assert_int_equal (count_slots (s, false), 0);
}

static bool
contains (const uint8_t *bytes, size_t size, const uint8_t *part,
          size_t length)
{
  return memmem (bytes, size, part, length) != NULL;
}

TEST (nothing_is_readable)
{
  static uint8_t object[OBJECT_MAX];

  for (int k = STORE_PLAIN; k <= STORE_WITH_KEY; ++k) {
    struct store *s = open_full ((enum store_key) k);

    for (uint32_t n = 0; n < SLOTS; ++n) {
      object_fill (object, s->slots[n].length, s->slots[n].tag);
      assert_int_equal (contains (disk, BYTES, object, 32),
                        k == STORE_PLAIN);
    }
    store_reopen (s);
    store_check (s);
    store_close (s);
  }
}

TEST (changed_bits)
{
  for (int k = STORE_PLAIN; k <= STORE_WITH_KEY; ++k) {
    struct store *s = open_full ((enum store_key) k);

    for (uint32_t n = 0; n < SLOTS; n += 7) {
      uint32_t block = block_of_slot (s, n);
      uint8_t *byte = block_of (disk, block) + rng_below (&s->rng, 4096);
      uint8_t bit = (uint8_t) (1 << rng_below (&s->rng, 8));

      *byte ^= bit;
      forge (s, block, block_of (disk, block));
      assert_refused (s);
      *byte ^= bit;
      forge (s, block, block_of (disk, block));
    }
    store_check (s);
    store_close (s);
  }
}

/* The disk is as it was earlier, when other objects were at the same
 * places.
 */
TEST (older_blocks)
{
  for (int k = STORE_PLAIN; k <= STORE_WITH_KEY; ++k) {
    struct store *s = open_full ((enum store_key) k);

    memcpy (older, disk, BYTES);
    put_all (s);                /* at other places, */
    put_all (s);                /* and at these again */
    store_check (s);
    for (uint32_t n = 0; n < SLOTS; ++n) {
      uint32_t block = block_of_slot (s, n);

      forge (s, block, block_of (older, block));
    }
    assert_refused (s);
    store_reopen (s);
    assert_refused (s);
    store_close (s);
  }
}

TEST (exchanged_blocks)
{
  for (int k = STORE_PLAIN; k <= STORE_WITH_KEY; ++k) {
    struct store *s = open_full ((enum store_key) k);
    uint32_t a = block_of_slot (s, 0), b = block_of_slot (s, SLOTS - 1);

    assert_true (a != b);
    forge (s, a, block_of (disk, b));
    forge (s, b, block_of (disk, a));
    assert_refused (s);
    forge (s, a, block_of (disk, a));
    forge (s, b, block_of (disk, b));
    store_check (s);
    store_close (s);
  }
}

TEST (another_key)
{
  struct store *s = open_full (STORE_WITH_KEY);

  s->key_bytes[31] ^= 1;
  store_reopen (s);
  assert_int_equal (count_slots (s, false), SLOTS);
  s->key_bytes[31] ^= 1;
  store_reopen (s);
  store_check (s);
  store_close (s);
}

/* ---- what is written twice ---- */

static const struct seal *
seal_of (const struct store *s, uint32_t block)
{
  const struct seal *seals = s->backing.seals.base;

  return &seals[block];
}

static int
compare_words (const void *a, const void *b)
{
  const uint64_t *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

/* The same objects, written again and again, also by other processes, never
 * look the same: no block had this salt before.
 */
TEST (salts_differ)
{
  static uint64_t seen[40 * BLOCKS];
  static uint8_t object[2 * BACKING_BLOCK];
  struct store *s = store_open_as (".", 8 * MIB, STORE_WITH_KEY);
  size_t count = 0;

  memset (object, 'x', sizeof object);
  for (unsigned round = 0; round < 40; ++round) {
    struct backing_batch *batch = s->fresh;

    for (unsigned i = 0; i < 8; ++i)
      assert_int_equal (backing_batch_add (batch, object, BACKING_BLOCK,
                                           true), i);
    assert_int_equal (backing_flush (batch), 0);
    for (unsigned i = 0; i < 8; ++i) {
      uint32_t block = (uint32_t) (backing_batch_offset (batch, i)
                                   / BACKING_BLOCK);

      assert_true (seal_of (s, block)->salt != 0);
      seen[count++] = (uint64_t) block << 32 | seal_of (s, block)->salt;
    }
    backing_batch_reset (batch); /* so they are free again */
    if (round % 3 == 0)
      store_reopen (s);
  }
  qsort (seen, count, sizeof seen[0], compare_words);
  /* Blocks were used again, or this shows nothing. */
  assert_true (seen[0] >> 32 == seen[1] >> 32);
  for (size_t i = 1; i < count; ++i)
    assert_true (seen[i] != seen[i - 1]);
  store_close (s);
}

/* ---- with and without a key ---- */

/* Blocks without a key can still be read when there is one, and are encrypted
 * when they are moved.
 */
TEST (key_comes_later)
{
  static uint8_t object[OBJECT_MAX];
  struct store *s = open_full (STORE_PLAIN);

  s->options.key = &s->key;
  store_reopen (s);
  store_check (s);
  for (uint32_t n = 0; n < SLOTS; n += 2)
    assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
  assert_int_equal (store_flush (s), 0);
  store_check (s);
  store_reopen (s);
  store_check (s);
  store_blocks (s, 0, disk, BYTES, false);
  for (uint32_t n = 0; n < SLOTS; ++n) {
    object_fill (object, s->slots[n].length, s->slots[n].tag);
    assert_int_equal (contains (disk, BYTES, object, 32), n % 2 == 1);
  }
  store_close (s);
}

/* Without memory for seals, nothing is written. */
TEST (no_room_for_seals)
{
  struct store *s = store_open_as (".", 256 * MIB, STORE_WITH_KEY);
  struct backing *b = &s->backing;
  uint64_t used = s->budget.used;

  assert_int_equal (ftruncate (s->key.seals.fd, 16 * OS_PAGE_SIZE), 0);
  assert_int_equal (space_raise (b, 2 * GROUP_BLOCKS, false), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (b->high_water, GROUP_BLOCKS);
  assert_true (s->budget.used == used);
  assert_null (backing_check (b));
  assert_int_equal (ftruncate (s->key.seals.fd, BACKING_SEALS_SIZE), 0);
  store_close (s);
}

TEST (memory_is_counted)
{
  struct store *plain = store_open_as (".", 256 * MIB, STORE_PLAIN);
  struct store *s = store_open_as (".", 256 * MIB, STORE_WITH_KEY);
  uint64_t seals = block_array_bytes (&s->backing.seals, GROUP_BLOCKS);

  assert_int_equal (block_array_bytes (&plain->backing.seals, GROUP_BLOCKS),
                    0);
  assert_int_equal (seals, GROUP_BLOCKS * 20);
  /* As much again is held in reserve. */
  assert_true (s->budget.used
               == plain->budget.used + 2 * seals + SEALER_BYTES);
  store_close (plain);
  store_close (s);
}

/* ---- a pool ---- */

#define PAGE 4096
#define PAGES 500u

struct disk {
  struct unit_pool u;
  struct device *d;
  char path[64];
};

static void
attach (struct disk *f, bool with_key)
{
  struct writeback_options o = {
    .path = f->path, .size = 16 * MIB, .with_key = with_key,
  };
  struct backing_error error;

  f->u.pool = pool_open (&f->u.options);
  assert_non_null (f->u.pool);
  assert_int_equal (pool_open_writeback (f->u.pool, &o, &error), 0);
  f->u.started = pool_start (f->u.pool);
  assert_int_equal (f->u.started, ATTACH_OK);
  f->d = device_open (f->u.pool, "", PAGES * PAGE);
  assert_non_null (f->d);
}

static void
open_disk (struct disk *f, bool with_key)
{
  int fd;

  memset (f, 0, sizeof *f);
  snprintf (f->path, sizeof f->path, "nbdzram-unit-key-XXXXXX");
  fd = mkstemp (f->path);
  assert_true (fd != -1);
  close (fd);
  assert_int_equal (unit_open (&f->u, "lz4", PAGE, true, 0), 0);
  unit_detach (&f->u);
  attach (f, with_key);
}

static void
close_disk (struct disk *f)
{
  assert_pool_ok (f->u.pool);
  unit_close (&f->u);
  unlink (f->path);
}

static void
page_fill (uint8_t *page, uint64_t i)
{
  memset (page, 0, PAGE);
  for (unsigned k = 0; k < 40; ++k)
    snprintf ((char *) page + k * 100, 100, "page %u of a secret, line %u",
              (unsigned) i, k * 7919 % 1000);
}

static void
fill_and_write_back (struct disk *f)
{
  struct selection all = select_type (PAGES_ALL);
  struct writeback_result r;
  uint8_t page[PAGE];

  for (uint64_t i = 0; i < PAGES; ++i) {
    page_fill (page, i);
    assert_int_equal (device_write (f->d, page, PAGE, i * PAGE), 0);
  }
  assert_int_equal (pool_write_back (f->u.pool, &all, NULL, &r), 0);
  assert_int_equal (r.written, PAGES);
  /* What is read is then not kept in memory. */
  f->u.pool->budget.limit = f->u.pool->budget.used;
}

static void
assert_content (struct disk *f)
{
  uint8_t page[PAGE], expected[PAGE];

  for (uint64_t i = 0; i < PAGES; ++i) {
    page_fill (expected, i);
    assert_int_equal (device_read (f->d, page, PAGE, i * PAGE), 0);
    assert_memory_equal (page, expected, PAGE);
  }
}

static bool
disk_has_secret (struct disk *f)
{
  int fd = open (f->path, O_RDONLY | O_CLOEXEC);
  ssize_t n = pread (fd, disk, BYTES, 0);

  close (fd);
  assert_true (n > BACKING_BLOCK);
  return contains (disk, (size_t) n, (const uint8_t *) "of a secret", 11);
}

TEST (pool_goes_on_with_its_key)
{
  struct disk f;
  const _Atomic uint64_t *magic;
  uint64_t before;

  open_disk (&f, false);
  fill_and_write_back (&f);
  assert_true (disk_has_secret (&f));
  close_disk (&f);

  open_disk (&f, true);
  magic = f.u.pool->file.head;
  before = *magic;
  assert_false (pool_file_needs_key (&f.u.pool->file));
  fill_and_write_back (&f);
  assert_true (pool_file_needs_key (&f.u.pool->file));
  assert_true (*magic == before + 2);   /* other versions refuse it */
  assert_false (disk_has_secret (&f));
  assert_content (&f);

  /* Even if the option is not given. */
  unit_detach (&f.u);
  attach (&f, false);
  assert_content (&f);
  assert_pool_ok (f.u.pool);
  fill_and_write_back (&f);
  assert_false (disk_has_secret (&f));
  assert_content (&f);
  close_disk (&f);
}

static struct backing_key
key_of (struct disk *f)
{
  struct backing_key key;

  assert_int_equal (pool_file_open_key (&f->u.pool->file, &key), 0);
  return key;
}

TEST (reset_makes_a_new_key)
{
  struct disk f;
  struct backing_key key;
  uint8_t first[BACKING_KEY_SIZE];

  open_disk (&f, true);
  key = key_of (&f);
  memcpy (first, key.bytes, sizeof first);
  fill_and_write_back (&f);
  backing_renew_key (f.u.pool->backing);
  assert_memory_equal (key.bytes, first, sizeof first); /* it is needed */
  pool_reset (f.u.pool);
  assert_memory_not_equal (key.bytes, first, sizeof first);
  f.u.pool->budget.limit = 0;
  fill_and_write_back (&f);
  assert_content (&f);
  unit_detach (&f.u);
  attach (&f, true);
  assert_content (&f);
  close_disk (&f);
}

/* ---- core dumps ---- */

/* Is a mapping that has FLAGS, in smaps, part of a core dump, as far as the
 * program says?
 */
static bool
is_dumped (const char *flags)
{
  return strstr (flags, " rd") && !strstr (flags, " dd")
    && !strstr (flags, " io");
}

/* How often memory from START to END has the key.  MASKED is the key with all
 * bits inverted, so that this function's own memory does not have it.
 */
static unsigned
count_keys (int mem, uint64_t start, uint64_t end, const uint8_t *masked)
{
  static uint8_t buf[64 * 1024];
  unsigned count = 0;

  for (uint64_t at = start; at < end; at += sizeof buf) {
    ssize_t n = pread (mem, buf, MIN (sizeof buf, end - at), (off_t) at);

    for (ssize_t i = 0; i < n; ++i)
      buf[i] ^= 0xff;
    for (ssize_t i = 0; i + BACKING_KEY_SIZE <= n; i += 8)
      count += memcmp (buf + i, masked, BACKING_KEY_SIZE) == 0;
  }
  explicit_bzero (buf, sizeof buf);
  return count;
}

/* How often memory that is dumped, or all memory, has the key. */
static unsigned
scan_memory (const uint8_t *masked, bool all)
{
  FILE *fp = fopen ("/proc/self/smaps", "re");
  int mem = open ("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  uint64_t start = 0, end = 0, a, b;
  char line[512];
  unsigned count = 0;

  assert_non_null (fp);
  assert_true (mem != -1);
  while (fgets (line, sizeof line, fp))
    if (sscanf (line, "%lx-%lx ", &a, &b) == 2) {
      start = a;
      end = b;
    } else if (strncmp (line, "VmFlags:", 8) == 0
               && end - start < GIB /* not the arena */
               && (all ? strstr (line, " rd") != NULL : is_dumped (line)))
      count += count_keys (mem, start, end, masked);
  fclose (fp);
  close (mem);
  return count;
}

TEST (core_dumps_have_no_key)
{
  struct disk f;
  struct backing_key key;
  uint8_t masked[BACKING_KEY_SIZE];

  if (unit_instrumented ())
    skip ();
  open_disk (&f, true);
  fill_and_write_back (&f);
  assert_content (&f);
  key = key_of (&f);
  for (unsigned i = 0; i < sizeof masked; ++i)
    masked[i] = (uint8_t) ~key.bytes[i];
  assert_true (scan_memory (masked, true) > 0);
  assert_int_equal (scan_memory (masked, false), 0);
  /* Looking at its mapping has given memory to holes of the pool file. */
  unit_close (&f.u);
  unlink (f.path);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (nothing_is_readable),
    cmocka_unit_test (changed_bits),
    cmocka_unit_test (older_blocks),
    cmocka_unit_test (exchanged_blocks),
    cmocka_unit_test (another_key),
    cmocka_unit_test (salts_differ),
    cmocka_unit_test (key_comes_later),
    cmocka_unit_test (no_room_for_seals),
    cmocka_unit_test (memory_is_counted),
    cmocka_unit_test (pool_goes_on_with_its_key),
    cmocka_unit_test (reset_makes_a_new_key),
    cmocka_unit_test (core_dumps_have_no_key),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
