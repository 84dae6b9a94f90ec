/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the backing file share, and nobody else needs. */

#ifndef NBDZRAM_BACKING_INTERNAL_H
#define NBDZRAM_BACKING_INTERNAL_H

#include <string.h>

#include "backing.h"
#include "io-run.h"

#define BLOCK_UNITS (BACKING_BLOCK / BACKING_UNIT)

/* So much of a device must be zeroes: partition tables, file systems and
 * the like have something there.
 */
#define BACKING_BLANK MIB

/* Blocks of a group: its part of live[] is an OS page. */
#define GROUP_BLOCKS 2048

/* So many units name the block that they were not counted, or it was
 * released more often than claimed: nobody knows when it is free, so it
 * is not until the slots are added up again.
 */
#define LIVE_PINNED UINT16_MAX

/* ---- what it is made of ---- */

/* A kind of backing file.  Functions that return int give 0, or -1 with
 * errno.  UNSURE is set to whether what was asked for, and failed, may
 * still be done later.
 */
struct backing_kind {
  /* Open what O says, lock it, and set what B says of its kind; *SIZE is
   * how many bytes it has now.  After an error, close is called.  ERROR
   * without a reason stands for errno.
   */
  int (*open) (struct backing *b, const struct backing_options *o,
               uint64_t *size, struct backing_error *error);
  void (*close) (struct backing *b);

  /* Find what is in it, and make it this pool's, as backing_open says: NULL
   * where that is the same as for files.
   */
  int (*settle) (struct backing *b, const struct backing_options *o,
                 struct backing_error *error);

  /* Be ready for a fork, and be of use after it: NULL where there is
   * nothing to do.
   */
  void (*rest) (struct backing *b);
  int (*start) (struct backing *b);

  /* Read LEN bytes, whole blocks.  Who is PATIENT waits for what can't be
   * reached now.
   */
  int (*read) (struct backing *b, void *buf, size_t len, uint64_t offset,
               bool patient);

  /* Write all runs, in any order. */
  int (*write) (struct backing *b, const struct io_run *runs,
                unsigned count, bool *unsure);

  /* Nothing in LENGTH bytes from OFFSET on is needed: called if
   * can_give_back.
   */
  int (*give_back) (struct backing *b, uint64_t offset, uint64_t length,
                    bool *unsure);

  /* Nothing from END on is needed: called once for a device. */
  int (*cut) (struct backing *b, uint64_t end);

  /* Bytes on disk; NULL: those that are used. */
  uint64_t (*space) (const struct backing *b);

  /* Attach, if can_give_back: call space_set_backed for what may have
   * space on disk; NULL: nobody knows what of it was written before, so all.
   */
  void (*find_space) (struct backing *b);

  /* Can it be reached?  BACKING_OK or BACKING_TRUNCATED if so; NULL: always,
   * and the former.
   */
  enum backing_state (*state) (const struct backing *b);

  /* Set what else there is to count; or NULL. */
  void (*count) (const struct backing *b, struct backing_stats *st);

  /* Of a mirror: see backing_resync, backing_read_replica, backing_mark_corrupt and
   * backing_get_replica; else NULL.  READ_HALF returns 1 when the half lacks
   * something: it counts only what is known to be as it was written.
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

/* The id that BLOCK has, the first of a backing file; NULL: it is no
 * header.
 */
const uint8_t *header_id (const void *block);

/* Of one that is: was it made for the pool of O, with its size of pages?
 * May another pool need the file?
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

/* Make BLOCK a header for the pool of O, with a new id, put in ID.  0, or
 * -1 with errno.
 */
int header_make (void *block, const struct backing_options *o,
                 uint8_t id[BACKING_ID_SIZE]);

/* For kinds that write whole runs: they were written. */
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
  /* Who finds a block free must see what was done before it was freed. */
  return atomic_load_explicit (&b->live[block], memory_order_acquire);
}

/* ---- space.c ---- */

/* Let UNITS more, or fewer, name BLOCK, which is below high_water. */
void block_claim (struct backing *b, uint32_t block, uint32_t units);
void block_release (struct backing *b, uint32_t block, uint32_t units);

/* Set high_water, which is a multiple of GROUP_BLOCKS or b->blocks.  FORCE
 * takes from the budget without asking.  0, or -1 with errno ENOSPC.
 */
int space_raise (struct backing *b, uint32_t high_water, bool force);

/* Attach: there is something in the first BLOCKS blocks.  If there is no
 * memory to say so, b->attach_error is set.
 */
void space_raise_to (struct backing *b, uint64_t blocks);

/* Map the arrays, with block 0 taken; 0, or -1 with errno. */
int space_open (struct backing *b, const struct backing_sums *sums);
void space_close (struct backing *b);

/* Choose free blocks for COUNT blocks of a batch.  EXTENTS[i] is how
 * many, from number i on, must lie side by side; 0 where number i
 * follows another.  Puts in PLACES[i] where number i goes, and claims
 * one unit there; 0 where there is no room for the extent.  CLEANING may
 * use what others must leave for it.  Returns how many were placed.
 */
uint32_t space_choose (struct backing *b, const uint16_t *extents,
                       uint32_t count, uint32_t *places, bool cleaning);

/* Does all that slots name lie in the first SIZE bytes?  By any thread. */
bool space_has_room (const struct backing *b, uint64_t size);

/* What is written from now on is to lie there.  By any thread. */
void space_bound (struct backing *b, uint64_t size);

/* Blocks FROM to TO were written, or may have been. */
void space_set_backed (struct backing *b, uint32_t from, uint32_t to);

/* ---- checksums.c ---- */

/* Map the checksums, of b->blocks blocks, where KEPT says; NULL: in memory
 * of this process.  0, or -1 with errno.
 */
int sums_open (struct backing *b, const struct backing_sums *kept);
void sums_close (struct backing *b);

/* Bytes of memory that those of the first BLOCKS blocks take. */
uint64_t sums_bytes (const struct backing *b, uint32_t blocks);

/* Have memory for those of blocks FROM to TO.  0, or -1 with errno ENOSPC. */
int sums_populate (struct backing *b, uint32_t from, uint32_t to);

/* Give the memory of those of blocks FROM to TO back, but for what others
 * are in, too.  No reader uses them.  0, or -1 with errno.
 */
int sums_forget (struct backing *b, uint32_t from, uint32_t to);

/* BLOCK, which no reader uses, is going to have this content. */
void sums_set (struct backing *b, uint32_t block, const void *content);

enum sums_match {
  SUMS_DIFFER,
  SUMS_UNKNOWN,                 /* of some, and the others match */
  SUMS_MATCH,
};

/* Is BUF what was written to the LEN bytes from OFFSET on, whole blocks? */
enum sums_match sums_compare (const struct backing *b, const void *buf,
                              size_t len, uint64_t offset);

/* ---- file.c ---- */

extern const struct backing_io backing_system_io;

/* ---- io.c ---- */

/* Wait until each reader that is at work now has left.  0, or -1 with
 * errno EBUSY when that takes too long.
 */
int io_wait_for_readers (struct backing *b);

/* Remember how a flush ended, with errno ERR or 0.  TRIED says that the
 * error came from the system, which is then left alone for a while.
 */
void io_set_result (struct backing *b, int err, bool tried);

#endif /* NBDZRAM_BACKING_INTERNAL_H */
