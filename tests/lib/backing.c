/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/os.h"

#include "backing.h"

#include <cmocka.h>

#define BATCH_BYTES MIB

static void
make_batches (struct store *s)
{
  s->fresh = backing_batch_new (&s->backing, BATCH_BYTES, false);
  s->cleaning = backing_batch_new (&s->backing, BATCH_BYTES, true);
  assert_non_null (s->fresh);
  assert_non_null (s->cleaning);
}

struct backing_room
sums_start (void)
{
  struct backing_room sums = {
    .fd = memfd_create ("sums", MFD_CLOEXEC), .granule = OS_PAGE_SIZE,
  };

  assert_true (sums.fd != -1);
  assert_int_equal (ftruncate (sums.fd, BACKING_SEALS_SIZE), 0);
  return sums;
}

void
sums_stop (struct backing_room *sums)
{
  close (sums->fd);
}

static void
open_backing (struct store *s)
{
  struct backing_error error;

  assert_int_equal (backing_open (&s->backing, &s->options, &error), 0);
}

static void
make_key (struct store *s)
{
  s->key = (struct backing_key) { s->key_bytes, sums_start () };
  for (unsigned i = 0; i < sizeof s->key_bytes; ++i)
    s->key_bytes[i] = (uint8_t) rng_next (&s->rng);
}

struct store *
store_open (const char *parent, uint64_t size)
{
#ifdef HAVE_BACKING_KEY
  return store_open_as (parent, size, unit_seed () % 2 ? STORE_WITH_KEY
                                                       : STORE_PLAIN);
#else
  return store_open_as (parent, size, STORE_PLAIN);
#endif
}

struct store *
store_open_as (const char *parent, uint64_t size, enum store_key with_key)
{
  struct store *s = aligned_alloc (_Alignof (struct store), sizeof *s);

  assert_non_null (s);
  memset (s, 0, sizeof *s);
  s->rng.state = unit_seed ();
  s->sums = sums_start ();
  s->pending[0][0] = s->pending[1][0] = UINT32_MAX;
  snprintf (s->dir, sizeof s->dir, "%s/nbdzram-unit-XXXXXX", parent);
  assert_non_null (mkdtemp (s->dir));
  snprintf (s->path, sizeof s->path, "%s/backing", s->dir);
  s->options = (struct backing_options) {
    .path = s->path, .size = size, .page_size = 4096, .pool_id = "a pool",
    .pool_fd = -1, .budget = &s->budget, .record = &s->record,
    .sums = &s->sums,
  };
  make_key (s);
  if (with_key)
    s->options.key = &s->key;
  open_backing (s);
  make_batches (s);
  return s;
}

void
store_leave (struct store *s)
{
  backing_batch_free (s->fresh);
  backing_batch_free (s->cleaning);
  s->fresh = s->cleaning = NULL;
  backing_close (&s->backing);
}

void
store_reopen (struct store *s)
{
  store_leave (s);
  assert_int_equal (s->budget.used, 0);
  open_backing (s);
  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    if (s->slots[n].offset != 0) {
      assert_true (backing_contains (&s->backing, s->slots[n].offset,
                                     s->slots[n].length));
      backing_claim (&s->backing, s->slots[n].offset, s->slots[n].length, 1);
    }
  assert_int_equal (backing_attach_done (&s->backing), 0);
  make_batches (s);
}

void
store_close (struct store *s)
{
  store_leave (s);
  assert_int_equal (s->budget.used, 0);
  unlink (s->path);
  assert_int_equal (rmdir (s->dir), 0);
  sums_stop (&s->sums);
  sums_stop (&s->key.seals);
  free (s);
}

/* ---- objects ---- */

void
object_fill (void *buf, uint32_t length, uint32_t tag)
{
  struct rng rng = { .state = tag };
  uint8_t *p = buf;

  for (uint32_t i = 0; i < length; i += 8) {
    uint64_t word = rng_next (&rng);

    memcpy (p + i, &word, MIN (8, length - i));
  }
}

uint32_t
object_length (struct rng *rng)
{
  /* The smallest of three numbers is small more often than not. */
  uint64_t a = rng_below (rng, 3600), b = rng_below (rng, 3600);
  uint64_t c = rng_below (rng, 4500);

  return 200 + (uint32_t) MIN (MIN (a, b), c);
}

/* ---- writing ---- */

/* Publish the objects that a batch wrote.  Places that are not used are
 * released.
 */
static void
publish (struct store *s, struct backing_batch *batch, uint32_t *pending,
         bool moved)
{
  for (unsigned i = 0; pending[i] != UINT32_MAX; ++i) {
    struct store_slot *slot = &s->slots[pending[i]];
    uint64_t offset = backing_batch_offset (batch, i);

    if (offset == 0)
      continue;
    backing_claim (&s->backing, offset, slot->length, 1);
    if (moved)
      backing_release (&s->backing, slot->offset, slot->length, 1);
    slot->offset = offset;
  }
  pending[0] = UINT32_MAX;
}

static int
flush (struct store *s, bool cleaning)
{
  struct backing_batch *batch = cleaning ? s->cleaning : s->fresh;
  int r = backing_flush (batch), err = errno;

  if (r == 0)
    publish (s, batch, s->pending[cleaning], cleaning);
  s->pending[cleaning][0] = UINT32_MAX;
  backing_batch_reset (batch);
  errno = err;
  return r;
}

static int
add (struct store *s, bool cleaning, uint32_t n, const void *object)
{
  struct backing_batch *batch = cleaning ? s->cleaning : s->fresh;
  int i = backing_batch_add (batch, object, s->slots[n].length, false);

  if (i == -1) {
    assert_int_equal (errno, EAGAIN);
    if (flush (s, cleaning) == -1)
      return -1;
    i = backing_batch_add (batch, object, s->slots[n].length, false);
    assert_int_equal (i, 0);
  }
  s->pending[cleaning][i] = n;
  s->pending[cleaning][i + 1] = UINT32_MAX;
  return 0;
}

int
store_put (struct store *s, uint32_t n, uint32_t length)
{
  static uint8_t object[OBJECT_MAX];

  store_drop (s, n);
  s->slots[n].length = length;
  s->slots[n].tag = (uint32_t) rng_next (&s->rng);
  object_fill (object, length, s->slots[n].tag);
  return add (s, false, n, object);
}

int
store_flush (struct store *s)
{
  return flush (s, false);
}

void
store_drop (struct store *s, uint32_t n)
{
  struct store_slot *slot = &s->slots[n];

  if (slot->offset != 0)
    backing_release (&s->backing, slot->offset, slot->length, 1);
  slot->offset = 0;
}

/* ---- cleaning ---- */

static _Alignas (4096) uint8_t read_buf[OBJECT_MAX + 3 * BACKING_BLOCK];

static int
clean_slot (struct store *s, uint32_t n)
{
  struct store_slot *slot = &s->slots[n];
  void *object;

  if (slot->offset == 0
      || !backing_is_victim (&s->backing, slot->offset, slot->length))
    return 0;
  object = backing_read (&s->backing, slot->offset, slot->length, read_buf);
  assert_non_null (object);
  return add (s, true, n, object);
}

void
store_clean (struct store *s)
{
  uint32_t used = UINT32_MAX;

  while (s->backing.used < used) {
    used = s->backing.used;
    if (backing_choose_victims (&s->backing, MIB) == 0)
      break;
    for (uint32_t n = 0; n < STORE_SLOTS; ++n)
      if (clean_slot (s, n) == -1)
        break;
    flush (s, true);
    backing_cleaning_done (&s->backing);
  }
}

/* ---- checking ---- */

bool
store_slot_ok (struct store *s, uint32_t n)
{
  static uint8_t expected[OBJECT_MAX];
  struct store_slot *slot = &s->slots[n];
  void *object = backing_read (&s->backing, slot->offset, slot->length,
                               read_buf);

  if (!object)
    return false;
  object_fill (expected, slot->length, slot->tag);
  errno = 0;
  return memcmp (object, expected, slot->length) == 0;
}

void
store_blocks (struct store *s, uint32_t from, void *buf, size_t len,
              bool write)
{
  int fd = open (s->path, O_RDWR | O_CLOEXEC);
  off_t offset = (off_t) from * BACKING_BLOCK;

  assert_true (fd != -1);
  assert_int_equal (write ? pwrite (fd, buf, len, offset)
                          : pread (fd, buf, len, offset), (ssize_t) len);
  close (fd);
}

void
store_check (struct store *s)
{
  const char *wrong = backing_check (&s->backing);

  if (wrong)
    fail_msg ("invariant: %s", wrong);
  for (uint32_t n = 0; n < STORE_SLOTS; ++n)
    if (s->slots[n].offset != 0 && !store_slot_ok (s, n))
      fail_msg ("slot %u is not what it was", n);
}

double
store_space (struct store *s)
{
  struct backing_stats st;

  backing_get_stats (&s->backing, &st);
  return (double) st.used / (double) st.live;
}

double
store_writes (struct store *s)
{
  return (double) s->backing.counters.write_bytes
    / (double) s->backing.counters.object_bytes;
}
