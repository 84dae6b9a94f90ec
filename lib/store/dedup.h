/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dedup: the index in which the objects of pages are found by their
 * fingerprint, so that identical pages can share one.
 *
 * An object that is in the index has a node: where it is (its slot),
 * its fingerprint, its scope, and how many slots name it.  A fingerprint
 * is SLOT_SUM_BITS low bits of the page's checksum, what the header of
 * a STORED object and a HUGE slot keep anyway; a scope bounds who shares
 * with whom.  Equal fingerprints are a reason to compare, no more.
 *
 * Whoever shares an object does so by dedup_take, and whoever ceases to
 * name one asks dedup_drop whether it was the last to do so.  Both go
 * through the lock of the fingerprint's shard, so no object is freed
 * while it is being shared.  An object that has no node is not shared:
 * its only owner may do with it what it likes.
 *
 * Only objects in the arena that are STORED or HUGE are in the index; no
 * other slot may be asked for, since it could look like one that is.
 *
 * Nothing here is in the pool file: at attach, dedup_claim is called for
 * each slot that names an object.
 *
 * Memory: a node is 12 bytes, five of them make a line of the cache, and
 * lines have gaps: 18 or 19 bytes a node.  They are taken from the budget
 * by the OS page, and given back by the OS page as nodes go away, for
 * which lines are kept side by side.  The number of chains of lines
 * follows that of nodes by linear hashing, two chains at a time, so that
 * nobody ever waits for a whole table to be rebuilt.
 *
 * Any thread may call any function at any time, but for opening,
 * attaching and closing.  Locks: one a shard, taken after that of a slot
 * and before those of objects; none is held between calls.
 */

#ifndef NBDZRAM_STORE_DEDUP_H
#define NBDZRAM_STORE_DEDUP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "lib/base/util.h"
#include "slot.h"

/* Each shard wastes half an OS page or two, which is much for a small
 * pool, so there are no more of them than it takes for threads not to
 * wait: a lock is held for a fraction of what compressing a page takes.
 */
#define DEDUP_SHARDS 8

/* Scopes are numbers of devices, and this one for the whole pool. */
#define DEDUP_SCOPE_POOL 511

/* The most slots that share one object. */
#define DEDUP_REFS_MAX 1023

/* The most nodes of a chain that dedup_insert adds to.  There are four
 * or five, unless somebody writes many different pages that have the
 * same fingerprint, or one page in more copies than can share an object;
 * neither must make the lock of a shard a place to wait.
 */
#define DEDUP_CHAIN_MAX 60

/* Lines that came free and are used before others, in each shard: what
 * comes soon after what went moves nothing, and no page of memory is
 * given and taken back in turns.
 */
#define DEDUP_HOLES 16

/* Address space whose beginning is in use. */
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

/* LIMIT is the most bytes that dedup_insert lets the index grow to; 0:
 * none.  No more address space is had than that takes; who attaches, and
 * may need more, sets held.limit later.  BUDGET must stay.  0, or -1 with
 * errno ENOMEM.
 */
int dedup_open (struct dedup *x, struct budget *budget, uint64_t limit);

/* Safe on a zeroed index, and on one whose opening failed. */
void dedup_close (struct dedup *x);

/* Bring to the cache, while there is something else to do, what the
 * functions below need of FP.  Bits above the fingerprint are ignored,
 * here and there.
 */
void dedup_prefetch (struct dedup *x, uint32_t fp);

/* Look for an object with fingerprint FP and scope SCOPE that USABLE
 * accepts, if it isn't NULL, and take a reference to it: it stays until
 * that reference is dropped.  Whether its page is really the same is
 * for the caller to find out.  USABLE is called with the shard locked:
 * it may take a class's lock, and must be quick.  Returns its slot as it
 * is at this moment (dedup_move moves none that two know), or
 * SLOT_EMPTY.
 */
slot_t dedup_take (struct dedup *x, uint32_t fp, unsigned scope,
                   bool (*usable) (slot_t slot, void *opaque), void *opaque);

/* Let the object of SLOT, complete and not in the index, be found; the
 * caller has the one reference.  0, or -1 with errno ENOSPC when there
 * is no memory for it, or too many like it: then it isn't shared, which
 * does no harm.
 */
int dedup_insert (struct dedup *x, uint32_t fp, unsigned scope, slot_t slot);

/* Both: take a reference to any other object with FP and SCOPE, or insert
 * SLOT if there is none and that is possible.  Returns the other, or
 * SLOT_EMPTY.
 */
slot_t dedup_take_or_insert (struct dedup *x, uint32_t fp, unsigned scope,
                             slot_t slot);

enum dedup_owners {
  DEDUP_UNKNOWN,                /* it is not in the index */
  DEDUP_LAST,                   /* nobody else: it has left the index */
  DEDUP_SHARED,                 /* others still name it */
};

/* Give up a reference to the object of SLOT, and say who else has one:
 * the caller frees what nobody has.
 */
enum dedup_owners dedup_drop (struct dedup *x, uint32_t fp, slot_t slot);

/* The caller, who has a reference to the object of FROM, has copied it
 * to TO (another place, all else equal) and is about to publish that.
 * False when others have references, too: the object stays at FROM.
 * True when it doesn't, or was not in the index.
 */
bool dedup_move (struct dedup *x, uint32_t fp, slot_t from, slot_t to);

/* Attach: one more slot names this object; single-threaded.  Neither
 * limit is looked at, since an object with two owners must have a node.
 * The scope is that of who claims it first.  Returns
 *    1  the index has it already: so does its allocator
 *    0  it was not known; now it has a node
 *   -1  errno ENOMEM: there is no place for a node; EUCLEAN: more slots
 *       name it than can have been written
 */
int dedup_claim (struct dedup *x, uint32_t fp, unsigned scope, slot_t slot);

/* Forget objects that are not shared, which can then no longer be, until
 * the index holds no more than BYTES (or only what is shared).  After
 * attaching, this enforces a limit; with 0, dedup is over.
 */
void dedup_forget (struct dedup *x, uint64_t bytes);

struct dedup_stats {
  uint64_t nodes;               /* objects that can be found */
  uint64_t shared;              /* pages without an object of their own */
  uint64_t bytes;               /* of memory */
};
void dedup_get_stats (struct dedup *x, struct dedup_stats *st);

/* Check every invariant written in this file; for tests.  Returns NULL,
 * or what is wrong.
 */
const char *dedup_check (struct dedup *x);

#endif /* NBDZRAM_STORE_DEDUP_H */
