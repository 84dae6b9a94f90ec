/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects: the size-class allocator on top of the arena.
 *
 * A zspage is a frame whose memory is divided into objects of one class.
 * Objects are allocated lowest first from the fullest zspage with room, and
 * memory is committed only up to the last object, so a class with few
 * objects costs little.  A zspage without objects is given back at once.
 *
 * Unlike in zsmalloc, there is no handle between a slot and its object, and
 * no reference from an object to its slot: compaction finds the owners of
 * objects by walking the slots.  That saves eight bytes an object, and there
 * is nothing to keep consistent.
 *
 * Nothing of this is in the pool file.  To attach, call object_claim for
 * each object that a slot names, then objects_attach_done.
 *
 * Any thread may call any function at any time, except opening, attaching
 * and closing.  Each class has a lock, which is taken before the arena's.
 */

#ifndef NBDZRAM_ALLOC_OBJECTS_H
#define NBDZRAM_ALLOC_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/util.h"
#include "arena.h"
#include "size-class.h"

/* The lists of a class's zspages: those filled to each quarter, from which
 * objects are allocated; full ones; and those that compaction empties.
 */
enum zspage_group {
  GROUPS_TAKEN_FROM = 4,
  GROUP_FULL = GROUPS_TAKEN_FROM,
  GROUP_ISOLATED,
  ZSPAGE_GROUPS,
};

struct zspage {
  uint64_t free[2];             /* bit set: this object is free */
  uint64_t shared[2];           /* bit set: several slots named this object
                                 * at some time */
  uint32_t next, prev;          /* in the list of its group */
  uint32_t committed;           /* bytes with memory, from its start */
  uint8_t used;                 /* objects; = bits clear in free */
  _Atomic uint8_t class_plus_1; /* 0: no zspage in this frame */
  _Atomic uint8_t group;
  bool growing;                 /* the thread of the reserve adds memory at
                                 * its end (objects-grow.c): must not be
                                 * removed, even if it is empty */
};

struct object_class {
  _Alignas (CACHE_LINE) pthread_mutex_t lock;
  uint32_t heads[ZSPAGE_GROUPS];
  uint32_t zspages;
  uint64_t used;                /* objects; = sum over its zspages */
  uint64_t bytes;               /* sum of the requested sizes */
  uint64_t committed;           /* bytes; = sum over its zspages */
  _Atomic bool low;             /* little memory is left in the zspage from
                                 * which objects are allocated */
};

struct objects {
  const struct size_classes *sizes;
  struct arena *arena;
  struct zspage *zspages;       /* by frame */
  _Atomic uint32_t high_water;  /* frames below this number were used at
                                 * some time: their struct zspage is
                                 * resident, and taken from the budget */
  struct object_class classes[SIZE_CLASSES_MAX];
};

/* SIZES and ARENA must outlive O.  Returns 0, or -1 with errno ENOMEM. */
int objects_open (struct objects *o, const struct size_classes *sizes,
                  struct arena *arena);

/* Safe on closed objects. */
void objects_close (struct objects *o);

/* Allocate an object of class CLS for BYTES bytes, and put its offset in the
 * arena in *OFFSET.  If MAY_GROW is false, use only memory that is committed
 * already.  Returns 0, or -1 with errno ENOSPC.
 */
int object_alloc (struct objects *o, uint32_t cls, uint32_t bytes,
                  bool may_grow, uint64_t *offset);

/* As object_alloc, but in the zspage of the object at BELOW, and at a lower
 * offset.  Returns -1 with errno ENOSPC if no such object is free.
 */
int object_alloc_below (struct objects *o, uint64_t below, uint32_t bytes,
                        uint64_t *offset);

/* Free the object at OFFSET, which was allocated for BYTES bytes.  Returns
 * 0, or -1 with errno EUCLEAN and without effect if no object of class CLS
 * is taken there: a damaged slot may contain any offset.
 */
int object_free (struct objects *o, uint32_t cls, uint64_t offset,
                 uint32_t bytes);

/* Return whether an object of class CLS is taken at OFFSET. */
bool object_is_taken (struct objects *o, uint32_t cls, uint64_t offset);

/* Mark the object at OFFSET as named by several slots.  The mark stays until
 * the object is freed.  It protects the other slots: if the fingerprint of
 * an object is damaged, the thread that releases a slot can't find out
 * whether others name the object, and must not free a marked one.
 */
void object_share (struct objects *o, uint32_t cls, uint64_t offset);
bool object_is_shared (struct objects *o, uint32_t cls, uint64_t offset);

/* On attach: mark the object of class CLS and BYTES bytes at OFFSET, which a
 * slot names, as taken.  Returns 0, or -1 with errno EUCLEAN if the offset
 * is out of range, is not the start of an object, or is taken already.  One
 * thread only.
 */
int object_claim (struct objects *o, uint32_t cls, uint64_t offset,
                  uint32_t bytes);

/* On attach, after the last object_claim: find out which memory is
 * committed, and free what no object needs.
 */
void objects_attach_done (struct objects *o);

/* Start compaction: isolate, in each class, the emptiest zspages whose
 * objects fit in the committed memory of the others.  No object is allocated
 * in an isolated zspage.  Returns the number of isolated zspages.
 */
uint32_t objects_isolate (struct objects *o);

/* Return whether the object at OFFSET is in an isolated zspage. */
static inline bool
object_is_isolated (const struct objects *o, uint64_t offset)
{
  uint64_t frame = offset / o->sizes->zspage_size;

  return frame < o->arena->frames
    && atomic_load_explicit (&o->zspages[frame].group, memory_order_relaxed)
       == GROUP_ISOLATED;
}

/* Return whether the object at OFFSET may be able to move down within its
 * zspage.  Reads without a lock, so the answer is a guess.
 */
bool object_may_sink (struct objects *o, uint64_t offset);

/* End compaction: use isolated zspages again, and free the memory after the
 * last object of each zspage that is not full.  Frees spare frames, too, but
 * not the reserve.
 */
void objects_compaction_done (struct objects *o);

/* With a reserve: add memory to one class that has little left.  Returns
 * false if there is no such class, or no memory.  One thread only.
 */
bool objects_grow (struct objects *o);

/* Make the struct zspage of FRAME resident.  The caller owns the frame.
 * Returns 0, or -1 with errno ENOSPC.
 */
int objects_prepare_frame (struct objects *o, uint32_t frame);

/* Sums over all classes. */
struct objects_stats {
  uint64_t zspages;
  uint64_t used;                /* objects */
  uint64_t bytes;               /* requested */
  uint64_t committed;           /* bytes */
  uint64_t huge;                /* objects of whole pages */
  uint64_t up_to_half;          /* objects of up to half a page */
};
void objects_get_stats (struct objects *o, struct objects_stats *st);

/* Put the number of objects of each class in COUNTS. */
void objects_get_counts (struct objects *o, uint64_t counts[SIZE_CLASSES_MAX]);

/* Check all invariants that this file states; for tests.  Returns NULL, or
 * the condition that does not hold.
 */
const char *objects_check (struct objects *o);

#endif /* NBDZRAM_ALLOC_OBJECTS_H */
