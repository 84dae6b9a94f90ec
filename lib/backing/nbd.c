/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file on a remote disk, the export of an NBD server. */

#include <config.h>

#include "backing.h"
#include "internal.h"
#include "nbd-client.h"

_Static_assert (NBD_DISK_BLOCK == BACKING_BLOCK, "the header is one block");

/* May the server be away when the pool is opened?  Only if it has pages of
 * this pool: then it is better to serve those in memory than none.
 */
static bool
may_be_away (const struct backing_record *r)
{
  return record_is_set (r) && r->blocks != 0 && record_only_in_sync (r) != -1;
}

static int
nbd_open (struct backing *b, const struct backing_options *o, uint64_t *size,
          struct backing_error *error)
{
  const struct nbd_client_options client = {
    .uri = o->path, .timeout = o->timeout, .log = o->log,
    .may_be_away = may_be_away (o->record),
  };

  b->is_device = true;
  if (remote_open (&b->disk, &client, record_is_set (o->record), error->detail,
                   sizeof error->detail) == -1)
    return backing_error_set (error, BACKING_ERROR_UNUSABLE);
  b->may_be_larger = !nbd_client_is_connected (b->disk.nbd_client);
  b->can_give_back = b->may_be_larger
    || nbd_client_can_trim (b->disk.nbd_client);
  *size = b->may_be_larger ? o->record->blocks * BACKING_BLOCK
    : nbd_client_size (b->disk.nbd_client);
  return 0;
}

static void
nbd_disconnect (struct backing *b)
{
  remote_disconnect (&b->disk);
}

/* A disk that was away when it was opened may have become smaller. */
static bool
is_ours (void *opaque, const void *block)
{
  struct backing *b = opaque;
  uint64_t size = nbd_client_size (b->disk.nbd_client);

  if (!backing_is_header_of (b, block) || !space_has_room (b, size))
    return false;
  space_bound (b, size);
  return true;
}

static int
nbd_start (struct backing *b)
{
  return remote_start (&b->disk, is_ours, b);
}

static void
nbd_close (struct backing *b)
{
  remote_close (&b->disk);
}

static int
nbd_read (struct backing *b, void *buf, size_t len, uint64_t offset,
          bool patient)
{
  return remote_read (&b->disk, buf, len, offset, patient);
}

static int
nbd_write (struct backing *b, const struct io_run *runs, unsigned count,
           bool *unsure)
{
  *unsure = false;
  if (remote_wait_to_write (&b->disk) == -1
      || nbd_client_write (b->disk.nbd_client, runs, count, unsure) == -1)
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
  if (remote_wait_to_write (&b->disk) == -1)
    return -1;
  /* The disk may have been another one at first, or larger. */
  size = nbd_client_size (b->disk.nbd_client);
  if (!nbd_client_can_trim (b->disk.nbd_client) || offset >= size)
    return 0;
  return nbd_client_trim (b->disk.nbd_client, offset,
                          MIN (length, size - offset), unsure);
}

static int
nbd_cut (struct backing *b, uint64_t end)
{
  return remote_trim_from (&b->disk, end,
                           (uint64_t) b->blocks * BACKING_BLOCK);
}

static enum backing_state
nbd_state (const struct backing *b)
{
  struct nbd_client_stats st;

  nbd_client_get_stats (b->disk.nbd_client, &st);
  return st.is_wrong ? BACKING_WRONG
    : st.connections == 0 ? BACKING_AWAY : BACKING_OK;
}

static void
nbd_count (const struct backing *b, struct backing_stats *st)
{
  struct nbd_client_stats stats;

  nbd_client_get_stats (b->disk.nbd_client, &stats);
  st->connections = stats.connections;
  st->reconnects = stats.reconnects;
}

const struct backing_kind backing_nbd = {
  .open = nbd_open,
  .disconnect = nbd_disconnect,
  .start = nbd_start,
  .close = nbd_close,
  .read = nbd_read,
  .write = nbd_write,
  .give_back = nbd_give_back,
  .cut = nbd_cut,
  .state = nbd_state,
  .count = nbd_count,
};
