/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backing file: where the objects of cold pages lie when they have
 * left memory.  A regular file, a block device, or an export of an NBD
 * server.
 *
 *   0      header, one block: whose file this is
 *   4096   blocks of objects
 *
 * An object here is the same bytes as in the arena.  One of up to half
 * a block never crosses one, so that reading it is one block; a larger
 * one may begin behind another of that kind.  Several slots may name
 * the same object.
 *
 * What is free is not in the file.  The process keeps a number a block:
 * the sum, over the slots that name bytes of the block, of the units of
 * 32 bytes that they name.  It only ever adds and subtracts, so slots
 * come and go in any order, from any thread, and attaching adds up all
 * slots again.  A block with the sum 0 is free.
 *
 * Bytes that a slot names are never written to: new objects go to free
 * blocks only.  A block that was freed is not written to, either, while
 * a reader is at work that may have seen a slot that named it.  So who
 * finds the slot unchanged after reading has read that slot's object.
 *
 * Content matters no longer than the pool in memory lives, so a file is
 * never synced: when the machine goes, both go.  An export may be on
 * another one (nbd-client.h).
 *
 * Every block has a checksum of 32 bits, which is kept beside the slots, in
 * the pool file.  The checksum inside an object proves only that its bytes
 * belong together: a disk that lost its last writes, went back to a snapshot,
 * or put a block elsewhere has objects that are whole, and older, or another
 * page's.  The checksum of the block is of what was written there last, so
 * whatever is read there instead is refused:
 *
 *   verified  Whole blocks are read, and each must match before anything
 *             in it is used: by requests, by cleaning, and by the resync of
 *             a mirror.  An error of the disk stays an error of the disk,
 *             and never becomes another page.
 *   changed   When a batch is written, after no slot has named its blocks
 *             for so long that no reader can still read them, and before
 *             the first byte is sent.
 *   killed    Before the change, no slot names the block.  Between the
 *             change and the slot's publication, neither.  After that, the
 *             checksum is of what the slot names.  So a slot and the checksum
 *             of its blocks are right together at any instruction, and in
 *             the pool file they stay so.
 *   unknown   A checksum of 0, of a block that was written before there
 *             were any, by an earlier version of this program.  Then only
 *             the checksums of its objects are verified, as that version
 *             did, until the block is written again.
 *
 * A counter of rewrites would do the same only as part of what is stored,
 * and could not tell of a block by itself whether it is good, which is what
 * a resync must know.  So there is none that could wrap or repeat: what
 * matches is what was written, whatever disk or pool it comes from.
 *
 * Threads: backing_claim, backing_release, reading, backing_is_victim,
 * backing_may_write, backing_needs_cleaning, backing_get_state,
 * backing_get_stats and backing_get_replica may be called by any thread at
 * any time.  The rest is for one thread at a time, the one that holds
 * pool->maintenance.  There are no locks in here, but for those of a
 * mirror (replicated.h) and of far ends (nbd-client.h).
 */

#ifndef NBDZRAM_BACKING_BACKING_H
#define NBDZRAM_BACKING_BACKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/bits.h"
#include "lib/base/budget.h"
#include "lib/base/util.h"
#include "lib/pool-file/backing-record.h"
#include "backing-error.h"
#include "remote.h"

#define BACKING_BLOCK 4096
#define BACKING_UNIT 32

/* Bytes of a backing file that a slot can name: 2 TiB. */
#define BACKING_SIZE_MAX (2 * TIB)

/* A page that shares its object with others up to this many counts as
 * this part of it.
 */
#define BACKING_GROUP 16

struct backing_options {
  const char *path;             /* or URI: see backing_is_uri */
  const char *other_path;       /* the URI of the other half of a mirror; or
                                 * NULL */
  uint64_t size;                /* bytes to use at most; 0: all of a
                                 * device or export */
  unsigned timeout;             /* seconds that reads of an export that is
                                 * away wait */
  void (*log) (const char *text); /* what happens to it, one line, from any
                                 * thread; or NULL */
  uint32_t page_size;
  uint8_t pool_id[BACKING_ID_SIZE];
  bool pool_is_kept;            /* in a file, and may outlive us */
  struct backing_record *record; /* what is kept of it: the caller's, for
                                 * as long as it is open; NULL: nothing */
  const struct backing_sums *sums; /* where those of blocks are kept; NULL:
                                 * they go with the process */
  int pool_fd;                  /* this file is refused; or -1 */
  struct budget *budget;
};

enum backing_state {
  BACKING_OK,
  BACKING_FULL,                 /* the last flush found too little space */
  BACKING_FAILED,               /* the last write failed */
  BACKING_AWAY,                 /* there is no connection to it */
  BACKING_WRONG,                /* what answers there is something else */
  BACKING_DEGRADED,             /* of a mirror only one half is of use */
  BACKING_TRUNCATED,            /* another program made the file shorter */
};

/* Counted since the process began. */
struct backing_counters {
  _Atomic uint64_t reads;       /* objects */
  _Atomic uint64_t read_bytes;  /* of whole blocks, as are the next two */
  _Atomic uint64_t write_bytes; /* all that was written */
  _Atomic uint64_t clean_bytes; /* the part written by cleaning batches */
  _Atomic uint64_t object_bytes; /* of objects in other batches */
  _Atomic uint64_t read_errors, write_errors;
};

/* The system calls, so that tests can let them fail. */
struct backing_io {
  ssize_t (*pread) (int fd, void *buf, size_t len, off_t offset);
  ssize_t (*pwrite) (int fd, const void *buf, size_t len, off_t offset);
  uint64_t (*now) (void);       /* milliseconds, monotonic */
};

struct backing_kind;
struct replicated;

struct backing {
  const struct backing_kind *kind;
  const struct backing_io *io;
  struct budget *budget;
  int fd;                       /* of a file or device */
  struct remote disk;           /* of an export */
  struct replicated *replicated; /* of two of them */
  _Atomic uint64_t file_end;    /* of a file: where what we wrote ends */
  _Atomic bool truncated;       /* it was found shorter, at least once */
  bool is_device;               /* its size is given, it does not grow */
  bool is_new;                  /* made by opening it */
  bool can_give_back;           /* space of free blocks, to the system */
  bool taken_over;              /* it was another pool's, or new */
  bool may_be_larger;           /* than is known: it was away when it was
                                 * opened, or a half that has all pages */
  uint8_t id[BACKING_ID_SIZE];
  uint32_t blocks;              /* that slots may name */
  _Atomic uint32_t limit;       /* blocks that may be written */

  _Atomic uint16_t *live;       /* by block: units that slots name */
  _Atomic uint32_t *sums;       /* by block: of its content; 0: unknown */
  struct backing_sums sums_kept; /* where they are; fd -1: nowhere */
  bool sums_begun;
  bits_word *backed;            /* by block: may have space on disk */
  bits_word *victims;           /* by block: is to be emptied */
  _Atomic uint16_t *group_used; /* by group of blocks: how many not free */
  _Atomic uint32_t high_water;  /* blocks ever used, whole groups: only
                                 * below it the arrays are resident, and
                                 * taken from the budget */
  int attach_error;             /* errno: they could not be; or 0 */
  _Atomic uint32_t used;        /* blocks not free, the header too */
  _Atomic uint64_t live_units;  /* the sum of live[], where each block
                                 * counts as one block at most */
  uint32_t backed_count;        /* bits set in backed */
  uint64_t spare;               /* bytes of the budget, for more of it */
  uint32_t cursor;              /* where to look for free blocks first */
  bool no_long_runs;            /* since the cursor was put to the start */

  struct {                      /* readers at work, by phase */
    _Alignas (CACHE_LINE) _Atomic uint32_t count;
  } readers[2];
  _Atomic uint32_t phase;

  _Atomic int state;            /* enum backing_state */
  _Atomic int error;            /* errno of the last failed write */
  _Atomic uint64_t retry_at, retry_delay; /* milliseconds */
  struct backing_counters counters;
};

/* Does PATH name an export, as nbd://HOST/EXPORT does? */
bool backing_is_uri (const char *path);

/* Open or create the file.  A regular file is created (mode 0600), or
 * must be empty, or ours; a block device or export must begin with 1 MiB
 * of zeroes, or be ours.  One that is ours is cleared and becomes this
 * pool's when the record has none, since then no page of it is there; but
 * not when another pool, that is kept in a file, has used it since this
 * machine was started: that may still be there, and need it.  The record
 * has it then.
 *
 * Returns 0, or -1 with *ERROR, and the file is as it was.  The errno of
 * BACKING_ERROR_SYSTEM is ENOMEM, ENOSPC (the budget is used up), or what
 * open(2) and write(2) give.
 */
int backing_open (struct backing *b, const struct backing_options *o,
                  struct backing_error *error);

/* After a fork, if there is one: an export is connected to from here on.
 * 0, or -1 with errno EAGAIN.
 */
int backing_start (struct backing *b);

/* Safe on a zeroed struct, and on one whose opening failed.  The file
 * stays as it is.
 */
void backing_close (struct backing *b);

/* Attach: all slots were claimed.  Finds what to give back.  0, or -1 with
 * errno ENOSPC: there is no memory for the checksums of their blocks.
 */
int backing_attach_done (struct backing *b);

/* ---- slots that come and go ---- */

/* Can there be an object of LENGTH bytes at OFFSET?  Ask before claiming
 * what a slot says at attach.
 */
bool backing_contains (const struct backing *b, uint64_t offset,
                       uint32_t length);

/* A slot that names LENGTH bytes at OFFSET comes: before it is
 * published, or at attach.  SHARE is 1, or BACKING_GROUP when its page
 * is one of several in the object.  Needs contains.
 */
void backing_claim (struct backing *b, uint64_t offset, uint32_t length,
                    unsigned share);

/* It is gone: after another slot was published in its place. */
void backing_release (struct backing *b, uint64_t offset, uint32_t length,
                      unsigned share);

/* ---- reading ---- */

/* From enter, called before the slot is looked at under its lock, until
 * leave, called when the slot was looked at again, nothing is written
 * over what the slot named.  No lock may be held that the maintenance
 * thread waits for.  Give leave what enter returned.
 */
unsigned backing_read_begin (struct backing *b);
void backing_read_end (struct backing *b, unsigned phase);

/* Room needed to read an object of LENGTH bytes. */
static inline size_t
backing_read_size (uint32_t length)
{
  return align_up (length, BACKING_BLOCK) + BACKING_BLOCK;
}

/* Read the object of LENGTH bytes at OFFSET into BUF, which has room for
 * backing_read_size and is aligned to a block.  Returns where in BUF the
 * object begins, or NULL with errno
 *   EUCLEAN  there is something else than what was written: it is damaged,
 *            older, or of another place; or the slot has changed, and there
 *            is nothing any more, which the caller finds out
 *   EIO      all else
 */
void *backing_read (struct backing *b, uint64_t offset, uint32_t length,
                    void *buf);

/* The same, but EIO at once when an export is away: for maintenance, that
 * can do it another time.
 */
void *backing_read_now (struct backing *b, uint64_t offset, uint32_t length,
                        void *buf);

/* The same from one half of a mirror: the N-th of those that would be asked.
 * One that lacks something may have this all the same, which its checksums
 * prove.  NULL with errno as above, or
 *   ENOENT    there are not so many
 *   ENOTCONN  it is away, and the reader not PATIENT, or not any more
 */
void *backing_read_replica (struct backing *b, unsigned n, uint64_t offset,
                            uint32_t length, void *buf, bool patient);

/* What the N-th gave for the object at OFFSET, which a slot names, was not
 * what was written, and what another gave was.  So it may have lost anything:
 * if the other one has all pages, it gets from there what it lacks.
 */
void backing_mark_corrupt (struct backing *b, unsigned n, uint64_t offset);

/* ---- writing ---- */

/* Objects that are written together. */
struct backing_batch;

/* Make a batch with room for BYTES, 1 MiB being a good number.  CLEANING
 * says that what it will hold comes from the backing file itself: keep
 * that apart from new objects, since it will live longer.  NULL with
 * errno ENOMEM, or ENOSPC (the budget).
 */
struct backing_batch *backing_batch_new (struct backing *b, uint32_t bytes,
                                         bool cleaning);
void backing_batch_free (struct backing_batch *batch);

/* What such a batch takes of the budget; and, at most, what a file or a
 * device that is opened for the first time does, in a pool whose file allocates
 * GRANULE bytes together.
 */
size_t backing_batch_memory (uint32_t bytes);
size_t backing_memory (uint64_t granule);

/* Copy an object to the batch.  Add neighbours one after the other: they
 * will lie together, and often die together.  An ALIGNED one begins at a
 * block.  Returns its number in the batch, counted from 0, or -1 with
 * errno EAGAIN: no room, flush and reset first.
 */
int backing_batch_add (struct backing_batch *batch, const void *object,
                       uint32_t length, bool aligned);

/* Write the batch to free blocks.  0, or -1 with errno, and nothing has
 * changed, but the batch must be reset:
 *   ENOSPC    the backing file, its file system or the budget is full
 *   EBUSY     readers are at work for too long
 *   ENOTCONN  an export is away
 *   others    as pwrite(2) gives; until some time has passed, the same
 *             error again without another try
 * Then, for each object: claim its place, publish the slot, and release
 * the place again if that was not to be.  Its blocks stay the batch's
 * until the reset.
 */
int backing_flush (struct backing_batch *batch);

/* Where object number N is now; 0 if there was no room for it. */
uint64_t backing_batch_offset (const struct backing_batch *batch, unsigned n);

/* Make the batch empty.  Blocks that nobody claimed are free. */
void backing_batch_reset (struct backing_batch *batch);

/* Would a flush try to write, or is the backing file away, or is it too
 * early after an error?
 */
bool backing_may_write (const struct backing *b);

/* ---- cleaning ---- */

/* Is so much of the used blocks dead that cleaning is due? */
bool backing_needs_cleaning (const struct backing *b);

/* Mark the emptiest blocks as victims, as many as cleaning now needs and
 * at most so many that MAX_BYTES are alive in them.  Returns how many
 * are alive in them; 0: nothing is worth it.  Then read each object for
 * which backing_is_victim is true, put it in a cleaning batch, and
 * publish its new place.
 */
uint64_t backing_choose_victims (struct backing *b, uint64_t max_bytes);

bool backing_is_victim (const struct backing *b, uint64_t offset,
                        uint32_t length);

/* Forget who is a victim. */
void backing_cleaning_done (struct backing *b);

/* Give space of free blocks back to the file system, but for KEEP bytes
 * that are soon written again, and the memory that described them.
 */
void backing_give_back (struct backing *b, uint64_t keep);

/* ---- mending ---- */

/* Let a half of a mirror that lacks something get some of it, up to half a
 * MiB: call it again at once while it returns true, and every second
 * otherwise.
 */
bool backing_resync (struct backing *b);

/* ---- what there is ---- */

/* *ERROR is the errno behind BACKING_FAILED. */
enum backing_state backing_get_state (const struct backing *b, int *error);

struct backing_stats {
  uint64_t size;                /* bytes that may be used */
  uint64_t used;                /* bytes of blocks that are not free */
  uint64_t live;                /* bytes that slots name */
  uint64_t file;                /* bytes on disk; of a device: used */
  unsigned connections;         /* to an export, now */
  uint64_t reconnects;          /* since the start */
};
void backing_get_stats (const struct backing *b, struct backing_stats *st);

/* Of half N of a mirror. */
struct backing_replica {
  const char *uri;              /* valid until the close */
  enum backing_state state;     /* OK; DEGRADED while it gets what it lacks;
                                 * AWAY; WRONG */
  bool in_sync;                 /* has all pages; of one that is away, too */
  uint64_t left;                /* bytes that it lacks, about */
  unsigned connections;         /* now */
  uint64_t reconnects;          /* since the start */
};

/* False when there is none. */
bool backing_get_replica (const struct backing *b, unsigned n,
                          struct backing_replica *st);

/* Check every invariant written in this file, while nobody uses it; for
 * tests.  Returns NULL, or what is wrong.
 */
const char *backing_check (const struct backing *b);

#endif /* NBDZRAM_BACKING_BACKING_H */
