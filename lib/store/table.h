/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of a device: one slot a page, in the pool file.
 *
 * A leaf is an OS page of slots.  A leaf in which nothing was ever written,
 * or everything was trimmed, is a hole in the file.  It must not be touched,
 * since that would fill it.  So the process keeps a map of two levels, built
 * from the file's holes, of the leaves that exist.  The table of a huge,
 * nearly empty disk is nearly empty too, and walking it skips 64 GiB of
 * 4 KiB pages a step.
 *
 * A table may be made resident.  Then the memory of all leaves is there, so
 * that no write has to allocate a leaf, and the map says in which leaves
 * anything is stored.
 *
 * Locks: a slot is read and changed under its lock, which is one of a set
 * shared by all tables of a pool.  The slots of a leaf share LEAF_LOCKS of
 * these, and a thread that holds all of them keeps the whole leaf unchanged.
 * They come before the locks of objects.  table->maps_lock is held to add or
 * remove a leaf; it is taken after slots' locks, and no lock is taken after
 * it.
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

/* How many leaves have the infos of their pages in one OS page. */
#define LEAVES_PER_INFO_PAGE (OS_PAGE_SIZE / sizeof (page_info) / LEAF_SLOTS)

struct slot_locks {
  struct {
    _Alignas (CACHE_LINE) pthread_mutex_t lock;
  } groups[LOCK_GROUPS][LEAF_LOCKS];
};

struct table {
  const struct pool_file *file;
  struct budget *budget;
  struct budget *held;          /* a second budget to take from; or NULL */
  struct slot_locks *locks;
  uint64_t offset;              /* in the file */
  uint64_t pages;
  uint64_t leaves;
  _Atomic slot_t *slots;
  bool resident;                /* constant while there are threads */
  bits_word *leaf_map;          /* by leaf: does it exist? */
  bits_word *leaf_map_map;      /* by OS page of leaf_map: any bit set? */
  _Atomic page_info *infos;     /* by page; in memory where leaves are */
  pthread_mutex_t maps_lock;    /* held to change the maps, not to read
                                 * them */
};

void slot_locks_init (struct slot_locks *locks);
void slot_locks_destroy (struct slot_locks *locks);

/* Bytes of the pool file that the table of PAGES pages takes. */
uint64_t table_bytes (uint64_t pages);

/* Map the table at OFFSET of FILE and find its leaves.  Their memory is taken
 * from BUDGET and, if it isn't NULL, from HELD, without regard to limits.
 * FILE, the budgets and LOCKS must outlive the table.  0, or -1 with errno
 * ENOMEM.
 */
int table_open (struct table *t, const struct pool_file *file,
                struct budget *budget, struct budget *held,
                struct slot_locks *locks,
                uint64_t offset, uint64_t pages);

/* Unmap the table and give back what it took from the budgets.  The slots
 * stay in the file.  Does nothing to a zeroed table, or to one whose opening
 * failed.
 */
void table_close (struct table *t);

/* Change the table to PAGES pages, for which there must be room at its place
 * in the file.  Slots beyond the smaller of the two sizes must be empty.  No
 * other thread uses the table or holds a lock of its slots.  Afterwards it is
 * no longer resident.  0, or -1 with errno ENOMEM; then nothing has changed.
 */
int table_resize (struct table *t, uint64_t pages);

/* Move the table FROM to TO, which has been closed.  No other thread uses
 * either.
 */
void table_move (struct table *from, struct table *to);

/* From now on keep all of the table, its maps and its infos in memory,
 * whatever is written and trimmed.  To be called before another thread uses
 * the table.  0, or -1 with errno ENOSPC (of the budget, the file system or
 * the machine).  Then nothing has changed, except that some leaves may have
 * memory, which table_open finds empty and gives back.
 */
int table_make_resident (struct table *t);

/* Bytes of memory that a resident table takes in all. */
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

/* The info of page INDEX, whose leaf exists. */
static inline page_info
table_info (const struct table *t, uint64_t index)
{
  return atomic_load_explicit (&t->infos[index], memory_order_relaxed);
}

/* Add bits to the info of page INDEX and remove others.  The lock of slot
 * INDEX is held; the sweep, which holds no lock, may change the age meanwhile.
 */
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

/* Page INDEX was read: clear what an access clears.  Its lock is held. */
static inline void
table_touch (struct table *t, uint64_t index)
{
  if ((table_info (t, index) & INFO_UNTIL_ACCESS) != 0)
    atomic_fetch_and_explicit (&t->infos[index],
                               (page_info) ~INFO_UNTIL_ACCESS,
                               memory_order_relaxed);
}

/* The slot at INDEX, verified.  Its lock is held. */
static inline slot_t
table_get (const struct table *t, uint64_t index)
{
  if (!table_has_leaf (t, index / LEAF_SLOTS))
    return SLOT_EMPTY;
  return slot_verify (atomic_load_explicit (&t->slots[index],
                                            memory_order_relaxed));
}

/* Make sure that slot INDEX can be set: its leaf exists afterwards.  The
 * slot's lock is held.  0, or -1 with errno ENOSPC, or EDQUOT (the device has
 * used up its quota).
 */
int table_prepare (struct table *t, uint64_t index);

/* Publish SLOT at INDEX and return the old slot.  The caller has held the
 * slot's lock since table_prepare succeeded.  It is one store, so that an
 * attach after a kill finds the old slot or the new one.  INFO becomes the
 * page's info: 0 for a page that is written.
 */
static inline slot_t
table_set (struct table *t, uint64_t index, slot_t slot, page_info info)
{
  slot_t old = slot_verify (atomic_load_explicit (&t->slots[index],
                                                  memory_order_relaxed));

  atomic_store_explicit (&t->slots[index], slot, memory_order_release);
  if (table_info (t, index) != info)
    atomic_store_explicit (&t->infos[index], info, memory_order_relaxed);
  return old;
}

/* Lock all slots of LEAF.  The caller holds no slot's lock. */
void table_lock_leaf (const struct table *t, uint64_t leaf);
void table_unlock_leaf (const struct table *t, uint64_t leaf);

/* Give the memory of LEAF back if all its slots are empty.  The caller
 * holds no slot's lock.
 */
void table_release_leaf (struct table *t, uint64_t leaf);

/* The first existing leaf from LEAF on, or t->leaves. */
uint64_t table_next_leaf (const struct table *t, uint64_t leaf);

/* Make all pages older by OLDER, which age_steps has set.  The caller holds
 * no slot's lock.
 */
void table_sweep (struct table *t, const uint8_t older[AGE_CODES]);

/* Copy the slots of LEAF to SLOTS, verified, as they are at this moment.  The
 * caller holds no slot's lock.  Returns false, and copies nothing, if the
 * leaf does not exist.
 */
bool table_copy_leaf (const struct table *t, uint64_t leaf,
                      slot_t slots[LEAF_SLOTS]);

#endif /* NBDZRAM_STORE_TABLE_H */
