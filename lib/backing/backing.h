/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backing file: where the objects of cold pages go when they leave memory.
 * It is a regular file, a block device, the export of an NBD server, or a
 * replicated pair of exports.
 *
 *   0      header, one block: which pool uses the file
 *   4096   blocks of objects
 *
 * An object is stored as the same bytes as in the arena.  An object of up to
 * half a block never crosses a block, so that one block is read for it; a
 * larger one may begin behind another large one.  Several slots may name the
 * same object.
 *
 * The file does not say which blocks are free.  The process keeps a number
 * for each block: the sum, over the slots that name bytes of the block, of
 * the units of 32 bytes that they name.  It is only added to and subtracted
 * from, so slots can come and go in any order, from any thread, and attaching
 * adds up all slots again.  A block with the sum 0 is free.
 *
 * Bytes that a slot names are never written to: new objects go to free
 * blocks only.  Nor is a freed block written to while a reader is at work
 * that may have seen a slot that named it.  So a reader that finds the slot
 * unchanged after reading has read that slot's object.
 *
 * The content is needed only as long as the pool in memory, so a file is
 * never synced: when the machine stops, both are gone.  An export may be on
 * another machine (nbd-client.h).
 *
 * Every block has a checksum of 32 bits, which is kept beside the slots, in
 * the pool file.  The checksum inside an object proves only that its bytes
 * belong together: a disk that lost its last writes, went back to a snapshot,
 * or put a block elsewhere has objects that are whole, but older, or another
 * page's.  The checksum of the block is that of what was written there last,
 * so anything else that is read there is refused:
 *
 *   verified  Whole blocks are read, and each must match before anything in
 *             it is used: by requests, by cleaning, and by a resync.  An
 *             error of the disk stays an error of the disk, and never
 *             becomes another page.
 *   changed   When a batch is written: after no slot has named its blocks
 *             for so long that no reader can still read them, and before the
 *             first byte is sent.
 *   killed    Before the change, no slot names the block.  Between the change
 *             and the publication of the slot, no slot does, either.  After
 *             that, the checksum is that of what the slot names.  So a slot
 *             and the checksums of its blocks agree at any instruction, and
 *             stay so in the pool file.
 *   unknown   A checksum of 0 belongs to a block that an earlier version of
 *             this program wrote, without checksums.  Then only the checksums
 *             of its objects are verified, as that version did, until the
 *             block is written again.
 *
 * Checksums detect a disk that fails.  They don't detect an attacker that can
 * write to the disk, nor hide pages from one that can read it.  With a key,
 * blocks are encrypted as well (seal.h), and the checksum is that of the
 * encrypted block.
 *
 * A counter of rewrites would prove the same only as a part of what is
 * stored, and could not say of a block alone whether it is good, which a
 * resync must know.  A checksum does not wrap or repeat: a block that matches
 * is what was written, whatever disk or pool it comes from.
 *
 * Threads: any thread may call backing_claim, backing_release,
 * backing_is_victim, backing_may_write, backing_needs_cleaning,
 * backing_get_state, backing_get_stats, backing_get_replica, and the
 * functions that read, at any time.  The other functions are called by one
 * thread at a time, the one that holds pool->maintenance.  There are no locks
 * here except those of a replicated pair (replicated.h) and of NBD clients
 * (nbd-client.h).
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
#include "block-array.h"
#include "remote.h"

#define BACKING_BLOCK 4096
#define BACKING_UNIT 32

/* Bytes of a backing file that a slot can name: 2 TiB. */
#define BACKING_SIZE_MAX (2 * TIB)

/* A page of a group counts as this part of the group's object. */
#define BACKING_GROUP 16

struct backing_options {
  const char *path;             /* or URI: see backing_is_uri */
  const char *other_path;       /* the URI of the other replica, or NULL */
  uint64_t size;                /* bytes to use at most; 0: all of a
                                 * device or export */
  unsigned timeout;             /* seconds that reads wait for an export that
                                 * is away */
  void (*log) (const char *text); /* is called with one line, by any thread;
                                 * or NULL */
  uint32_t page_size;
  uint8_t pool_id[BACKING_ID_SIZE];
  bool pool_is_kept;            /* in a file that may outlive this process */
  struct backing_record *record; /* the caller's, for as long as the backing
                                 * file is open; NULL: none is kept */
  const struct backing_room *sums; /* where checksums are kept; NULL: in
                                 * memory of this process */
  const struct backing_key *key; /* NULL: blocks are not encrypted */
  int pool_fd;                  /* the pool file, which is refused; or -1 */
  struct budget *budget;
};

enum backing_state {
  BACKING_OK,
  BACKING_FULL,                 /* the last flush found too little space */
  BACKING_FAILED,               /* the last write failed */
  BACKING_AWAY,                 /* there is no connection to it */
  BACKING_WRONG,                /* the export that answers is another one */
  BACKING_DEGRADED,             /* only one replica of the pair has all */
  BACKING_TRUNCATED,            /* another program made the file shorter */
};

/* Counted since the process began. */
struct backing_counters {
  _Atomic uint64_t reads;       /* objects */
  _Atomic uint64_t read_bytes;  /* of whole blocks, as are the next two */
  _Atomic uint64_t write_bytes; /* by all batches */
  _Atomic uint64_t clean_bytes; /* by cleaning batches */
  _Atomic uint64_t object_bytes; /* of objects in other batches */
  _Atomic uint64_t read_errors, write_errors;
};

/* The system calls.  Tests replace them to let them fail. */
struct backing_io {
  ssize_t (*pread) (int fd, void *buf, size_t len, off_t offset);
  ssize_t (*pwrite) (int fd, const void *buf, size_t len, off_t offset);
  uint64_t (*now) (void);       /* milliseconds, monotonic */
};

struct backing_kind;
struct replicated;
struct sealer;

struct backing {
  const struct backing_kind *kind;
  const struct backing_io *io;
  struct budget *budget;
  int fd;                       /* of a file or device */
  struct remote disk;           /* of an export */
  struct replicated *replicated; /* of a pair of exports */
  _Atomic uint64_t file_end;    /* of a file: the end of what was written */
  _Atomic bool truncated;       /* the file was found shorter, ever */
  bool is_device;               /* it does not grow */
  bool is_new;                  /* the file was created by opening it */
  bool can_give_back;           /* space of free blocks, to the system */
  bool taken_over;              /* it was another pool's, or new */
  bool may_be_larger;           /* than is known: it was away when it was
                                 * opened, or a replica with all pages was */
  uint8_t id[BACKING_ID_SIZE];
  uint32_t blocks;              /* that slots may name */
  _Atomic uint32_t limit;       /* blocks that may be written */

  _Atomic uint16_t *live;       /* by block: units that slots name */
  struct block_array sums;      /* _Atomic uint32_t: of the block's content;
                                 * 0: unknown */
  struct block_array seals;     /* struct seal; not used without a key */
  struct sealer *sealer;        /* NULL: blocks are not encrypted */
  bits_word *backed;            /* by block: may have space on disk */
  bits_word *victims;           /* by block: cleaning will empty it */
  _Atomic uint16_t *group_used; /* by group: blocks that are not free */
  _Atomic uint32_t high_water;  /* blocks ever used, whole groups: the arrays
                                 * are resident, and taken from the budget,
                                 * only below it */
  int attach_error;             /* errno of raising it at attach; or 0 */
  _Atomic uint32_t used;        /* blocks that are not free, the header too */
  _Atomic uint64_t live_units;  /* the sum of live[], where each block
                                 * counts as one block at most */
  uint32_t backed_count;        /* bits set in backed */
  uint64_t spare;               /* bytes of the budget, to raise it later */
  uint32_t cursor;              /* group to look for free blocks first */
  bool no_long_runs;            /* left since the cursor was reset */

  struct {                      /* readers at work, by phase (io.c) */
    _Alignas (CACHE_LINE) _Atomic uint32_t count;
  } readers[2];
  _Atomic uint32_t phase;

  _Atomic int state;            /* enum backing_state */
  _Atomic int error;            /* errno of the last failed write */
  _Atomic uint64_t retry_at, retry_delay; /* milliseconds */
  struct backing_counters counters;
};

/* Is PATH the URI of an export, like nbd://HOST/EXPORT? */
bool backing_is_uri (const char *path);

/* Open or create the file.  A regular file is created (mode 0600), or must be
 * empty or have our header.  A block device or export must begin with 1 MiB
 * of zeroes, or have our header.
 *
 * When the record names no backing file, the pool has no pages in it: a file
 * with our header is cleared and becomes this pool's, and the record names it
 * from then on.  But it is refused if another pool, which is kept in a file,
 * has used it since this machine was started: that pool may still exist, and
 * need it.
 *
 * Returns 0, or -1 with *ERROR, and the file is as it was.  The errno of
 * BACKING_ERROR_SYSTEM is ENOMEM, ENOSPC (the budget is used up), or what
 * open(2) and write(2) give.
 */
int backing_open (struct backing *b, const struct backing_options *o,
                  struct backing_error *error);

/* Start the threads of an export: call it after a fork.  0, or -1 with errno
 * EAGAIN.
 */
int backing_start (struct backing *b);

/* Safe on a zeroed struct, and on one whose opening failed.  The file
 * stays as it is.
 */
void backing_close (struct backing *b);

/* Attach: all slots were claimed.  Finds which space can be given back.  0, or
 * -1 with errno ENOSPC: there is no memory for the checksums of their blocks.
 */
int backing_attach_done (struct backing *b);

/* ---- claiming bytes for slots ---- */

/* Can there be an object of LENGTH bytes at OFFSET?  At attach, ask this
 * before claiming what a slot names.
 */
bool backing_contains (const struct backing *b, uint64_t offset,
                       uint32_t length);

/* Count a slot that names LENGTH bytes at OFFSET, which backing_contains: call
 * it before the slot is published, or at attach.  SHARE is 1, or
 * BACKING_GROUP when the object is that of a group of pages.
 */
void backing_claim (struct backing *b, uint64_t offset, uint32_t length,
                    unsigned share);

/* Undo a claim: call it after another slot was published in its place. */
void backing_release (struct backing *b, uint64_t offset, uint32_t length,
                      unsigned share);

/* ---- reading ---- */

/* Call begin before looking at a slot under its lock, and end after looking
 * at it again, with what begin returned.  In between, nothing is written over
 * what the slot named.  In between, hold no lock that the maintenance thread
 * waits for.
 */
unsigned backing_read_begin (struct backing *b);
void backing_read_end (struct backing *b, unsigned phase);

/* Bytes of the buffer needed to read an object of LENGTH bytes. */
static inline size_t
backing_read_size (uint32_t length)
{
  return align_up (length, BACKING_BLOCK) + BACKING_BLOCK;
}

/* Read the object of LENGTH bytes at OFFSET into BUF, which has
 * backing_read_size bytes and is aligned to a block.  Returns where in BUF the
 * object begins, or NULL with errno
 *   EUCLEAN  what is there is not what was written: it is damaged, older, or
 *            another block; or the slot has changed, which the caller checks,
 *            and the block may have been freed
 *   EIO      all other errors
 */
void *backing_read (struct backing *b, uint64_t offset, uint32_t length,
                    void *buf);

/* The same, but EIO at once when an export is away: for maintenance, which
 * can try again later.  That is not counted as a read error.
 */
void *backing_read_now (struct backing *b, uint64_t offset, uint32_t length,
                        void *buf);

/* The same from one replica: the N-th in the order in which backing_read asks
 * them.  A replica that is not in sync may still have this object; then all
 * checksums of its blocks must be known and match.  NULL with errno as above,
 * or
 *   ENOENT    there are not so many replicas
 *   ENOTCONN  it is away, and the reader is not PATIENT, or its timeout is
 *             over
 */
void *backing_read_replica (struct backing *b, unsigned n, uint64_t offset,
                            uint32_t length, void *buf, bool patient);

/* For the object at OFFSET, which a slot names, the N-th replica gave
 * something else than was written, and the other replica gave what was
 * written.  So the N-th one may have lost anything: if the other one has all
 * pages, it gets from there what it lacks.
 */
void backing_mark_corrupt (struct backing *b, unsigned n, uint64_t offset);

/* ---- writing ---- */

/* Objects that are written together.  A batch is used by one thread. */
struct backing_batch;

/* Make a batch with room for BYTES; 1 MiB is a good size.  CLEANING says that
 * its objects come from the backing file itself.  They are kept apart from
 * new objects, since they live longer.  NULL with errno ENOMEM, or ENOSPC
 * (the budget is used up).
 */
struct backing_batch *backing_batch_new (struct backing *b, uint32_t bytes,
                                         bool cleaning);
void backing_batch_free (struct backing_batch *batch);

/* Bytes of the budget that such a batch takes; and that a new file or device
 * takes at most, in a pool whose file allocates GRANULE bytes together,
 * WITH_KEY if it is encrypted.
 */
size_t backing_batch_memory (uint32_t bytes);
size_t backing_memory (uint64_t granule, bool with_key);

/* Copy an object to the batch.  Add neighbours one after the other: they will
 * lie together, and are often freed together.  An ALIGNED object begins at a
 * block.  Returns its number in the batch, counted from 0, or -1 with errno
 * EAGAIN: there is no room, flush and reset the batch first.
 */
int backing_batch_add (struct backing_batch *batch, const void *object,
                       uint32_t length, bool aligned);

/* Write the batch to free blocks.  0, or -1 with errno: then nothing has
 * changed, but the batch must be reset.
 *   ENOSPC    the backing file, its file system or the budget is full
 *   EBUSY     readers are at work for too long
 *   ENOTCONN  an export is away
 *   others    of pwrite(2); until some time has passed, the same error is
 *             returned without another try
 * Then, for each object: claim its place, publish the slot, and release the
 * place again if the slot was not published.  The blocks stay the batch's
 * until the reset.
 */
int backing_flush (struct backing_batch *batch);

/* The offset of object number N; 0 if there was no room for it. */
uint64_t backing_batch_offset (const struct backing_batch *batch, unsigned n);

/* Make the batch empty.  Blocks that were not claimed are free. */
void backing_batch_reset (struct backing_batch *batch);

/* Would a flush try to write?  Not while the backing file is away, or for
 * some time after an error.
 */
bool backing_may_write (const struct backing *b);

/* ---- cleaning ---- */

/* Is so much space in used blocks dead that cleaning is due? */
bool backing_needs_cleaning (const struct backing *b);

/* Mark the emptiest blocks as victims: as many as cleaning needs now, and at
 * most so many that MAX_BYTES are alive in them.  Returns the bytes that are
 * alive in them; 0: no block is worth it.  Then read each object for which
 * backing_is_victim is true, put it in a cleaning batch, and publish its new
 * place.
 */
uint64_t backing_choose_victims (struct backing *b, uint64_t max_bytes);

bool backing_is_victim (const struct backing *b, uint64_t offset,
                        uint32_t length);

/* Unmark all victims. */
void backing_cleaning_done (struct backing *b);

/* Give the space of free blocks back to the file system, except KEEP bytes
 * that are soon written again, and free the memory that described them.
 */
void backing_give_back (struct backing *b, uint64_t keep);

/* If the backing file is encrypted and no slot names any block, use a new key
 * from now on: what is left on the disk can't be decrypted any more.
 */
void backing_renew_key (struct backing *b);

/* ---- resync ---- */

/* Copy up to half a MiB to a replica that is not in sync.  Call it again at
 * once while it returns true, and every second otherwise.
 */
bool backing_resync (struct backing *b);

/* ---- state and statistics ---- */

/* *ERROR is set to the errno behind BACKING_FAILED. */
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

struct backing_replica {
  const char *uri;              /* valid until the close */
  enum backing_state state;     /* OK; DEGRADED while it gets what it lacks;
                                 * AWAY; WRONG */
  bool in_sync;                 /* it has all pages, even if it is away */
  uint64_t left;                /* bytes that it lacks, about */
  unsigned connections;         /* now */
  uint64_t reconnects;          /* since the start */
};

/* Get what is known of replica N.  Returns false when there is none. */
bool backing_get_replica (const struct backing *b, unsigned n,
                          struct backing_replica *st);

/* Check the counters against live[] and backed[], while no other thread uses
 * B; for tests.  Returns NULL, or what is wrong.
 */
const char *backing_check (const struct backing *b);

#endif /* NBDZRAM_BACKING_BACKING_H */
