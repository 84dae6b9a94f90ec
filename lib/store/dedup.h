/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dedup: the index in which the objects of pages are found by their
 * fingerprint, so that identical pages can share one.
 *
 * An object in the index has a node: where it is (its slot), its
 * fingerprint, its scope, and how many slots refer to it.  The fingerprint is
 * the low SLOT_SUM_BITS bits of the page's checksum, which a STORED object's
 * header and a HUGE slot keep anyway.  Only pages of the same scope share
 * objects.  Equal fingerprints are a reason to compare pages, not a proof
 * that they are equal.
 *
 * dedup_take adds a reference to an object, and dedup_drop removes one and
 * tells whether it was the last.  Both take the lock of the fingerprint's
 * shard, so no object is freed while it is being shared.  An object without a
 * node is not shared: the one slot that refers to it owns it.
 *
 * The index has only objects in the arena that are STORED or HUGE.  No
 * function may be called with another slot, since its bits could equal those
 * of an object in the index.
 *
 * The index is not in the pool file: at attach, dedup_claim is called for
 * each slot that names an object.
 *
 * Memory: a node takes 12 bytes, five nodes make a cache line, and with the
 * gaps in lines that is 18 or 19 bytes a node.  Memory is taken from the
 * budget by the OS page.  Lines are kept side by side, so that OS pages can
 * be given back as nodes are removed.  The number of chains follows the
 * number of nodes by linear hashing, two chains at a time, so no thread ever
 * waits until a whole table has been rebuilt.
 *
 * Any thread may call any function at any time, except for opening, attaching
 * and closing.  Locks: one for each shard, taken after a slot's lock and
 * before those of objects.  No lock is held between calls.
 */

#ifndef NBDZRAM_STORE_DEDUP_H
#define NBDZRAM_STORE_DEDUP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "lib/base/util.h"
#include "slot.h"

/* Each shard wastes half an OS page or two, which is much for a small pool.
 * So there are only as many as it takes to keep threads from waiting: a lock
 * is held for a fraction of the time that compressing a page takes.
 */
#define DEDUP_SHARDS 8

/* A scope is a device's number, or this for the whole pool. */
#define DEDUP_SCOPE_POOL 511

/* The most slots that share one object. */
#define DEDUP_REFS_MAX 1023

/* dedup_insert adds no node to a chain of this length.  A chain has four or
 * five nodes, unless a client writes many different pages with the same
 * fingerprint, or more copies of one page than can share an object.  Neither
 * must make threads wait for the shard's lock.
 */
#define DEDUP_CHAIN_MAX 60

/* How many empty lines each shard keeps and uses before others.  A node that
 * is added soon after another was removed then moves no line, and memory is
 * not given back and taken again in turns.
 */
#define DEDUP_HOLES 16

/* Address space of which the beginning is in use. */
struct dedup_area {
  char *base;
  uint64_t reserved;            /* bytes */
  uint64_t committed;           /* bytes, taken from the budget */
};

struct dedup_shard {
  _Alignas (CACHE_LINE) pthread_mutex_t lock;
  struct dedup_area firsts;     /* first lines of chains */
  struct dedup_area others;     /* the lines that follow them */
  uint64_t nodes;
  uint64_t shared;              /* references beyond each node's first */
  _Atomic uint32_t buckets;     /* chains; 0: no node, no memory */
  uint32_t end;                 /* other lines, holes included */
  uint32_t holes;
  uint32_t hole[DEDUP_HOLES];
};

struct dedup {
  struct budget *budget;        /* the pool's */
  struct budget held;           /* the index's own part of it */
  struct dedup_shard shards[DEDUP_SHARDS];
};

/* Open an empty index that takes its memory from BUDGET, which must outlive
 * it.  LIMIT is the most bytes that dedup_insert lets the index grow to; 0:
 * no limit.  It also bounds the address space that is reserved.  An attach
 * may need more, so it opens without a limit and sets held.limit later.
 * 0, or -1 with errno ENOMEM.
 */
int dedup_open (struct dedup *x, struct budget *budget, uint64_t limit);

/* Free all memory.  Does nothing to a zeroed index, or to one whose opening
 * failed.
 */
void dedup_close (struct dedup *x);

/* Bring what the functions below need for fingerprint FP into the processor's
 * cache, while the caller does something else.  All functions ignore bits
 * above the fingerprint.
 */
void dedup_prefetch (struct dedup *x, uint32_t fp);

/* Look for an object with fingerprint FP and scope SCOPE that USABLE accepts,
 * if that isn't NULL, and add a reference to it: the object stays until the
 * reference is dropped.  The caller then compares the pages.  USABLE is
 * called with the shard's lock held: it may take a class's lock, and must be
 * quick.  Returns the object's slot, or SLOT_EMPTY.  The object can't move
 * meanwhile, since dedup_move refuses objects with more than one reference.
 */
slot_t dedup_take (struct dedup *x, uint32_t fp, unsigned scope,
                   bool (*usable) (slot_t slot, void *opaque), void *opaque);

/* Add the object of SLOT, which is complete and not in the index, with one
 * reference, the caller's.  0, or -1 with errno ENOSPC when there is no
 * memory for a node, or too many have its fingerprint.  Then the object is
 * not shared, which does no harm.
 */
int dedup_insert (struct dedup *x, uint32_t fp, unsigned scope, slot_t slot);

/* Both under one lock: add a reference to another object with FP and SCOPE,
 * and return its slot.  If there is no such object, insert SLOT if possible,
 * and return SLOT_EMPTY.
 */
slot_t dedup_take_or_insert (struct dedup *x, uint32_t fp, unsigned scope,
                             slot_t slot);

enum dedup_owners {
  DEDUP_UNKNOWN,                /* the object is not in the index */
  DEDUP_LAST,                   /* no other slot; its node is removed */
  DEDUP_SHARED,                 /* other slots still refer to it */
};

/* Remove a reference to the object of SLOT.  Unless it is DEDUP_SHARED, the
 * caller frees the object.
 */
enum dedup_owners dedup_drop (struct dedup *x, uint32_t fp, slot_t slot);

/* The caller, which has a reference to the object of FROM, has copied it to
 * TO (another place, all else equal) and is about to publish TO.  Returns
 * false if there are other references: the object stays at FROM.  Returns
 * true if the node says TO now, or there is no node.
 */
bool dedup_move (struct dedup *x, uint32_t fp, slot_t from, slot_t to);

/* Attach: add a reference for one more slot that names this object.  Single-
 * threaded.  Limits are ignored, since an object with two owners must have a
 * node.  The first claim sets the scope.  Returns
 *    1  the index had the object already, and so had its allocator
 *    0  the object was not known, and has a node now
 *   -1  errno ENOMEM: there is no place for a node; EUCLEAN: more slots name
 *       the object than can have been written
 */
int dedup_claim (struct dedup *x, uint32_t fp, unsigned scope, slot_t slot);

/* Remove the nodes of objects that are not shared, until the index takes no
 * more than BYTES, or has only shared objects.  The objects stay, and can no
 * longer be shared.  After an attach this enforces a limit; 0 ends dedup.
 */
void dedup_forget (struct dedup *x, uint64_t bytes);

struct dedup_stats {
  uint64_t nodes;               /* objects that can be found */
  uint64_t shared;              /* pages without an object of their own */
  uint64_t bytes;               /* of memory */
};
void dedup_get_stats (struct dedup *x, struct dedup_stats *st);

/* For tests: check every invariant of the index.  Returns NULL, or the
 * condition that does not hold.
 */
const char *dedup_check (struct dedup *x);

#endif /* NBDZRAM_STORE_DEDUP_H */
