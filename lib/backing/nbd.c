/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file that is an export of an NBD server. */

#include <config.h>

#include "backing.h"
#include "internal.h"
#include "nbd-client.h"

/* With pages on it, what is in memory is worth being served without it. */
static bool
may_be_away (const struct backing_record *r)
{
  return record_has (r) && r->blocks != 0 && record_only (r) != -1;
}

static int
nbd_open (struct backing *b, const struct backing_options *o, uint64_t *size)
{
  const struct far_end_options far = {
    .uri = o->path, .timeout = o->timeout, .log = o->log,
    .may_be_away = may_be_away (o->record),
  };

  b->is_device = true;
  if (nbd_disk_open (&b->disk, &far, o) == -1)
    return -1;
  b->may_be_larger = !far_end_is_there (b->disk.far_end);
  b->can_give_back = b->may_be_larger
    || far_end_can_trim (b->disk.far_end);
  *size = b->may_be_larger ? o->record->blocks * BACKING_BLOCK
    : far_end_size (b->disk.far_end);
  return 0;
}

static void
nbd_rest (struct backing *b)
{
  nbd_disk_rest (&b->disk);
}

/* One that was away when it was opened may have become smaller. */
static bool
is_ours (void *opaque, const void *block)
{
  struct backing *b = opaque;
  uint64_t size = far_end_size (b->disk.far_end);

  if (!backing_is_header_of (b, block) || !space_has_room (b, size))
    return false;
  space_bound (b, size);
  return true;
}

static int
nbd_start (struct backing *b)
{
  return nbd_disk_start (&b->disk, is_ours, b);
}

static void
nbd_close_disk (struct backing *b)
{
  nbd_disk_close (&b->disk);
}

static int
nbd_read (struct backing *b, void *buf, size_t len, uint64_t offset,
          bool patient)
{
  return nbd_disk_read (&b->disk, buf, len, offset, patient);
}

static int
nbd_write (struct backing *b, const struct backing_run *runs, unsigned count,
           bool *unsure)
{
  *unsure = false;
  if (nbd_disk_may_write (&b->disk) == -1
      || far_end_write (b->disk.far_end, runs, count, unsure) == -1)
    return -1;
  count_runs (b, runs, count);
  return 0;
}

static int
nbd_give_back (struct backing *b, uint64_t offset, uint64_t length,
               bool *unsure)
{
  uint64_t size;

  *unsure = false;
  if (nbd_disk_may_write (&b->disk) == -1)
    return -1;
  /* It may have been another server at first, or larger. */
  size = far_end_size (b->disk.far_end);
  if (!far_end_can_trim (b->disk.far_end) || offset >= size)
    return 0;
  return far_end_trim (b->disk.far_end, offset, MIN (length, size - offset),
                       unsure);
}

static int
nbd_cut (struct backing *b, uint64_t end)
{
  return nbd_disk_cut (&b->disk, end, (uint64_t) b->blocks * BACKING_BLOCK);
}

static enum backing_state
nbd_state (const struct backing *b)
{
  struct far_end_stats st;

  far_end_get_stats (b->disk.far_end, &st);
  return st.is_wrong ? BACKING_WRONG
    : st.connections == 0 ? BACKING_AWAY : BACKING_OK;
}

static void
nbd_count (const struct backing *b, struct backing_stats *st)
{
  nbd_disk_count (&b->disk, st);
}

const struct backing_kind backing_nbd = {
  .open = nbd_open,
  .rest = nbd_rest,
  .start = nbd_start,
  .close = nbd_close_disk,
  .read = nbd_read,
  .write = nbd_write,
  .give_back = nbd_give_back,
  .cut = nbd_cut,
  .state = nbd_state,
  .count = nbd_count,
};
