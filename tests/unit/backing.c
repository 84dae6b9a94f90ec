/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backing file: its header, packing, space, cleaning. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/loop.h>

#include "lib/backing/internal.h"
#include "lib/base/os.h"
#include "tests/lib/backing.h"

#include <cmocka.h>

/* ---- the header ---- */

static void
write_file (const char *path, const void *content, size_t size)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, content, size), size);
  close (fd);
}

static struct backing_error refusal;

static int
try_open (struct backing *b, const struct backing_options *o)
{
  return backing_open (b, o, &refusal);
}

static void
assert_refused (const struct backing_options *o,
                enum backing_error_reason reason)
{
  uint64_t used = o->budget->used;
  struct backing b;

  assert_int_equal (try_open (&b, o), -1);
  assert_int_equal (refusal.reason, reason);
  assert_ptr_equal (refusal.path, o->path);
  assert_int_equal (o->budget->used, used);
  backing_close (&b);
}

static void
assert_system_error (const struct backing_options *o, int err)
{
  assert_refused (o, BACKING_ERROR_SYSTEM);
  assert_int_equal (refusal.system, err);
}

TEST (made_and_found)
{
  struct store *s = store_open (".", 8 * MIB);
  uint8_t zero[BACKING_ID_SIZE] = { 0 };
  struct stat st;

  assert_int_equal (stat (s->path, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0600);
  assert_int_equal (st.st_size, BACKING_BLOCK);
  assert_true (s->backing.taken_over);
  assert_memory_not_equal (s->record.ids[0], zero, sizeof zero);

  assert_int_equal (store_put (s, 0, 100), 0);
  assert_int_equal (store_flush (s), 0);
  store_reopen (s);
  assert_false (s->backing.taken_over);
  assert_memory_equal (s->backing.id, s->record.ids[0],
                       sizeof s->backing.id);
  store_check (s);
  store_close (s);
}

/* A pool without written back pages takes over another pool's file. */
TEST (taken_over)
{
  struct store *s = store_open (".", 8 * MIB);
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct backing b;
  struct stat st;

  assert_int_equal (store_put (s, 0, 100), 0);
  assert_int_equal (store_flush (s), 0);
  o.budget = &budget;
  assert_refused (&o, BACKING_ERROR_BUSY);
  store_check (s);
  store_leave (s);

  o.record = NULL;
  o.pool_id[0] ^= 1;
  assert_int_equal (try_open (&b, &o), 0);
  assert_true (b.taken_over);
  assert_memory_not_equal (b.id, s->record.ids[0], sizeof s->record.ids[0]);
  assert_int_equal (stat (s->path, &st), 0);
  assert_int_equal (st.st_size, BACKING_BLOCK);
  backing_close (&b);
  backing_close (&b);
  store_close (s);
}

/* A file that differs in anything from the recorded one is refused. */
TEST (not_the_expected)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing_record r;
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  uint8_t byte;
  int fd;

  r = s->record;
  store_leave (s);
  o.budget = &budget;
  o.record = &r;

  r.ids[0][3] ^= 1;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  r.ids[0][3] ^= 1;
  o.pool_id[0] ^= 1;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  o.pool_id[0] ^= 1;
  o.page_size = 8192;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  o.page_size = 4096;

  /* With any damaged bit of the header it is no backing file. */
  for (off_t at = 0; at < 56; at += 5) {
    fd = open (s->path, O_RDWR);
    assert_int_equal (pread (fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal (pwrite (fd, &byte, 1, at), 1);
    assert_refused (&o, BACKING_ERROR_UNEXPECTED);
    o.record = NULL;
    assert_refused (&o, BACKING_ERROR_OCCUPIED);
    o.record = &r;
    byte ^= 0x10;
    assert_int_equal (pwrite (fd, &byte, 1, at), 1);
    close (fd);
  }
  assert_int_equal (truncate (s->path, 100), 0);
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  assert_int_equal (truncate (s->path, 0), 0);
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  store_close (s);
}

/* A replica can be used alone if it has all pages; then the other one is no
 * longer in sync.
 */
TEST (half_of_a_mirror)
{
  static const struct {
    unsigned place, before, after; /* 0 after: it is refused */
  } cases[] = {
    { 0, 0, 1 }, { 0, 1, 1 }, { 0, 2, 0 }, { 0, 3, 1 },
    { 1, 0, 0 }, { 1, 1, 0 }, { 1, 2, 2 }, { 1, 3, 2 },
  };
  struct store *s = store_open (".", 8 * MIB);
  struct backing_record found = s->record;
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct backing b;

  store_leave (s);
  o.budget = &budget;
  for (unsigned i = 0; i < ARRAY_SIZE (cases); ++i) {
    memset (s->record.ids, 1, sizeof s->record.ids);
    memcpy (s->record.ids[cases[i].place], found.ids[0], BACKING_ID_SIZE);
    s->record.in_sync = cases[i].before;
    if (cases[i].after == 0) {
      assert_refused (&o, BACKING_ERROR_UNUSABLE);
      assert_non_null (strstr (refusal.detail, "lacks pages"));
      assert_int_equal (s->record.in_sync, cases[i].before);
      continue;
    }
    assert_int_equal (try_open (&b, &o), 0);
    assert_int_equal (s->record.in_sync, cases[i].after);
    assert_false (b.taken_over);
    backing_close (&b);
  }
  store_close (s);
}

/* A pool that is kept in a file may come back for its pages. */
TEST (needed_by_another)
{
  struct store *s = store_open (".", 8 * MIB);
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct backing b;

  store_leave (s);
  o.budget = &budget;
  o.record = NULL;
  o.pool_is_kept = true;
  o.pool_id[0] ^= 1;
  assert_int_equal (try_open (&b, &o), 0);
  backing_close (&b);

  o.pool_id[0] ^= 1;
  assert_refused (&o, BACKING_ERROR_OTHER_POOL);
  o.pool_is_kept = false;
  assert_refused (&o, BACKING_ERROR_OTHER_POOL);
  o.pool_id[0] ^= 1;            /* the same again */
  assert_int_equal (try_open (&b, &o), 0);
  assert_true (b.taken_over);
  backing_close (&b);
  o.pool_id[0] ^= 1;            /* that one was not kept */
  assert_int_equal (try_open (&b, &o), 0);
  backing_close (&b);
  store_close (s);
}

/* Of an unaligned block: the undefined behaviour sanitizer reports an access
 * that assumes alignment.
 */
TEST (header_at_any_address)
{
  uint8_t bytes[BACKING_BLOCK + 8], id[BACKING_ID_SIZE];
  const struct backing_options o = {
    .page_size = 4096, .pool_id = "a pool", .pool_is_kept = true,
  };
  struct backing_options other = o;

  other.pool_id[0] ^= 1;
  for (unsigned at = 0; at < 8; ++at) {
    void *block = bytes + at;

    memset (bytes, 0xff, sizeof bytes);
    assert_null (header_id (block));
    assert_int_equal (header_make (block, &o, id), 0);
    assert_memory_equal (header_id (block), id, sizeof id);
    assert_true (header_is_of (block, &o));
    assert_false (header_is_of (block, &other));
    assert_false (header_is_needed (block, &o));
    assert_true (header_is_needed (block, &other));
    ((uint8_t *) block)[20] ^= 1;
    assert_null (header_id (block));
  }
}

TEST (others_are_left_alone)
{
  static const char text[] = "somebody's letters";
  struct store *s = store_open (".", 8 * MIB);
  char path[96], back[64];
  struct budget budget = { 0 };
  struct backing_options o = s->options;
  struct stat st;
  int fd;

  snprintf (path, sizeof path, "%s/other", s->dir);
  o.path = path;
  o.budget = &budget;
  o.record = NULL;
  write_file (path, text, sizeof text);
  assert_refused (&o, BACKING_ERROR_OCCUPIED);
  o.record = &s->record;
  assert_refused (&o, BACKING_ERROR_UNEXPECTED);
  o.record = NULL;
  fd = open (path, O_RDWR);
  assert_int_equal (read (fd, back, sizeof back), sizeof text);
  assert_string_equal (back, text);

  /* The pool's file, even where it is empty. */
  assert_int_equal (ftruncate (fd, 0), 0);
  o.pool_fd = fd;
  assert_refused (&o, BACKING_ERROR_IS_POOL);
  o.pool_fd = -1;
  close (fd);
  unlink (path);

  /* Zeroes are something. */
  assert_int_equal (truncate (s->path, BACKING_BLOCK), 0);
  write_file (path, "", 1);
  assert_refused (&o, BACKING_ERROR_OCCUPIED);
  unlink (path);

  assert_int_equal (mkfifo (path, 0600), 0);
  assert_refused (&o, BACKING_ERROR_FILE_TYPE);
  unlink (path);
  assert_int_equal (mkdir (path, 0700), 0);
  assert_system_error (&o, EISDIR);
  rmdir (path);
  o.path = "/dev/null";
  assert_refused (&o, BACKING_ERROR_FILE_TYPE);
  o.path = path;

  /* A file that did not exist before is removed. */
  o.size = 0;
  assert_refused (&o, BACKING_ERROR_TOO_SMALL);
  o.size = 4096 + 4095;
  assert_refused (&o, BACKING_ERROR_TOO_SMALL);
  o.size = BACKING_SIZE_MAX + 1;
  assert_refused (&o, BACKING_ERROR_TOO_LARGE);
  o.size = MIB;
  budget.limit = 4096;
  assert_system_error (&o, ENOSPC);
  assert_int_equal (stat (path, &st), -1);
  store_close (s);
}

/* Make a loop device of the file FD, and put its name in PATH.  Returns it
 * open, so that it is removed when it is closed, or -1 if that is not
 * allowed.
 */
static int
open_loop (int fd, char path[32])
{
  int control = open ("/dev/loop-control", O_RDWR | O_CLOEXEC);
  int number = control == -1 ? -1 : ioctl (control, LOOP_CTL_GET_FREE);
  struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
  int loop;

  if (control != -1)
    close (control);
  snprintf (path, 32, "/dev/loop%d", number);
  loop = number == -1 ? -1 : open (path, O_RDWR | O_CLOEXEC);
  if (loop == -1)
    return -1;
  if (ioctl (loop, LOOP_SET_FD, fd) == 0
      && ioctl (loop, LOOP_SET_STATUS64, &info) == 0)
    return loop;
  close (loop);
  return -1;
}

static void
write_and_read (struct backing *b)
{
  static _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  struct backing_batch *t = backing_batch_new (b, MIB, false);
  uint64_t offset;

  assert_non_null (t);
  assert_int_equal (backing_batch_add (t, "spilled", 8, false), 0);
  assert_int_equal (backing_flush (t), 0);
  offset = backing_batch_offset (t, 0);
  assert_true (backing_contains (b, offset, 8));
  assert_string_equal (backing_read (b, offset, 8, buf), "spilled");
  backing_batch_free (t);
  backing_give_back (b, 0);
  assert_null (backing_check (b));
}

static void
try_device (const char *path, int file)
{
  struct budget budget = { 0 };
  struct backing_record r = { .has = 0 };
  struct backing_options o = {
    .path = path, .page_size = 4096, .pool_fd = -1, .budget = &budget,
    .record = &r,
  };
  struct backing b;

  /* Data of another program, not at the start. */
  assert_int_equal (pwrite (file, "x", 1, MIB - 1), 1);
  assert_refused (&o, BACKING_ERROR_OCCUPIED);
  assert_int_equal (pwrite (file, "", 1, MIB - 1), 1);
  /* The loop device may have read it already. */
  {
    int fd = open (path, O_RDWR);

    assert_int_equal (pwrite (fd, "", 1, MIB - 1), 1);
    fsync (fd);
    close (fd);
  }

  assert_int_equal (try_open (&b, &o), 0);
  assert_true (b.is_device && b.taken_over);
  assert_int_equal (b.blocks, 8 * MIB / BACKING_BLOCK);
  assert_refused (&o, BACKING_ERROR_BUSY);
  write_and_read (&b);
  backing_close (&b);

  o.size = 4 * MIB;
  assert_int_equal (try_open (&b, &o), 0);
  assert_false (b.taken_over);
  assert_int_equal (b.limit, 4 * MIB / BACKING_BLOCK);
  assert_true (backing_contains (&b, 8 * MIB - 32, 32));
  backing_attach_done (&b);
  write_and_read (&b);
  backing_close (&b);
}

TEST (block_device)
{
  char name[] = "./nbdzram-unit-XXXXXX", path[32];
  int file = mkstemp (name), loop;

  assert_true (file >= 0);
  unlink (name);
  assert_int_equal (ftruncate (file, 8 * MIB), 0);
  loop = open_loop (file, path);
  if (loop == -1) {
    close (file);
    print_message ("no loop device can be had\n");
    skip ();
  }
  try_device (path, file);
  close (loop);
  close (file);
}

/* ---- packing ---- */

static void
try_packing (uint32_t min, uint32_t max, uint32_t multiple)
{
  struct store *s = store_open (".", 256 * MIB);
  struct backing *b = &s->backing;
  uint64_t sum = 0, used = b->used;

  for (uint32_t n = 0; n < STORE_SLOTS / 2; ++n) {
    uint32_t length = min + (uint32_t) rng_below (&s->rng, max - min + 1);

    assert_int_equal (store_put (s, n, length), 0);
    sum += align_up (length, BACKING_UNIT);
  }
  assert_int_equal (store_flush (s), 0);
  for (uint32_t n = 0; n < STORE_SLOTS / 2; ++n) {
    const struct store_slot *slot = &s->slots[n];

    assert_true (slot->offset >= BACKING_BLOCK);
    assert_int_equal (slot->offset % BACKING_UNIT, 0);
    if (slot->length <= BACKING_BLOCK / 2)
      assert_int_equal (slot->offset / BACKING_BLOCK,
                        (slot->offset + slot->length - 1) / BACKING_BLOCK);
  }
  store_check (s);
  assert_int_equal (b->live_units, sum / BACKING_UNIT + 128);
  used = (b->used - used) * BACKING_BLOCK;
  print_message ("%u to %u: %.3f\n", min, max, (double) used / (double) sum);
  assert_true (used * 100 <= sum * multiple);
  store_close (s);
}

/* No more than 5 % is lost, if sizes allow it. */
TEST (packing)
{
  try_packing (32, 3844, 105);
  try_packing (200, 1500, 105);
  try_packing (1, 64, 105);
  try_packing (32, 20000, 106);
  try_packing (5000, 9000, 110);
  try_packing (2049, 4096, 200);
}

TEST (large_and_aligned)
{
  static const uint32_t lengths[] = {
    4096, 65536, 65540, 100, 4097, 61441, 8192, 3000, 32, 33, 12345,
  };
  static _Alignas (4096) uint8_t object[OBJECT_MAX];
  struct store *s = store_open (".", 64 * MIB);
  struct backing *b = &s->backing;
  uint32_t used;

  for (unsigned i = 0; i < ARRAY_SIZE (lengths); ++i) {
    object_fill (object, lengths[i], i);
    s->slots[i].length = lengths[i];
    s->slots[i].tag = i;
    assert_int_equal (backing_batch_add (s->fresh, object, lengths[i],
                                         lengths[i] % 4096 == 0), i);
  }
  assert_int_equal (backing_batch_offset (s->fresh, 0), 0);
  assert_int_equal (backing_flush (s->fresh), 0);
  used = b->used;
  for (unsigned i = 0; i < ARRAY_SIZE (lengths); ++i) {
    s->slots[i].offset = backing_batch_offset (s->fresh, i);
    assert_true (lengths[i] % 4096 != 0 || s->slots[i].offset % 4096 == 0);
    backing_claim (b, s->slots[i].offset, lengths[i], 1);
  }
  backing_batch_reset (s->fresh);
  assert_int_equal (b->used, used);
  /* The small objects were put behind the large ones. */
  assert_int_equal (used, 1 + 1 + 16 + 17 + 2 + 16 + 2 + 4);
  store_check (s);
  store_reopen (s);
  assert_int_equal (b->used, used);
  store_check (s);
  store_close (s);
}

/* A batch accepts an object or refuses it: nothing is written beyond its
 * memory.
 */
TEST (batches_of_all_sizes)
{
  static uint8_t object[OBJECT_MAX];
  struct store *s = store_open (".", 64 * MIB);

  for (unsigned round = 0; round < 40; ++round) {
    uint32_t bytes = (uint32_t) rng_below (&s->rng, MIB);
    uint32_t max = 32u << rng_below (&s->rng, 12);
    struct backing_batch *t = backing_batch_new (&s->backing, bytes, false);
    int added, count = 0;

    assert_non_null (t);
    do {
      added = backing_batch_add (t, object,
                                 1 + (uint32_t) rng_below (&s->rng, max),
                                 rng_below (&s->rng, 50) == 0);
      count += added >= 0;
    } while (added >= 0);
    assert_int_equal (errno, EAGAIN);
    assert_true (count > 0);
    assert_int_equal (backing_flush (t), 0);
    for (int i = 0; i < count; ++i)
      assert_true (backing_batch_offset (t, (unsigned) i) != 0);
    backing_batch_free (t);
    assert_int_equal (s->backing.used, 1);
  }
  store_check (s);
  store_close (s);
}

/* ---- claims of slots ---- */

TEST (places_that_cannot_be)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing *b = &s->backing;

  assert_true (backing_contains (b, 4096, 1));
  assert_true (backing_contains (b, 8 * MIB - 4096, 4096));
  assert_true (backing_contains (b, 8 * MIB - 32, 32));
  assert_false (backing_contains (b, 0, 32));
  assert_false (backing_contains (b, 4064, 32));
  assert_false (backing_contains (b, 4097, 32));
  assert_false (backing_contains (b, 4096, 0));
  assert_false (backing_contains (b, 8 * MIB - 32, 33));
  assert_false (backing_contains (b, 8 * MIB, 1));
  assert_false (backing_contains (b, UINT64_MAX - 31, 32));
  assert_false (backing_contains (b, UINT64_MAX - 31, 4096));
  store_close (s);
}

TEST (shared_objects)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing *b = &s->backing;
  uint64_t offset;

  assert_int_equal (store_put (s, 0, 10000), 0);
  assert_int_equal (store_flush (s), 0);
  offset = s->slots[0].offset;
  for (unsigned i = 0; i < 16; ++i)
    backing_claim (b, offset, 10000, BACKING_GROUP);
  store_drop (s, 0);
  assert_int_equal (b->used, 1 + 3);
  assert_int_equal (b->live_units, 128 * 3 + 16 * 4);
  for (unsigned i = 0; i < 16; ++i) {
    assert_int_equal (b->used, 1 + 3);
    backing_release (b, offset, 10000, BACKING_GROUP);
  }
  assert_int_equal (b->used, 1);
  assert_int_equal (b->live_units, 128);
  store_close (s);
}

/* With more slots than can be counted, the block is not free again before the
 * next process counts fewer.
 */
TEST (too_many_share)
{
  struct store *s = store_open (".", 8 * MIB);
  struct backing *b = &s->backing;
  uint64_t offset;

  assert_int_equal (store_put (s, 0, 3200), 0);
  assert_int_equal (store_flush (s), 0);
  offset = s->slots[0].offset;
  for (unsigned i = 0; i < 1000; ++i)
    backing_claim (b, offset, 3200, 1);
  assert_int_equal (b->live_units, 128 + 128);
  for (unsigned i = 0; i < 1000; ++i)
    backing_release (b, offset, 3200, 1);
  assert_int_equal (b->used, 2);
  store_check (s);
  store_reopen (s);
  assert_int_equal (b->live_units, 128 + 100);

  /* The same for a block that is released more often than it was claimed. */
  backing_claim (b, offset, 32, 1);
  backing_release (b, offset, 3200, 1);
  backing_release (b, offset, 3200, 1);
  assert_int_equal (b->used, 2);
  assert_int_equal (b->live[offset / BACKING_BLOCK], UINT16_MAX);
  backing_release (b, 4 * MIB, 4096, 1);
  assert_int_equal (b->used, 2);
  assert_null (backing_check (b));
  store_close (s);
}

/* ---- space ---- */

/* Put, drop, clean, give back and attach in any order. */
static void
try_anything (const char *parent)
{
  struct store *s = store_open (parent, 64 * MIB);

  for (unsigned round = 0; round < unit_scaled (100); ++round) {
    uint64_t op = rng_below (&s->rng, 8);
    uint32_t from = (uint32_t) rng_below (&s->rng, STORE_SLOTS - 1024);
    uint32_t max = rng_below (&s->rng, 8) == 0 ? OBJECT_MAX : 4096;

    for (uint32_t n = from; n < from + 1024; ++n)
      if (op < 2 && rng_below (&s->rng, 2) == 0)
        store_drop (s, n);
      else if (op < 6 && rng_below (&s->rng, max / 4096) == 0)
        assert_int_equal (store_put (s, n, 1 + (uint32_t)
                                     rng_below (&s->rng, max)), 0);
    assert_int_equal (store_flush (s), 0);
    store_clean (s);
    if (op == 6)
      backing_give_back (&s->backing, 0);
    if (op == 7)
      store_reopen (s);
    if (round % 10 == 9)
      store_check (s);
  }
  store_check (s);
  store_close (s);
}

TEST (anything)
{
  try_anything (".");
  try_anything ("/dev/shm");
}

static uint64_t
file_bytes (struct store *s)
{
  struct backing_stats st;

  backing_get_stats (&s->backing, &st);
  return st.file;
}

TEST (given_back)
{
  struct store *s = store_open (".", TIB);
  struct backing *b = &s->backing;
  uint64_t empty = s->budget.used;
  struct stat st;
  int error;

  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    assert_int_equal (store_put (s, n, 3800), 0);
  assert_int_equal (store_flush (s), 0);
  assert_int_equal (b->used, STORE_SLOTS + 1);
  assert_true (s->budget.used > empty);
  /* An empty disk of so much would be described by 512 MiB. */
  assert_true (s->budget.used < empty + MIB);

  /* It has holes, and space that is soon used again. */
  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    if (n % 64 < 32)
      store_drop (s, n);
  backing_give_back (b, MIB);
  assert_true (file_bytes (s) <= (uint64_t) STORE_SLOTS / 2 * 4096 + 2 * MIB);
  store_check (s);
  store_reopen (s);
  backing_give_back (b, 0);
  assert_true (file_bytes (s) <= (uint64_t) STORE_SLOTS / 2 * 4096 + MIB / 4);
  store_check (s);

  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    store_drop (s, n);
  backing_give_back (b, 0);
  assert_int_equal (s->budget.used, empty);
  assert_int_equal (fstat (b->fd, &st), 0);
  assert_int_equal (st.st_size, BACKING_BLOCK);
  /* Our own cut is not reported as another program's. */
  assert_int_equal (backing_get_state (b, &error), BACKING_OK);
  assert_int_equal (store_put (s, 0, 100), 0);
  assert_int_equal (store_flush (s), 0);
  assert_int_equal (backing_get_state (b, &error), BACKING_OK);
  store_check (s);
  store_close (s);
}

/* Without memory for more blocks, those that the file has are used. */
TEST (at_the_limit_of_memory)
{
  struct store *s = store_open (".", 64 * MIB);
  unsigned written = 0;
  int r;

  s->budget.limit = s->budget.used;
  do {
    r = store_put (s, written % STORE_SLOTS, 3800);
    written++;
  } while (r == 0 && written < STORE_SLOTS);
  assert_int_equal (r, -1);
  assert_int_equal (errno, ENOSPC);
  /* A group that it had, and those that it had kept memory for. */
  assert_true (s->backing.used <= 5 * 2048);
  assert_true (s->backing.used >= 2 * 2048 - 512);
  store_check (s);
  store_close (s);
}

/* With a smaller size than before, objects beyond it can still be read. */
TEST (made_smaller)
{
  struct store *s = store_open (".", 64 * MIB);

  for (uint32_t n = 0; n < 8192; ++n)
    assert_int_equal (store_put (s, n, 3800), 0);
  assert_int_equal (store_flush (s), 0);
  s->options.size = 4 * MIB;
  store_reopen (s);
  store_check (s);
  assert_int_equal (store_put (s, 8192, 3800), 0);
  assert_int_equal (store_flush (s), -1);
  assert_int_equal (errno, ENOSPC);
  for (uint32_t n = 0; n < 8192; ++n)
    store_drop (s, n);
  assert_int_equal (store_put (s, 0, 3800), 0);
  assert_int_equal (store_flush (s), 0);
  assert_true (s->slots[0].offset < 4 * MIB);
  backing_give_back (&s->backing, 0);
  store_check (s);
  store_close (s);
}

/* A full file loses nothing, reports that it is full, and is cleaned. */
TEST (full)
{
  struct store *s = store_open (".", 8 * MIB);
  uint32_t n = 0, in_file = 0;
  int error;

  while (store_put (s, n, object_length (&s->rng)) == 0)
    ++n;
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (backing_get_state (&s->backing, &error), BACKING_FULL);
  assert_int_equal (error, ENOSPC);
  store_check (s);
  for (uint32_t i = 0; i < n; i += 3)
    store_drop (s, i);
  assert_true (backing_needs_cleaning (&s->backing));
  store_clean (s);
  store_check (s);
  /* In this small file, one batch is two percent. */
  assert_true (store_space (s) < 1.2);
  for (uint32_t i = 0; i < 512; ++i)
    assert_int_equal (store_put (s, n + i, 1000), 0);
  assert_int_equal (store_flush (s), 0);
  assert_int_equal (backing_get_state (&s->backing, &error), BACKING_OK);
  store_check (s);
  for (uint32_t i = 0; i < STORE_SLOTS; ++i)
    in_file += s->slots[i].offset != 0;
  assert_true (in_file > n / 2);
  store_close (s);
}

/* ---- cleaning ---- */

enum churn { RANDOM, HOT, NEIGHBOURS };

static uint32_t
choose_slot (struct store *s, enum churn churn, uint32_t i)
{
  static uint32_t first;

  switch (churn) {
  case RANDOM:
    return (uint32_t) rng_below (&s->rng, STORE_SLOTS);
  case HOT:
    return (uint32_t) (rng_below (&s->rng, 5) > 0
                       ? rng_below (&s->rng, STORE_SLOTS / 5) * 5
                       : rng_below (&s->rng, STORE_SLOTS));
  default:
    if (i % 64 == 0)
      first = (uint32_t) rng_below (&s->rng, STORE_SLOTS / 64) * 64;
    return first + i % 64;
  }
}

static void
try_churn (enum churn churn, double space, double writes)
{
  static const char *const names[] = { "random", "hot", "neighbours" };
  struct store *s = store_open (".", 64 * MIB);
  double worst = 0;

  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
  assert_int_equal (store_flush (s), 0);
  for (unsigned round = 0; round < unit_scaled (200); ++round) {
    for (uint32_t i = 0; i < 512; ++i) {
      uint32_t n = choose_slot (s, churn, i);

      if (s->slots[n].offset != 0)
        assert_int_equal (store_put (s, n, object_length (&s->rng)), 0);
    }
    assert_int_equal (store_flush (s), 0);
    store_clean (s);
    worst = MAX (worst, store_space (s));
  }
  print_message ("%s: space %.3f, writes %.2f\n", names[churn], worst,
                 store_writes (s));
  assert_true (worst <= space);
  assert_true (store_writes (s) <= writes);
  store_check (s);
  store_close (s);
}

/* Ratios of used to live bytes, and of written to new ones, as in
 * lib/backing/clean.c.
 */
/* ---- blocks that differ from what was written ---- */

#define STALE_SLOTS 400
#define STALE_BYTES (4 * MIB)

static void
put_all (struct store *s)
{
  for (uint32_t n = 0; n < STALE_SLOTS; ++n)
    assert_int_equal (store_put (s, n, n % 50 == 0 ? 30000
                                       : object_length (&s->rng)), 0);
  assert_int_equal (store_flush (s), 0);
}

/* Count the slots that can't be read; all others must be right. */
static unsigned
count_stale (struct store *s)
{
  unsigned stale = 0;

  for (uint32_t n = 0; n < STALE_SLOTS; ++n)
    if (!store_slot_ok (s, n)) {
      assert_int_equal (errno, EUCLEAN);
      stale++;
    }
  return stale;
}

static struct store *
open_stale (uint8_t *snapshot)
{
  struct store *s = store_open (".", STALE_BYTES);

  assert_int_equal (truncate (s->path, STALE_BYTES), 0);
  put_all (s);
  store_check (s);
  store_blocks (s, 0, snapshot, STALE_BYTES, false);
  return s;
}

/* The file is an older one, whole or in some blocks. */
TEST (older_blocks)
{
  static uint8_t older[STALE_BYTES], newer[STALE_BYTES];
  struct store *s = open_stale (older);
  unsigned stale, again;

  for (unsigned round = 0; round < 5; ++round) {
    put_all (s);
    store_check (s);
    store_blocks (s, 0, newer, sizeof newer, false);
    store_blocks (s, 1, older + BACKING_BLOCK, sizeof older - BACKING_BLOCK,
                  true);
    stale = count_stale (s);
    assert_true (stale > STALE_SLOTS * 3 / 4);
    store_reopen (s);
    assert_int_equal (count_stale (s), stale);
    for (uint32_t i = 1; i < STALE_BYTES / BACKING_BLOCK; ++i)
      if (rng_below (&s->rng, 2))
        store_blocks (s, i, newer + (size_t) i * BACKING_BLOCK, BACKING_BLOCK,
                      true);
    again = count_stale (s);
    assert_true (again > 0 && again < stale);
    store_blocks (s, 0, newer, sizeof newer, true);
    store_check (s);
    memcpy (older, newer, sizeof older);
  }
  store_close (s);
}

/* Two blocks were exchanged, or one was lost. */
TEST (misplaced_blocks)
{
  static uint8_t good[STALE_BYTES];
  struct store *s = open_stale (good);

  for (unsigned round = 0; round < 40; ++round) {
    uint32_t used = s->backing.used;
    uint32_t a = 1 + (uint32_t) rng_below (&s->rng, used - 1);
    uint32_t b = 1 + (uint32_t) rng_below (&s->rng, used - 1);
    static uint8_t zeroes[BACKING_BLOCK];

    store_blocks (s, a, round % 2 ? good + (size_t) b * BACKING_BLOCK
                                  : zeroes, BACKING_BLOCK, true);
    if (round % 2)
      store_blocks (s, b, good + (size_t) a * BACKING_BLOCK, BACKING_BLOCK,
                    true);
    assert_int_equal (count_stale (s) > 0, round % 2 == 0 || a != b);
    store_blocks (s, 0, good, sizeof good, true);
  }
  store_check (s);
  store_close (s);
}

/* After an upgrade, blocks without checksums are valid until they are written
 * again.
 */
TEST (unknown_blocks)
{
  static uint8_t older[STALE_BYTES];
  struct store *s = open_stale (older);

  assert_int_equal (ftruncate (s->sums.fd, 0), 0);
  assert_int_equal (ftruncate (s->sums.fd, BACKING_SUMS_SIZE), 0);
  store_reopen (s);
  store_check (s);
  put_all (s);
  store_blocks (s, 1, older + BACKING_BLOCK, sizeof older - BACKING_BLOCK,
                true);
  assert_true (count_stale (s) > STALE_SLOTS * 3 / 4);
  store_close (s);
}

/* Without memory for checksums, nothing is written, and attaching fails.  A
 * file that ends too early has no memory for them.
 */
TEST (no_room_for_sums)
{
  const uint64_t offset = (uint64_t) GROUP_BLOCKS * BACKING_BLOCK;
  struct store *s = store_open (".", 256 * MIB);
  struct backing *b = &s->backing;

  assert_int_equal (ftruncate (s->sums.fd, OS_PAGE_SIZE * 2), 0);
  assert_int_equal (space_raise (b, 2 * GROUP_BLOCKS, false), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (b->high_water, GROUP_BLOCKS);
  assert_null (backing_check (b));
  space_raise_to (b, offset / BACKING_BLOCK + 1);
  assert_int_equal (b->high_water, GROUP_BLOCKS);
  assert_int_equal (backing_attach_done (b), -1);
  assert_int_equal (errno, ENOSPC);
  store_close (s);
}

TEST (churn)
{
  try_churn (RANDOM, 1.18, 2.0);
  try_churn (HOT, 1.18, 2.2);
  try_churn (NEIGHBOURS, 1.18, 1.2);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (made_and_found),
    cmocka_unit_test (taken_over),
    cmocka_unit_test (not_the_expected),
    cmocka_unit_test (half_of_a_mirror),
    cmocka_unit_test (needed_by_another),
    cmocka_unit_test (header_at_any_address),
    cmocka_unit_test (others_are_left_alone),
    cmocka_unit_test (block_device),
    cmocka_unit_test (packing),
    cmocka_unit_test (large_and_aligned),
    cmocka_unit_test (batches_of_all_sizes),
    cmocka_unit_test (places_that_cannot_be),
    cmocka_unit_test (shared_objects),
    cmocka_unit_test (too_many_share),
    cmocka_unit_test (anything),
    cmocka_unit_test (given_back),
    cmocka_unit_test (at_the_limit_of_memory),
    cmocka_unit_test (made_smaller),
    cmocka_unit_test (full),
    cmocka_unit_test (older_blocks),
    cmocka_unit_test (misplaced_blocks),
    cmocka_unit_test (unknown_blocks),
    cmocka_unit_test (no_room_for_sums),
    cmocka_unit_test (churn),
  };

  unit_seed ();
  return cmocka_run_group_tests_name ("backing", tests, NULL, NULL);
}
