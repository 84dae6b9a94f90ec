/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file that is a mirror of two exports: either may die.
 *
 * Both halves have the same blocks at the same places, behind a header
 * with an id of their own.  Which of them have all that slots name, are
 * "in sync", is kept beside the slots (backing-record.h), and at least
 * one always is.
 *
 *   in sync      is written to and read from
 *   not in sync  is written to, read from only as the last resort, and gets
 *                what it lacks ("mending", replicated-resync.c)
 *   new          is not in sync, and has no header of ours, either: before
 *                it is mended, it gets one
 *
 * A write goes to both at the same time and is good when one that is in
 * sync has it.  If the other has not, because it is away, full, or
 * fails, it is not in sync any more, which the record says before the
 * write is said to be done, and so before any slot names it.  Since only
 * the thread that writes also mends, it knows of each block whether the
 * half that is out of sync has it; a process that begins does not, and
 * mends all of it.
 *
 * A half that is not there stays in sync until it misses a write: it may
 * be back before that.  One that comes back with nothing, or with the
 * header of something that nobody needs, is new; that is found by the
 * connection that finds it, before it is used, so nothing is ever read
 * from it: what was read counts only if nothing was lost until then.
 * When it is the last one that is in sync, it is wrong, as a backing file
 * of one export is.
 *
 * Reads go to one half or the other by their place, so that both
 * networks carry half of them and each half's cache its own blocks; if
 * that half fails or is away, to the other at once.  A half that hangs
 * is left after three seconds without any answer.  They wait as long as
 * none is there, up to the timeout.
 *
 * What is in sync is what should be there; what is there, the checksums of
 * blocks tell (backing.h).  A page that is not as it was written where it was
 * read, by a server that lost its last writes or is an older state of itself,
 * is read from the other half, and comes to memory if there is room.  The
 * half may have lost anything else, too: it is then not in sync, and all of
 * it is looked at and mended.  If it is found so again soon after that, it
 * is left alone for a while, each time longer.
 *
 * For the same reason one that is not in sync is read from after all, when
 * the other has not what was written, and nothing is copied that is not as it
 * was written.  When neither half has it, it is lost, and nobody is to blame.
 *
 * What was asked of a half whose connection ended may be done there
 * later, so its blocks are not used again (LIVE_PINNED), as with one
 * export; the slots that name them are as good as others, since what may
 * come is what is there.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"

#include "replicated.h"

/* How often to look whether a half is back, for who waits. */
#define WAIT_POLL_NSEC 20000000

/* Milliseconds: what takes longer, and fails, was waited for. */
#define LATE 1000

/* How long one is left alone that had something else than was written, in
 * milliseconds: longer and longer, but from the start again after it was good
 * for twice the longest.
 */
#define DOUBT_MIN 1000
#define DOUBT_MAX 3600000

void
replica_log (struct replica *h, const char *text)
{
  char line[512];

  snprintf (line, sizeof line, "backing=%s: %s", h->uri, text);
  if (h->replicated->options.log)
    h->replicated->options.log (line);
}

/* ---- what is there ---- */

/* Has what is there, with the header ID or none, nothing that is of use to
 * anybody, as far as its first block tells?  Not what has taken our place.
 */
static bool
may_become_new (const struct replica *h, const void *block, const uint8_t *id)
{
  const struct backing_options *o = &h->replicated->options;

  if (os_milliseconds () < h->refused_until)
    return false;
  if (!id)
    return is_all_zero (block, BACKING_BLOCK);
  return header_is_of (block, o)
    || (!h->was_ours && !header_is_needed (block, o));
}

/* Who else has all pages is not there, or nobody has.  What it has instead of
 * them may be the directory on which its disk is not mounted yet: to take its
 * word for that could lose all.  The lock is held.
 */
static bool
has_all_alone (struct replica *h)
{
  return replica_in_sync (h)
    && (record_in_sync (h->replicated->record) == replica_bit (h)
        || !nbd_client_is_connected (other_replica (h)->disk.nbd_client));
}

/* It may lack anything, and another one is in sync: is that news?  The lock
 * is held.
 */
static bool
lose (struct replica *h)
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

/* Its header is there; but was it made smaller, while no process of ours
 * looked, or while it was away?  Returns whether it has lost its end.  The
 * lock is held.
 */
static bool
recognize (struct replica *h)
{
  h->is_new = false;
  h->was_ours = true;
  if (!replica_in_sync (h))
    return false;
  if (replica_has_room (h)) {
    replica_bounds (h);
    return false;
  }
  return record_in_sync (h->replicated->record) != replica_bit (h) && lose (h);
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
      lost_end = recognize (h);
    else if (known != -1 || has_all_alone (h)
             || !may_become_new (h, block, id))
      return false;
    else {
      lost = lose (h);
      h->is_new = true;
    }
  }
  if (lost)
    replica_log (h, "it has lost its content, which only the other half has "
                 "now");
  if (lost_end)
    replica_log (h, "it has become smaller, and only the other half has now "
                 "what was there");
  return true;
}

/* ---- reading ---- */

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
  errno = ENOTCONN;
  return -1;
}

/* The N-th to be asked for what is at OFFSET. */
static struct replica *
nth_replica (struct replicated *m, unsigned n, uint64_t offset)
{
  return &m->replicas[(offset / BACKING_BLOCK + n) % BACKING_REPLICAS];
}

/* From whichever half has it.  -1 with errno: ENOTCONN when one that may
 * have it is not there, or had it only after it was passed over.
 */
static int
read_any (struct replicated *m, void *buf, size_t len, uint64_t offset)
{
  unsigned tried = 0;
  int err = EIO;

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = nth_replica (m, i, offset);

    if (!replica_in_sync (h))
      continue;
    if (replica_read (h, buf, len, offset, false) == 0)
      return 0;
    tried |= replica_bit (h);
    if (errno == ENOTCONN || errno == ETIMEDOUT || err == EIO)
      err = errno == ETIMEDOUT ? ENOTCONN : errno;
  }
  errno = record_in_sync (m->record) & ~tried ? ENOTCONN : err;
  return -1;
}

static int
replicated_read (struct backing *b, void *buf, size_t len, uint64_t offset,
                 bool patient)
{
  const struct timespec pause = { .tv_nsec = WAIT_POLL_NSEC };
  struct replicated *m = b->replicated;
  uint64_t until = os_milliseconds () + (uint64_t) m->options.timeout * 1000;

  for (;;) {
    if (read_any (m, buf, len, offset) == 0)
      return 0;
    if (errno != ENOTCONN || !patient)
      return -1;
    if (os_milliseconds () >= until) {
      errno = ETIMEDOUT;
      return -1;
    }
    nanosleep (&pause, NULL);
  }
}

static int
replicated_read_replica (struct backing *b, unsigned n, void *buf, size_t len,
                         uint64_t offset, bool patient)
{
  struct replica *h = nth_replica (b->replicated, n, offset);

  if (replica_in_sync (h) && replica_read (h, buf, len, offset, patient) == 0)
    return 0;
  return replica_in_sync (h) ? -1
    : remote_read (&h->disk, buf, len, offset, false) == -1 ? -1 : 1;
}

/* Don't let it go round and round: the lock is held. */
static void
doubt (struct replica *h)
{
  uint64_t now = h->replicated->backing->io->now ();

  if (h->corrupt_at == 0 || now >= h->corrupt_at + 2 * DOUBT_MAX)
    h->doubt = 0;
  else
    h->doubt = MIN (MAX (2 * h->doubt, DOUBT_MIN), DOUBT_MAX);
  h->corrupt_at = now;
}

/* If the other has not all pages, it may yet get them from here. */
static void
replicated_mark_corrupt (struct backing *b, unsigned n, uint64_t offset)
{
  struct replica *h = nth_replica (b->replicated, n, offset);

  {
    LOCK_FOR_SCOPE (&h->replicated->lock);
    if (!replica_in_sync (h) || !replica_in_sync (other_replica (h)))
      return;
    lose (h);
    doubt (h);
  }
  replica_log (h,
               "it has something else where a page is, which the other half "
               "has as it was: all of it is looked at");
}

/* ---- writing ---- */

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
replica_may_write (struct replica *h, uint64_t end)
{
  errno = ENOTCONN;
  if (!nbd_client_is_connected (h->disk.nbd_client) || is_new (h)
      || remote_wait_to_write (&h->disk) == -1)
    return -1;
  /* Looking at its header may have shown that it has become so. */
  errno = ENOTCONN;
  if (is_new (h))
    return -1;
  if (replica_in_sync (h))
    replica_bounds (h);
  errno = ENOSPC;
  return end <= nbd_client_size (h->disk.nbd_client) ? 0 : -1;
}

static uint64_t
end_of (const struct io_run *runs, unsigned count)
{
  uint64_t end = 0;

  for (unsigned i = 0; i < count; ++i)
    end = MAX (end, runs[i].offset + runs[i].length);
  return end;
}

/* Has one that lacks something just been waited for, in vain?  Then it is not
 * asked now: it gets what it lacks when it is mended.
 */
static bool
is_put_off (const struct replica *h)
{
  return !replica_in_sync (h)
    && h->replicated->backing->io->now () < h->resync_at;
}

/* How a write to each half went. */
struct outcome {
  bool sent, unsure, good;
  int error;
  uint64_t losses;              /* before it */
};

static void
write_both (struct replicated *m, const struct io_run *runs,
            unsigned count, struct outcome out[BACKING_REPLICAS])
{
  uint64_t end = end_of (runs, count);

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = &m->replicas[i];

    out[i] = (struct outcome) { .losses = h->losses };
    out[i].sent = !is_put_off (h) && replica_may_write (h, end) == 0;
    out[i].error = out[i].sent ? 0 : errno;
  }
  /* Nothing is sent to a half out of sync that none in sync would have. */
  if (!((out[0].sent && replica_in_sync (&m->replicas[0]))
        || (out[1].sent && replica_in_sync (&m->replicas[1]))))
    out[0].sent = out[1].sent = false;
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (out[i].sent)
      nbd_client_write_begin (m->replicas[i].disk.nbd_client, m->writes[i],
                              runs, count);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (out[i].sent
        && nbd_client_write_end (m->replicas[i].disk.nbd_client, m->writes[i],
                                 &out[i].unsure) == -1)
      out[i].error = errno;
}

/* Put down who has what was written: 0 if one that is in sync has, and then
 * no other one is; or -1 with errno.
 */
static int
settle_write (struct replicated *m, struct outcome out[BACKING_REPLICAS])
{
  bool lost[BACKING_REPLICAS] = { false };
  unsigned good = 0, in_sync;
  int err = ENOTCONN;

  {
    LOCK_FOR_SCOPE (&m->lock);

    in_sync = record_in_sync (m->record);
    for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
      struct replica *h = &m->replicas[i];

      out[i].good = out[i].sent && out[i].error == 0 && !h->is_new
        && h->losses == out[i].losses;
      if (out[i].good)
        good |= in_sync & replica_bit (h);
      else if ((in_sync & replica_bit (h)) && out[i].error != 0)
        err = out[i].error;
    }
    if (good == 0) {
      errno = err;
      return -1;
    }
    for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
      lost[i] = in_sync & ~good & replica_bit (&m->replicas[i]);
    atomic_store (&m->record->in_sync, good);
  }
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (lost[i])
      replica_log (&m->replicas[i],
                   "it lacks what was written from now on, which "
                   "only the other half has");
  return 0;
}

static int
replicated_write (struct backing *b, const struct io_run *runs,
                  unsigned count, bool *unsure)
{
  struct replicated *m = b->replicated;
  struct outcome out[BACKING_REPLICAS];
  uint64_t began = b->io->now ();
  int r;

  write_both (m, runs, count, out);
  *unsure = out[0].unsure || out[1].unsure;
  r = settle_write (m, out);
  if (r == -1)
    return -1;
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (!replica_in_sync (&m->replicas[i])) {
      replicated_set_missed (m, runs, count, !out[i].good);
      if (out[i].sent && out[i].error != 0 && b->io->now () >= began + LATE)
        replica_put_off (&m->replicas[i]);
    }
  count_runs (b, runs, count);
  return 0;
}

/* A half that can't be asked keeps what it has until it is mended, when all
 * that is free is given back again.
 */
static int
replicated_give_back (struct backing *b, uint64_t offset, uint64_t length,
                      bool *unsure)
{
  struct replicated *m = b->replicated;
  bool is_done = false;
  int err = ENOTCONN;

  *unsure = false;
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = &m->replicas[i];
    bool may_come = false;

    if (is_put_off (h))
      continue;
    if (replica_may_write (h, offset + length) == -1)
      err = errno;
    else if (!nbd_client_can_trim (h->disk.nbd_client)
             || nbd_client_trim (h->disk.nbd_client, offset, length, &may_come)
               == 0)
      is_done = true;
    else
      err = errno;
    *unsure |= may_come;
  }
  errno = err;
  return is_done && !*unsure ? 0 : -1;
}

/* ---- what there is ---- */

static void
replicated_disconnect (struct backing *b)
{
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    remote_disconnect (&b->replicated->replicas[i].disk);
}

static int
replicated_start (struct backing *b)
{
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (remote_start (&b->replicated->replicas[i].disk, replica_is_right,
                      &b->replicated->replicas[i]) == -1)
      return -1;
  return 0;
}

static enum backing_state
replicated_state (const struct backing *b)
{
  enum backing_state state = BACKING_WRONG;

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = &b->replicated->replicas[i];
    struct nbd_client_stats st;

    if (!replica_in_sync (h))
      continue;
    nbd_client_get_stats (h->disk.nbd_client, &st);
    if (st.connections > 0)
      return BACKING_OK;
    if (!st.is_wrong)
      state = BACKING_AWAY;
  }
  return state;
}

static void
replicated_count (const struct backing *b, struct backing_stats *st)
{
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    remote_count (&b->replicated->replicas[i].disk, st);
}

static void
replicated_get_replica (const struct backing *b, unsigned n,
                        struct backing_replica *st)
{
  struct replicated *m = b->replicated;
  struct replica *h = &m->replicas[n];
  struct nbd_client_stats far;

  nbd_client_get_stats (h->disk.nbd_client, &far);
  *st = (struct backing_replica) {
    .uri = h->uri, .in_sync = replica_in_sync (h),
    .connections = far.connections, .reconnects = far.reconnects,
  };
  if (!st->in_sync)
    st->left = (uint64_t) (h->lost_all ? b->used - 1 : m->missed_count)
      * BACKING_BLOCK;
  st->state = far.is_wrong ? BACKING_WRONG
    : far.connections == 0 ? BACKING_AWAY
    : st->in_sync ? BACKING_OK : BACKING_DEGRADED;
}

const struct backing_kind backing_replicated = {
  .open = replicated_open,
  .settle = replicated_settle,
  .rest = replicated_disconnect,
  .start = replicated_start,
  .close = replicated_close,
  .read = replicated_read,
  .write = replicated_write,
  .give_back = replicated_give_back,
  .state = replicated_state,
  .count = replicated_count,
  .resync = replicated_resync,
  .read_replica = replicated_read_replica,
  .mark_corrupt = replicated_mark_corrupt,
  .get_replica = replicated_get_replica,
};
