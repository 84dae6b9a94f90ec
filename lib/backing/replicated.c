/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replicated pair: a backing file on two remote disks, of which either may
 * fail.
 *
 * Both replicas have the same blocks at the same places, behind a header
 * with an id of their own.  Which of them have all that slots name, are "in
 * sync", is kept beside the slots (backing-record.h), and at least one always
 * is.
 *
 *   in sync      is written to and read from
 *   not in sync  is written to, read from only when the other replica fails,
 *                and gets what it lacks (replicated-resync.c)
 *   new          is not in sync, and has no header of ours, either: it gets
 *                one before it is resynced
 *
 * A write goes to both at the same time and succeeds when a replica that is
 * in sync has it.  If the other one does not, because it is away, full, or
 * fails, it is no longer in sync.  The record says so before the write is
 * reported as done, and so before any slot names it.  The thread that writes
 * also resyncs, so it knows of each block whether the replica out of sync has
 * it.  A process that attaches does not know that, and resyncs all blocks.
 *
 * A replica that is away stays in sync until it misses a write: it may be
 * back before that.  One that comes back empty, or with a header that no pool
 * needs, is new.  The connection that finds it finds that out before it is
 * used, so nothing is ever read from such a disk: a read counts only if
 * nothing was lost until it ended.  When the last replica in sync comes back
 * like that, it is wrong, as with a single remote disk.
 *
 * Reads are spread over the replicas by block number, so that each network
 * carries half of them, and the caches of the two servers hold different
 * blocks.  If that replica fails or is away, the read goes to the other one
 * at once.  A replica that hangs is dropped after three seconds without any
 * answer.  While no replica can be reached, reads wait up to the timeout.
 *
 * A disk that lost its last writes, but kept its header, looks like the right
 * one.  Only the checksums of its blocks tell (backing.h).  When what it gives
 * for an object is not what was written, and the other replica has that, the
 * object is taken from there, and stays in memory.  The replica
 * may have lost anything else, too: it is then not in sync, and all of it is
 * examined and resynced.  If it is found corrupt again soon after that, it is
 * left alone for a while, each time longer.
 *
 * For the same reason a replica that is not in sync is read from after all,
 * when the other one does not have what was written, and nothing is copied
 * that is not as it was written.  When neither replica has an object, it is
 * lost, and neither is marked corrupt.
 *
 * A request to a replica whose connection ended may still be executed there,
 * so its blocks are not used again (LIVE_PINNED), as with one remote disk.
 * The slots that name them stay valid: what may come later is what is there.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "replicated.h"

/* How often a waiting read looks whether a replica is back. */
#define WAIT_POLL_NSEC 20000000

/* A write that fails after so many milliseconds has delayed the caller: the
 * replica is put off.
 */
#define LATE_MS 1000

/* ---- reading ---- */

/* The replica that is asked as the N-th for the block at OFFSET: they take
 * turns from block to block.
 */
static struct replica *
nth_replica (struct replicated *m, unsigned n, uint64_t offset)
{
  return &m->replicas[(offset / BACKING_BLOCK + n) % BACKING_REPLICAS];
}

/* Read from any replica that is in sync.  Returns -1 with errno ENOTCONN when
 * a replica that has the blocks is away, or became in sync only after it was
 * passed over.
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
  return fail_with (record_in_sync (m->record) & ~tried ? ENOTCONN : err);
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
    if (os_milliseconds () >= until)
      return fail_with (ETIMEDOUT);
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

static void
replicated_mark_corrupt (struct backing *b, unsigned n, uint64_t offset)
{
  replica_mark_corrupt (nth_replica (b->replicated, n, offset));
}

/* ---- writing ---- */

static uint64_t
end_of (const struct io_run *runs, unsigned count)
{
  uint64_t end = 0;

  for (unsigned i = 0; i < count; ++i)
    end = MAX (end, runs[i].offset + runs[i].length);
  return end;
}

/* How a write to each replica went. */
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
    out[i].sent = !replica_is_put_off (h) && replica_check_write (h, end) == 0;
    out[i].error = out[i].sent ? 0 : errno;
  }
  /* A replica out of sync gets only what one in sync gets, too. */
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

/* Record which replicas have what was written.  Returns 0 if one that is in
 * sync has it: only such replicas stay in sync.  Or -1 with errno.
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
    if (good == 0)
      return fail_with (err);
    for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
      lost[i] = in_sync & ~good & replica_bit (&m->replicas[i]);
    atomic_store (&m->record->in_sync, good);
  }
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (lost[i])
      replica_log (&m->replicas[i],
                   "it lacks what was written from now on, which "
                   "only the other replica has");
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
      if (out[i].sent && out[i].error != 0 && b->io->now () >= began + LATE_MS)
        replica_put_off (&m->replicas[i]);
    }
  count_runs (b, runs, count);
  return 0;
}

/* A replica that can't be asked keeps its free blocks until its resync, when
 * all that is free is given back again.
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

    if (replica_is_put_off (h))
      continue;
    if (replica_check_write (h, offset + length) == -1)
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

/* ---- life and state ---- */

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
  struct nbd_client_stats stats;

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    nbd_client_get_stats (b->replicated->replicas[i].disk.nbd_client, &stats);
    st->connections += stats.connections;
    st->reconnects += stats.reconnects;
  }
}

static void
replicated_get_replica (const struct backing *b, unsigned n,
                        struct backing_replica *st)
{
  struct replicated *m = b->replicated;
  struct replica *h = &m->replicas[n];
  struct nbd_client_stats stats;

  nbd_client_get_stats (h->disk.nbd_client, &stats);
  *st = (struct backing_replica) {
    .uri = h->uri, .in_sync = replica_in_sync (h),
    .connections = stats.connections, .reconnects = stats.reconnects,
  };
  if (!st->in_sync)
    st->left = (uint64_t) (h->lost_all ? b->used - 1 : m->missed_count)
      * BACKING_BLOCK;
  st->state = stats.is_wrong ? BACKING_WRONG
    : stats.connections == 0 ? BACKING_AWAY
    : st->in_sync ? BACKING_OK : BACKING_DEGRADED;
}

const struct backing_kind backing_replicated = {
  .open = replicated_open,
  .settle = replicated_settle,
  .disconnect = replicated_disconnect,
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
