/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One replica of a replicated pair: what is on it, and whether it may be read
 * from or written to.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "replicated.h"

/* Milliseconds after which a resync that failed is tried again: more each
 * time.  A replica that has something else on it waits for the longest time.
 */
#define RETRY_MIN 1000
#define RETRY_MAX 60000

/* Milliseconds for which a corrupt replica is not resynced: more each time,
 * but from the start again after it was good for twice the longest time.
 */
#define CORRUPT_DELAY_MIN 1000
#define CORRUPT_DELAY_MAX 3600000

void
replica_log (struct replica *h, const char *text)
{
  char line[512];

  snprintf (line, sizeof line, "backing=%s: %s", h->uri, text);
  if (h->replicated->options.log)
    h->replicated->options.log (line);
}

/* ---- is it the right disk? ---- */

/* May this disk, whose first BLOCK has the header ID or none, become a new
 * replica?  Only if no pool needs what its first block shows.  A disk that
 * was a replica, and that another program has taken over since, may not.
 */
static bool
may_become_new (const struct replica *h, const void *block, const uint8_t *id)
{
  const struct backing_options *o = &h->replicated->options;

  if (os_milliseconds () < h->quarantined_until)
    return false;
  if (!id)
    return is_all_zero (block, BACKING_BLOCK);
  return header_is_of (block, o)
    || (!h->was_ours && !header_is_needed (block, o));
}

/* Is this the only connected replica that has all pages?  If it seems to be
 * empty, that may be the directory on which its disk is not mounted yet:
 * to believe it could lose all pages.  The lock is held.
 */
static bool
is_only_source (struct replica *h)
{
  return replica_in_sync (h)
    && (record_in_sync (h->replicated->record) == replica_bit (h)
        || !nbd_client_is_connected (other_replica (h)->disk.nbd_client));
}

/* It may lack any page, and the other replica is in sync.  Returns whether it
 * was in sync, too, until now.  The lock is held.
 */
static bool
set_out_of_sync (struct replica *h)
{
  struct backing_record *r = h->replicated->record;
  unsigned in_sync = record_in_sync (r);

  atomic_store (&r->in_sync, in_sync & ~replica_bit (h));
  h->losses++;
  h->lost_all = true;
  return in_sync & replica_bit (h);
}

bool
replica_has_room (struct replica *h)
{
  return space_has_room (h->replicated->backing,
                         nbd_client_size (h->disk.nbd_client));
}

/* It has its header.  But it may have become smaller while no process of ours
 * was connected to it.  Returns whether it has lost its end.  The lock is
 * held.
 */
static bool
accept_header (struct replica *h)
{
  h->is_new = false;
  h->was_ours = true;
  if (!replica_in_sync (h))
    return false;
  if (replica_has_room (h)) {
    replica_bounds (h);
    return false;
  }
  return record_in_sync (h->replicated->record) != replica_bit (h)
    && set_out_of_sync (h);
}

bool
replica_is_right (void *opaque, const void *block)
{
  struct replica *h = opaque;
  struct replicated *m = h->replicated;
  const uint8_t *id = header_id (block);
  bool lost = false, lost_end = false;

  {
    LOCK_FOR_SCOPE (&m->lock);
    int known = id ? record_find (m->record, id) : -1;

    if (known == h - m->replicas)
      lost_end = accept_header (h);
    else if (known != -1 || is_only_source (h)
             || !may_become_new (h, block, id))
      return false;
    else {
      lost = set_out_of_sync (h);
      h->is_new = true;
    }
  }
  if (lost)
    replica_log (h, "it has lost its content, which only the other replica "
                 "has now");
  if (lost_end)
    replica_log (h, "it has become smaller, and only the other replica has "
                 "now what was there");
  return true;
}

/* ---- taking over ---- */

static int
is_blank (struct replica *h, void *buffer)
{
  uint64_t size = MIN (BACKING_BLANK, nbd_client_size (h->disk.nbd_client));

  for (uint64_t at = 0; at < size; at += RESYNC_BYTES) {
    size_t len = MIN (RESYNC_BYTES, size - at);

    if (remote_read (&h->disk, buffer, len, at, false) == -1)
      return -1;
    if (!is_all_zero (buffer, len))
      return 0;
  }
  return 1;
}

enum backing_error_reason
replica_refusal (struct replica *h, const void *block, const uint8_t *id)
{
  struct replicated *m = h->replicated;

  return header_refusal (block, id, &m->options,
                         id ? 0 : is_blank (h, m->buffer));
}

int
replica_take_over (struct replica *h)
{
  struct replicated *m = h->replicated;
  const struct io_run run = { m->buffer, BACKING_BLOCK, 0 };
  uint64_t size = MIN ((uint64_t) m->backing->blocks * BACKING_BLOCK,
                       nbd_client_size (h->disk.nbd_client));
  uint8_t id[BACKING_ID_SIZE];
  bool unsure;

  if (header_make (m->buffer, &m->options, id) == -1)
    return -1;
  {
    LOCK_FOR_SCOPE (&m->lock);
    memcpy (m->record->ids[h - m->replicas], id, sizeof id);
  }
  if (nbd_client_write (h->disk.nbd_client, &run, 1, &unsure) == 0
      && remote_trim_from (&h->disk, BACKING_BLOCK, size) == 0)
    return 0;
  remote_delay_writes (&h->disk);
  return -1;
}

/* ---- reading and writing ---- */

int
replica_read (struct replica *h, void *buf, size_t len, uint64_t offset,
              bool patient)
{
  uint64_t losses = h->losses;

  if (replica_in_sync (h)
      && remote_read (&h->disk, buf, len, offset, patient) == -1)
    return -1;
  if (replica_in_sync (h) && h->losses == losses)
    return 0;
  return fail_with (ENOTCONN);
}

void
replica_bounds (struct replica *h)
{
  space_bound (h->replicated->backing, nbd_client_size (h->disk.nbd_client));
}

static bool
is_new (struct replica *h)
{
  LOCK_FOR_SCOPE (&h->replicated->lock);
  return h->is_new;
}

int
replica_check_write (struct replica *h, uint64_t end)
{
  errno = ENOTCONN;
  if (!nbd_client_is_connected (h->disk.nbd_client) || is_new (h)
      || remote_wait_to_write (&h->disk) == -1)
    return -1;
  /* Reading its header may have shown that it is new now. */
  errno = ENOTCONN;
  if (is_new (h))
    return -1;
  if (replica_in_sync (h))
    replica_bounds (h);
  errno = ENOSPC;
  return end <= nbd_client_size (h->disk.nbd_client) ? 0 : -1;
}

/* ---- backing off ---- */

void
replica_quarantine (struct replica *h)
{
  {
    LOCK_FOR_SCOPE (&h->replicated->lock);
    h->quarantined_until = h->replicated->backing->io->now () + RETRY_MAX;
  }
  nbd_client_mark_wrong (h->disk.nbd_client);
}

void
replica_put_off (struct replica *h)
{
  h->resync_delay = MIN (MAX (h->resync_delay * 2, RETRY_MIN), RETRY_MAX);
  h->resync_at = h->replicated->backing->io->now () + h->resync_delay;
}

bool
replica_is_put_off (const struct replica *h)
{
  return !replica_in_sync (h)
    && h->replicated->backing->io->now () < h->resync_at;
}

/* Limit how often a replica is marked corrupt and resynced.  The lock is
 * held.
 */
static void
delay_resync (struct replica *h)
{
  uint64_t now = h->replicated->backing->io->now ();

  if (h->corrupt_at == 0 || now >= h->corrupt_at + 2 * CORRUPT_DELAY_MAX)
    h->corrupt_delay = 0;
  else
    h->corrupt_delay = MIN (MAX (2 * h->corrupt_delay, CORRUPT_DELAY_MIN),
                            CORRUPT_DELAY_MAX);
  h->corrupt_at = now;
}

void
replica_mark_corrupt (struct replica *h)
{
  {
    LOCK_FOR_SCOPE (&h->replicated->lock);
    /* If the other replica lacks pages, it may still get them from here. */
    if (!replica_in_sync (h) || !replica_in_sync (other_replica (h)))
      return;
    set_out_of_sync (h);
    delay_resync (h);
  }
  replica_log (h, "it has something else where a page is, which the other "
               "replica has as it was: all of it is looked at");
}
