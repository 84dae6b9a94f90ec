/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of a device: one slot a page, in the pool file.
 *
 * A leaf is an OS page of slots.  A leaf in which nothing was ever
 * written, or everything was trimmed, is a hole in the file and must
 * not be touched, since touching would fill it: a map of two levels,
 * kept by the process and derived from the file's holes, says which
 * leaves are there.  So the table of a huge, nearly empty disk is
 * nearly empty too, and walking it skips 64 GiB of 4 KiB pages a step.
 *
 * A table may be made resident: then all leaves are there, so that no
 * write has to make one, and the map says in which of them anything is.
 *
 * Locks: a slot is read and changed under its lock, which is one of a
 * set shared by all tables of a pool.  The slots of a leaf share
 * LEAF_LOCKS of them, so that holding all of these keeps the whole leaf
 * still.  They come before the locks of objects.  That leaves come to be
 * and go away one by one is the business of table->making, which is
 * taken after slots' locks and before no other.
 */

#ifndef NBDZRAM_STORE_TABLE_H
#define NBDZRAM_STORE_TABLE_H

#include <pthread.h>
#include <stdint.h>

#include "lib/base/bits.h"
#include "lib/base/budget.h"
#include "lib/base/os.h"
#include "lib/base/util.h"
#include "lib/pool-file/pool-file.h"
#include "page-info.h"
#include "slot.h"

#define LEAF_SLOTS (OS_PAGE_SIZE / sizeof (slot_t))
#define LEAF_LOCKS 16
#define LOCK_GROUPS 64

/* Leaves of whose pages one OS page of infos knows. */
#define LEAVES_PER_INFO_PAGE (OS_PAGE_SIZE / sizeof (page_info) / LEAF_SLOTS)

struct slot_locks {
  struct {
    _Alignas (CACHE_LINE) pthread_mutex_t lock;
  } groups[LOCK_GROUPS][LEAF_LOCKS];
};

struct table {
  const struct pool_file *file;
  struct budget *budget;
  struct budget *held;          /* ... from which is taken, too; or NULL */
  struct slot_locks *locks;
  uint64_t offset;              /* in the file */
  uint64_t pages;
  uint64_t leaves;
  _Atomic slot_t *slots;
  bool resident;                /* constant while there are threads */
  bits_word *leaf_map;          /* by leaf: is it there? */
  bits_word *leaf_map_map;      /* by OS page of leaf_map: any bit set? */
  _Atomic page_info *infos;     /* by page; resident where leaves are */
  pthread_mutex_t making;       /* of the maps, but for reading */
};

void slot_locks_init (struct slot_locks *locks);
void slot_locks_destroy (struct slot_locks *locks);

/* Bytes of the pool file that the table of so many pages takes. */
uint64_t table_bytes (uint64_t pages);

/* Map the table at OFFSET of FILE and find its leaves, which are taken from
 * BUDGET and, if it isn't NULL, from HELD.  0, or -1 with errno ENOMEM.
 */
int table_open (struct table *t, const struct pool_file *file,
                struct budget *budget, struct budget *held,
                struct slot_locks *locks,
                uint64_t offset, uint64_t pages);

/* Safe on a zeroed table, and on one whose opening failed.  What was taken
 * is given back, and the slots stay in the file.
 */
void table_close (struct table *t);

/* Make it one of so many pages, which must have room where it is in the
 * file: slots beyond are empty.  Nobody uses it, nor holds a lock of its
 * slots.  It is resident no longer.  0, or -1 with errno ENOMEM, and all is
 * as it was.
 */
int table_resize (struct table *t, uint64_t pages);

/* Put FROM in the place of TO, which has been closed; nobody uses them. */
void table_move (struct table *from, struct table *to);

/* Have all of the table, and what is kept beside it, in memory from now
 * on, whatever is written and trimmed.  Before any other thread uses it.
 * 0, or -1 with errno ENOSPC (budget, file system or machine); then all is
 * as it was, but for memory of the file that table_open will find empty.
 */
int table_make_resident (struct table *t);

/* Bytes that takes in all. */
uint64_t table_resident_bytes (const struct table *t);

/* The lock of slot INDEX. */
static inline pthread_mutex_t *
table_lock (const struct table *t, uint64_t index)
{
  uint64_t leaf = index / LEAF_SLOTS + t->offset / OS_PAGE_SIZE;
  /* Fibonacci hashing: the top bits of a product with 2^64 / phi. */
  uint64_t group = leaf * UINT64_C (0x9e3779b97f4a7c15) / (UINT64_MAX
                                                           / LOCK_GROUPS + 1);

  return &t->locks->groups[group][index % LEAF_LOCKS].lock;
}

static inline bool
table_has_leaf (const struct table *t, uint64_t leaf)
{
  return bit_test (t->leaf_map, leaf);
}

/* What is known of page INDEX, whose leaf is there. */
static inline page_info
table_info (const struct table *t, uint64_t index)
{
  return atomic_load_explicit (&t->infos[index], memory_order_relaxed);
}

/* Add and remove bits; the lock of slot INDEX is held. */
static inline void
table_mark (struct table *t, uint64_t index, page_info add, page_info remove)
{
  page_info old = table_info (t, index), new;

  do
    new = (page_info) ((old & ~remove) | add);
  while (!atomic_compare_exchange_weak_explicit (&t->infos[index], &old, new,
                                                 memory_order_relaxed,
                                                 memory_order_relaxed));
}

/* Page INDEX was read; its lock is held. */
static inline void
table_touch (struct table *t, uint64_t index)
{
  if ((table_info (t, index) & INFO_UNTIL_ACCESS) != 0)
    atomic_fetch_and_explicit (&t->infos[index],
                               (page_info) ~INFO_UNTIL_ACCESS,
                               memory_order_relaxed);
}

/* The slot at INDEX; its lock is held. */
static inline slot_t
table_get (const struct table *t, uint64_t index)
{
  if (!table_has_leaf (t, index / LEAF_SLOTS))
    return SLOT_EMPTY;
  return slot_believe (atomic_load_explicit (&t->slots[index],
                                             memory_order_relaxed));
}

/* Make sure that slot INDEX can be set.  Its lock is held.  0, or -1
 * with errno ENOSPC, or EDQUOT: the device holds as much as it may.
 */
int table_prepare (struct table *t, uint64_t index);

/* Publish SLOT at INDEX, for which table_prepare succeeded under the
 * same hold of its lock, and return what was there.  One store: who
 * attaches after a kill finds the old slot or the new one.  INFO is
 * what is known of the page from now on: 0 of one that is written.
 */
static inline slot_t
table_set (struct table *t, uint64_t index, slot_t slot, page_info info)
{
  slot_t old = slot_believe (atomic_load_explicit (&t->slots[index],
                                                   memory_order_relaxed));

  atomic_store_explicit (&t->slots[index], slot, memory_order_release);
  if (table_info (t, index) != info)
    atomic_store_explicit (&t->infos[index], info, memory_order_relaxed);
  return old;
}

/* Keep a whole leaf still.  The caller holds no slot's lock. */
void table_lock_leaf (const struct table *t, uint64_t leaf);
void table_unlock_leaf (const struct table *t, uint64_t leaf);

/* Give the memory of LEAF back if all its slots are empty.  The caller
 * holds no slot's lock.
 */
void table_release_leaf (struct table *t, uint64_t leaf);

/* The first leaf from LEAF on that is there, or t->leaves. */
uint64_t table_next_leaf (const struct table *t, uint64_t leaf);

/* Make all pages older: OLDER is from age_steps.  The caller holds no
 * slot's lock.
 */
void table_sweep (struct table *t, const uint8_t older[AGE_CODES]);

/* Copy the slots of LEAF to SLOTS, as they are at this moment.  The
 * caller holds no slot's lock.  Returns false, and copies nothing, when
 * the leaf is not there.
 */
bool table_copy_leaf (const struct table *t, uint64_t leaf,
                      slot_t slots[LEAF_SLOTS]);

#endif /* NBDZRAM_STORE_TABLE_H */
