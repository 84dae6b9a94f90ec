/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "tests/lib/replicated.h"

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

_Atomic unsigned said;

void
count_line (const char *text)
{
  assert_null (strchr (text, '\n'));
  assert_int_equal (strncmp (text, "backing=nbd+unix:", 17), 0);
  said++;
}

/* ---- opening ---- */

int
try_open (struct disk *d, const char *path, const char *other)
{
  d->options.path = path;
  d->options.other_path = other;
  return backing_open (&d->backing, &d->options, &d->error);
}

void
assert_refused (struct disk *d, const char *path, const char *other,
                enum backing_error_reason reason)
{
  struct backing_record before = d->record;

  assert_int_equal (try_open (d, path, other), -1);
  assert_int_equal (d->error.reason, reason);
  assert_int_equal (d->budget.used, 0);
  assert_memory_equal (&before, &d->record, sizeof before);
}

void
assert_unusable (struct disk *d, const char *path, const char *other,
                 const char *words)
{
  assert_refused (d, path, other, BACKING_ERROR_UNUSABLE);
  if (!strstr (d->error.detail, words))
    fail_msg ("'%s' is not '%s'", d->error.detail, words);
}

void
fail_open (const struct disk *d)
{
  char text[512];

  backing_error_text (&d->error, text, sizeof text);
  fail_msg ("%s", text);
}

/* Attach, if the pool has pages. */
static void
attach (struct disk *d)
{
  if (!d->backing.taken_over) {
    for (unsigned n = 0; n < SLOTS; ++n)
      if (d->offsets[n] != 0) {
        assert_true (backing_contains (&d->backing, d->offsets[n],
                                       BACKING_BLOCK));
        backing_claim (&d->backing, d->offsets[n], BACKING_BLOCK, 1);
      }
    assert_int_equal (backing_attach_done (&d->backing), 0);
  }
  assert_int_equal (backing_start (&d->backing), 0);
  d->batch = backing_batch_new (&d->backing, MIB, false);
  assert_non_null (d->batch);
}

void
open_disk (struct disk *d, const char *path, const char *other)
{
  if (try_open (d, path, other) == -1)
    fail_open (d);
  attach (d);
}

void
open_both (struct disk *d)
{
  unsigned first = (unsigned) rng_below (&d->rng, 2);

  open_disk (d, d->replicas[first]->uri, d->replicas[1 - first]->uri);
}

void
close_disk (struct disk *d)
{
  const char *wrong = backing_check (&d->backing);

  if (wrong)
    fail_msg ("invariant: %s", wrong);
  backing_batch_free (d->batch);
  d->batch = NULL;
  backing_close (&d->backing);
  assert_int_equal (d->budget.used, 0);
}

struct disk *
new_disk (void)
{
  struct disk *d = aligned_alloc (CACHE_LINE,
                                  align_up (sizeof *d, CACHE_LINE));

  assert_non_null (d);
  memset (d, 0, sizeof *d);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    d->replicas[i] = fake_server_start (DISK);
    d->replicas[i]->multi_conn = true;
  }
  d->rng.state = unit_seed ();
  d->sums = sums_start ();
  d->options = (struct backing_options) {
    .page_size = 4096, .pool_id = "a pool", .pool_is_kept = true,
    .pool_fd = -1, .budget = &d->budget, .timeout = LONG,
    .record = &d->record, .sums = &d->sums, .log = count_line,
  };
  d->key = (struct backing_key) { d->key_bytes, sums_start () };
#ifdef HAVE_BACKING_KEY
  if (unit_seed () % 2)
    d->options.key = &d->key;
#endif
  return d;
}

void
free_disk (struct disk *d)
{
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    fake_server_stop (d->replicas[i]);
  sums_stop (&d->sums);
  sums_stop (&d->key.seals);
  free (d);
}

void
stop_disk (struct disk *d)
{
  close_disk (d);
  free_disk (d);
}

/* ---- the replicas ---- */

unsigned
member_of (struct disk *d, unsigned n)
{
  struct backing_replica st;

  backing_get_replica (&d->backing, 0, &st);
  return strcmp (st.uri, d->replicas[n]->uri) == 0 ? 0 : 1;
}

struct backing_replica
look_at (struct disk *d, unsigned n)
{
  struct backing_replica st;

  assert_true (backing_get_replica (&d->backing, member_of (d, n), &st));
  return st;
}

enum backing_state
state_of (struct disk *d)
{
  int error;

  return backing_get_state (&d->backing, &error);
}

uint64_t
size_of (struct disk *d)
{
  struct backing_stats st;

  backing_get_stats (&d->backing, &st);
  return st.size;
}

bool
is_connected (struct disk *d, unsigned n)
{
  return look_at (d, n).connections > 0;
}

bool
has_all_connections (struct disk *d, unsigned n)
{
  return look_at (d, n).connections == NBD_CONNECTIONS_MAX;
}

bool
resynced (struct disk *d)
{
  while (backing_resync (&d->backing))
    ;
  return look_at (d, 0).in_sync && look_at (d, 1).in_sync;
}

void
open_complete (struct disk *d)
{
  open_both (d);
  EVENTUALLY (is_connected (d, 0) && is_connected (d, 1) && resynced (d));
}

struct disk *
start_disk (void)
{
  struct disk *d = new_disk ();

  open_complete (d);
  return d;
}

void
leave (struct disk *d, unsigned n)
{
  fake_server_leave (d->replicas[n]);
  EVENTUALLY (!is_connected (d, n));
}

void
come_back (struct disk *d, unsigned n, enum fake_disk disk)
{
  fake_server_return (d->replicas[n], disk);
  EVENTUALLY (is_connected (d, n));
}

/* ---- pages ---- */

int
put (struct disk *d, unsigned from, unsigned end)
{
  uint8_t object[BACKING_BLOCK];
  uint32_t tags[SLOTS];
  int r;

  assert_true (end - from < 250);
  for (unsigned n = from; n < end; ++n) {
    tags[n] = (uint32_t) rng_next (&d->rng) | 1;
    object_fill (object, sizeof object, tags[n]);
    assert_int_equal (backing_batch_add (d->batch, object, sizeof object,
                                         true), n - from);
  }
  r = backing_flush (d->batch);
  for (unsigned n = from; r == 0 && n < end; ++n) {
    uint64_t offset = backing_batch_offset (d->batch, n - from);

    if (offset == 0)
      continue;
    backing_claim (&d->backing, offset, BACKING_BLOCK, 1);
    if (d->offsets[n] != 0)
      backing_release (&d->backing, d->offsets[n], BACKING_BLOCK, 1);
    d->offsets[n] = offset;
    d->tags[n] = tags[n];
  }
  backing_batch_reset (d->batch);
  return r;
}

static bool
try_put (struct disk *d, unsigned from, unsigned end)
{
  return put (d, from, end) == 0;
}

void
put_in_time (struct disk *d, unsigned from, unsigned end)
{
  EVENTUALLY (try_put (d, from, end));
}

void
drop (struct disk *d, unsigned n)
{
  if (d->offsets[n] != 0)
    backing_release (&d->backing, d->offsets[n], BACKING_BLOCK, 1);
  d->offsets[n] = 0;
}

int
try_read (struct disk *d, unsigned n, bool patient)
{
  static _Alignas (4096) uint8_t buf[2 * BACKING_BLOCK];
  uint8_t object[BACKING_BLOCK];
  void *found = patient
    ? backing_read (&d->backing, d->offsets[n], BACKING_BLOCK, buf)
    : backing_read_now (&d->backing, d->offsets[n], BACKING_BLOCK, buf);

  object_fill (object, sizeof object, d->tags[n]);
  return !found ? -1 : memcmp (found, object, sizeof object) == 0;
}

void
assert_all (struct disk *d)
{
  for (unsigned n = 0; n < SLOTS; ++n)
    if (d->offsets[n] != 0 && try_read (d, n, true) != 1)
      fail_msg ("slot %u can't be read, or is not what it was", n);
}

void
assert_none (struct disk *d)
{
  for (unsigned n = 0; n < SLOTS; ++n)
    if (d->offsets[n] != 0)
      assert_int_equal (try_read (d, n, false), -1);
}

void
assert_both (struct disk *d)
{
  uint8_t object[BACKING_BLOCK];

  for (unsigned n = 0; n < SLOTS; ++n)
    for (unsigned i = 0; d->offsets[n] != 0 && i < BACKING_REPLICAS; ++i) {
      if (!d->options.key)
        object_fill (object, sizeof object, d->tags[n]);
      else if (i == 0)
        memcpy (object, d->replicas[i]->disk + d->offsets[n], sizeof object);
      assert_memory_equal (d->replicas[i]->disk + d->offsets[n], object,
                           sizeof object);
    }
}
