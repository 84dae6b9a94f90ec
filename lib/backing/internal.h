/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */

#ifndef NBDZRAM_BACKING_INTERNAL_H
#define NBDZRAM_BACKING_INTERNAL_H

#include <string.h>

#include "backing.h"
#include "io-run.h"

#define BLOCK_UNITS (BACKING_BLOCK / BACKING_UNIT)

/* Bytes at the start of a device that must be zeroes: partition tables and
 * file systems have something there.
 */
#define BACKING_BLANK MIB

/* Blocks of a group: its part of live[] is one OS page. */
#define GROUP_BLOCKS 2048

/* The block is pinned: it does not become free before the next attach adds up
 * all slots.  That is so when its sum overflowed, when it was released more
 * often than claimed, or when a request to it may still be executed.
 */
#define LIVE_PINNED UINT16_MAX

/* ---- kinds of backing files ---- */

/* Functions that return int return 0, or -1 with errno.  *UNSURE is set to
 * whether a request that failed may still be executed later.
 */
struct backing_kind {
  /* Open what O says, lock it, and set the fields of B that depend on the
   * kind.  *SIZE is set to the bytes it has now.  After an error, close is
   * called.  An ERROR without a reason stands for errno.
   */
  int (*open) (struct backing *b, const struct backing_options *o,
               uint64_t *size, struct backing_error *error);
  void (*close) (struct backing *b);

  /* Check what is in it, and make it this pool's, as backing_open says.
   * NULL: as for a file.
   */
  int (*settle) (struct backing *b, const struct backing_options *o,
                 struct backing_error *error);

  /* Prepare for a fork, and continue after it; or NULL. */
  void (*disconnect) (struct backing *b);
  int (*start) (struct backing *b);

  /* Read LEN bytes, whole blocks.  A PATIENT caller waits for a connection. */
  int (*read) (struct backing *b, void *buf, size_t len, uint64_t offset,
               bool patient);

  /* Write all runs, in any order. */
  int (*write) (struct backing *b, const struct io_run *runs,
                unsigned count, bool *unsure);

  /* Free the space of LENGTH bytes from OFFSET on.  Called if
   * can_give_back.
   */
  int (*give_back) (struct backing *b, uint64_t offset, uint64_t length,
                    bool *unsure);

  /* Free all space from END on.  Called once for a device. */
  int (*cut) (struct backing *b, uint64_t end);

  /* Bytes on disk.  NULL: as many as are used. */
  uint64_t (*space) (const struct backing *b);

  /* Attach, if can_give_back: call space_set_backed for what may have space
   * on disk.  NULL: that is not known, so all of it is set.
   */
  void (*find_space) (struct backing *b);

  /* BACKING_OK or BACKING_TRUNCATED if it can be reached, or why not.  NULL:
   * always BACKING_OK.
   */
  enum backing_state (*state) (const struct backing *b);

  /* Set the fields of *ST that count connections; or NULL. */
  void (*count) (const struct backing *b, struct backing_stats *st);

  /* Of a replicated pair, else NULL: see backing_resync,
   * backing_read_replica, backing_mark_corrupt and backing_get_replica.
   * read_replica returns 1 instead of 0 when the replica is not in sync: then
   * only blocks whose checksums are known and match may be used.
   */
  bool (*resync) (struct backing *b);
  int (*read_replica) (struct backing *b, unsigned n, void *buf, size_t len,
                       uint64_t offset, bool patient);
  void (*mark_corrupt) (struct backing *b, unsigned n, uint64_t offset);
  void (*get_replica) (const struct backing *b, unsigned n,
                       struct backing_replica *st);
};

extern const struct backing_kind backing_file, backing_nbd, backing_replicated;

/* ---- header.c ---- */

/* The id in BLOCK, the first of a backing file; NULL: it is no header. */
const uint8_t *header_id (const void *block);

/* BLOCK is a header: was it made for the pool of O, with its page size?  May
 * another pool need the file?
 */
bool header_is_of (const void *block, const struct backing_options *o);
bool header_is_needed (const void *block, const struct backing_options *o);

/* Why must a disk that begins with BLOCK not be overwritten?  ID is its
 * header's, or NULL: then the disk must be BLANK, which is 1, 0, or -1 with
 * errno.  Returns BACKING_ERROR_NONE when it may be overwritten, or
 * BACKING_ERROR_OTHER_POOL, _OCCUPIED, or _SYSTEM with errno.
 */
enum backing_error_reason header_refusal (const void *block, const uint8_t *id,
                                          const struct backing_options *o,
                                          int blank);

/* Make BLOCK a header for the pool of O, and set ID to its new id.  0, or -1
 * with errno.
 */
int header_make (void *block, const struct backing_options *o,
                 uint8_t id[BACKING_ID_SIZE]);

/* Count runs that were written, for kinds that write them whole. */
static inline void
count_runs (struct backing *b, const struct io_run *runs,
            unsigned count)
{
  for (unsigned i = 0; i < count; ++i)
    atomic_fetch_add (&b->counters.write_bytes, runs[i].length);
}

static inline bool
is_all_zero (const void *data, size_t length)
{
  const char *bytes = data;

  return bytes[0] == 0 && memcmp (bytes, bytes + 1, length - 1) == 0;
}

/* ---- backing.c ---- */

/* Is BLOCK, the first of a backing file, the header of B? */
bool backing_is_header_of (const struct backing *b, const void *block);

static inline uint16_t
block_live (const struct backing *b, uint32_t block)
{
  /* A thread that finds a block free must see all that was done before it was
   * freed.
   */
  return atomic_load_explicit (&b->live[block], memory_order_acquire);
}

/* ---- space.c ---- */

/* Add UNITS to what names BLOCK, which is below high_water, or subtract
 * them.
 */
void block_claim (struct backing *b, uint32_t block, uint32_t units);
void block_release (struct backing *b, uint32_t block, uint32_t units);

/* Raise high_water to a multiple of GROUP_BLOCKS, or to b->blocks.  FORCE
 * ignores the budget's limit.  0, or -1 with errno ENOSPC.
 */
int space_raise (struct backing *b, uint32_t high_water, bool force);

/* Attach: slots name something in the first BLOCKS blocks.  If there is no
 * memory to count that, b->attach_error is set.
 */
void space_raise_to (struct backing *b, uint64_t blocks);

/* Map the arrays, with block 0 taken.  0, or -1 with errno, or with a reason
 * in ERROR.
 */
int space_open (struct backing *b, const struct backing_options *o,
                struct backing_error *error);
void space_close (struct backing *b);

/* Choose free blocks for COUNT blocks of a batch.  EXTENTS[i] is how many
 * blocks, from number i on, must lie side by side; 0 if number i follows
 * another one.  Sets PLACES[i] to the block where number i goes, and claims
 * one unit there; 0 if there is no room for the extent.  CLEANING may use the
 * blocks that are reserved for it.  Returns how many blocks were placed.
 */
uint32_t space_choose (struct backing *b, const uint16_t *extents,
                       uint32_t count, uint32_t *places, bool cleaning);

/* Does all that slots name lie in the first SIZE bytes?  By any thread. */
bool space_has_room (const struct backing *b, uint64_t size);

/* Write new objects only to the first SIZE bytes.  By any thread. */
void space_bound (struct backing *b, uint64_t size);

/* Blocks FROM to TO were written, or may have been. */
void space_set_backed (struct backing *b, uint32_t from, uint32_t to);

/* ---- checksums.c ---- */

#define SUMS_ENTRY sizeof (uint32_t)

/* Set the checksum of BLOCK, which no reader uses, to that of CONTENT. */
void sums_set (struct backing *b, uint32_t block, const void *content);

enum sums_match {
  SUMS_DIFFER,
  SUMS_UNKNOWN,                 /* some are, and the others match */
  SUMS_MATCH,
};

/* Compare BUF, whole blocks, with what was written to the LEN bytes from
 * OFFSET on.
 */
enum sums_match sums_compare (const struct backing *b, const void *buf,
                              size_t len, uint64_t offset);

/* ---- file.c ---- */

extern const struct backing_io backing_system_io;

/* ---- io.c ---- */

/* Wait until each reader that is at work now has ended.  0, or -1 with errno
 * EBUSY when that takes too long.
 */
int io_wait_for_readers (struct backing *b);

/* Remember how a flush ended: ERR is its errno, or 0.  TRIED says that the
 * error came from the disk, which is then not written to for a while.
 */
void io_set_result (struct backing *b, int err, bool tried);

#endif /* NBDZRAM_BACKING_INTERNAL_H */
