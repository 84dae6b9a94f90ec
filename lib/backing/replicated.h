/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of a replicated pair share.  Each of them uses only those
 * that come before it here: replica.c, replicated-open.c,
 * replicated-resync.c, replicated.c.
 */

#ifndef NBDZRAM_BACKING_REPLICATED_H
#define NBDZRAM_BACKING_REPLICATED_H

#include <pthread.h>

#include "internal.h"
#include "nbd-client.h"

/* Bytes and blocks that a resync copies in one step. */
#define RESYNC_BYTES (512 * KIB)
#define RESYNC_BLOCKS (RESYNC_BYTES / BACKING_BLOCK)

#define ALL_EXAMINED UINT32_MAX

struct replica {
  struct replicated *replicated;
  struct remote disk;
  char *uri;
  char why[256];                /* it could not be reached at the opening */
  _Atomic uint64_t losses;      /* how often set_out_of_sync was called */
  _Atomic bool lost_all;        /* may lack any block; cleared when its
                                 * resync begins */

  /* Under replicated->lock: */
  bool is_new;                  /* its disk has no header of ours yet */
  bool was_ours;                /* it has had one since it was opened */
  uint64_t quarantined_until;   /* milliseconds */
  uint64_t corrupt_at;          /* milliseconds: when it was found corrupt */
  uint64_t corrupt_delay;       /* milliseconds without a resync after that */

  /* Of maintenance: */
  uint64_t resync_at, resync_delay; /* milliseconds */
  bool is_empty;                /* it has a new header and no blocks */
  bool reported_small;          /* too small for a resync */
};

struct replicated {
  struct backing *backing;
  struct backing_options options; /* without paths */
  struct backing_record *record;
  pthread_mutex_t lock;         /* of changes of the record, too; only an NBD
                                 * client's lock is taken after it */
  struct replica replicas[BACKING_REPLICAS]; /* as in the record */

  /* Of maintenance: */
  struct nbd_write_job *writes[BACKING_REPLICAS];
  bits_word *missed;            /* by block: the replica that is not in sync
                                 * lacks it; all clear when both are */
  _Atomic uint32_t missed_count;
  uint32_t cursor;              /* where to look for the next */
  uint32_t unexamined;          /* from this block on, blocks that count as
                                 * missed may be there; or ALL_EXAMINED */
  uint32_t lost;                /* blocks that neither replica has, found
                                 * since all blocks were missed */
  char *buffer;                 /* RESYNC_BYTES */
  uint64_t taken;               /* bytes of the budget */
};

static inline unsigned
replica_bit (const struct replica *h)
{
  return 1u << (h - h->replicated->replicas);
}

static inline struct replica *
other_replica (struct replica *h)
{
  return &h->replicated->replicas[1 - (h - h->replicated->replicas)];
}

static inline bool
replica_in_sync (const struct replica *h)
{
  return record_in_sync (h->replicated->record) & replica_bit (h);
}

/* ---- replica.c ---- */

/* Log one line about H. */
void replica_log (struct replica *h, const char *text);

/* For remote_start: may the disk that begins with BLOCK be used?  It may if
 * it is the replica OPAQUE, or can become that.  In the latter case it is out
 * of sync when this returns.
 */
bool replica_is_right (void *opaque, const void *block);

/* Does all that slots name lie before its end? */
bool replica_has_room (struct replica *h);

/* Let new pages be written only where there is room on it. */
void replica_bounds (struct replica *h);

/* Why must this replica not be overwritten?  It begins with BLOCK, whose
 * header's ID is, or NULL.  Returns what header_refusal does.
 */
enum backing_error_reason replica_refusal (struct replica *h,
                                           const void *block,
                                           const uint8_t *id);

/* Write a header and trim the rest: it becomes a replica of this pair, which
 * has no pages, so it must not be in sync while the pool has some.  0, or -1
 * with errno.
 */
int replica_take_over (struct replica *h);

/* Read from a replica that is in sync.  0, or -1 with errno, ENOTCONN when it
 * is not in sync, or no longer is.
 */
int replica_read (struct replica *h, void *buf, size_t len, uint64_t offset,
                  bool patient);

/* Check that bytes up to END may be written there.  0, or -1 with errno. */
int replica_check_write (struct replica *h, uint64_t end);

/* Something that is needed is on its disk: don't use that disk before a while
 * has passed, or another disk is there.
 */
void replica_quarantine (struct replica *h);

/* A resync or a write failed: don't try again for a while, longer each time.
 */
void replica_put_off (struct replica *h);

/* Is it out of sync and put off?  Then a write does not wait for it: its
 * resync copies what it misses.
 */
bool replica_is_put_off (const struct replica *h);

/* It had something else than was written, and the other replica has what was
 * written: it is out of sync now.
 */
void replica_mark_corrupt (struct replica *h);

/* ---- replicated-open.c ---- */

int replicated_open (struct backing *b, const struct backing_options *o,
                     uint64_t *size, struct backing_error *error);
int replicated_settle (struct backing *b, const struct backing_options *o,
                       struct backing_error *error);
void replicated_close (struct backing *b);

/* ---- replicated-resync.c ---- */

/* The replica that is not in sync lacks the blocks of RUNS, or has them. */
void replicated_set_missed (struct replicated *m, const struct io_run *runs,
                            unsigned count, bool missed);

bool replicated_resync (struct backing *b);

#endif /* NBDZRAM_BACKING_REPLICATED_H */
