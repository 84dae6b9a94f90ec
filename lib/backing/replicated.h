/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the mirror share. */

#ifndef NBDZRAM_BACKING_REPLICATED_H
#define NBDZRAM_BACKING_REPLICATED_H

#include <pthread.h>

#include "internal.h"
#include "nbd-client.h"

/* Copied at once to a half that lacks it, in bytes and blocks. */
#define MEND_BYTES (512 * KIB)
#define MEND_BLOCKS (MEND_BYTES / BACKING_BLOCK)

#define ALL_EXAMINED UINT32_MAX

struct replica {
  struct replicated *replicated;
  struct remote disk;
  char *uri;
  char why[256];                /* was it away when it was opened */
  _Atomic uint64_t losses;      /* how often it was found without content */
  _Atomic bool lost_all;        /* ... and is to get all of it */

  /* Under mirror->lock: */
  bool is_new;                  /* what is there has no header of ours yet */
  bool was_ours;                /* it has had one since we began */
  uint64_t refused_until;       /* milliseconds: there was something else */
  uint64_t corrupt_at, doubt;   /* milliseconds: when it had something else
                                 * than was written, and how long it is
                                 * then not mended */

  /* Of maintenance: */
  uint64_t resync_at, resync_delay; /* milliseconds */
  bool is_empty;                /* it has a new header, and nothing else */
  bool said_small;
};

struct replicated {
  struct backing *backing;
  struct backing_options options; /* without paths */
  struct backing_record *record;
  pthread_mutex_t lock;         /* of changes of the record, too; taken last
                                 * but for a far end's */
  struct replica replicas[BACKING_REPLICAS]; /* as in the record */

  /* Of maintenance: */
  struct nbd_write_job *writes[BACKING_REPLICAS];
  bits_word *missed;            /* by block: the half that is not in sync
                                 * lacks it; all clear when both are */
  _Atomic uint32_t missed_count;
  uint32_t cursor;              /* where to look for the next */
  uint32_t unexamined;          /* from this block on, what counts as missed
                                 * may be there; or ALL_EXAMINED */
  uint32_t lost;                /* blocks that neither half has, found since
                                 * all of them were missed */
  char *buffer;                 /* MEND_BYTES */
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

/* ---- replicated.c ---- */

/* One line to the log. */
void replica_log (struct replica *h, const char *text);

/* For remote_start: what is there now is right, or can become so.  In the
 * latter case it is out of sync on return.
 */
bool replica_is_right (void *opaque, const void *block);

/* Read from a half that is in sync: 0, or -1 with errno, ENOTCONN when it is
 * not, or no longer.
 */
int replica_read (struct replica *h, void *buf, size_t len, uint64_t offset,
                  bool patient);

/* May all up to END be written there?  Else -1 with errno. */
int replica_may_write (struct replica *h, uint64_t end);

/* Does all that slots name lie before its end? */
bool replica_has_room (struct replica *h);

/* What is written from now on is to have room there. */
void replica_bounds (struct replica *h);

/* ---- replicated-open.c ---- */

int replicated_open (struct backing *b, const struct backing_options *o,
                     uint64_t *size, struct backing_error *error);
int replicated_settle (struct backing *b, const struct backing_options *o,
                       struct backing_error *error);
void replicated_close (struct backing *b);

/* Write a header and trim the rest: the half is one of this mirror, which is
 * not in sync, or has nothing yet.  0, or -1 with errno.
 */
int replica_take_over (struct replica *h);

/* Why must this replica not be overwritten?  It begins with BLOCK, whose
 * header's ID is, or NULL.  Returns what header_refusal does.
 */
enum backing_error_reason replica_refusal (struct replica *h,
                                           const void *block,
                                           const uint8_t *id);

/* ---- replicated-resync.c ---- */

/* The half that is not in sync lacks the blocks of RUNS, or has them. */
void replicated_set_missed (struct replicated *m,
                            const struct io_run *runs, unsigned count,
                            bool missed);

bool replicated_resync (struct backing *b);

/* It failed: let it be for a while, each time longer. */
void replica_put_off (struct replica *h);

#endif /* NBDZRAM_BACKING_REPLICATED_H */
