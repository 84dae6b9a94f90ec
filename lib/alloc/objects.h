/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects: the size-class allocator on top of the arena.
 *
 * A zspage is a frame whose memory is cut into objects of one class.
 * Objects are taken lowest first from the fullest zspage that has room,
 * and memory is committed only as far as objects reach, so a class that
 * holds little costs little.  An emptied zspage goes back at once.
 *
 * Unlike zsmalloc there is no handle between a slot and its object, and
 * no way from an object to its slot: whoever moves objects finds their
 * owners by walking the slots, which saves eight bytes an object and
 * leaves nothing to keep consistent.
 *
 * Nothing here is in the pool file.  At attach, object_claim is called
 * for each object that a slot names, then objects_attach_done.
 *
 * Any thread may call any function at any time, but for opening,
 * attaching and closing.  Locks: one a class, taken before the arena's.
 */

#ifndef NBDZRAM_ALLOC_OBJECTS_H
#define NBDZRAM_ALLOC_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/util.h"
#include "arena.h"
#include "size-class.h"

/* Zspages of a class by how full they are: four quarters, from which
 * objects are taken, then those that are full, and those that
 * compaction empties.
 */
enum zspage_group {
  GROUPS_TAKEN_FROM = 4,
  GROUP_FULL = GROUPS_TAKEN_FROM,
  GROUP_ISOLATED,
  ZSPAGE_GROUPS,
};

struct zspage {
  uint64_t free[2];             /* bit set: this object is free */
  uint64_t shared[2];           /* ... was once named by several slots */
  uint32_t next, prev;          /* in the list of its group */
  uint32_t committed;           /* bytes from its start, by memory */
  uint8_t used;                 /* objects; = bits clear in free */
  _Atomic uint8_t class_plus_1; /* 0: no zspage in this frame */
  _Atomic uint8_t group;
  bool growing;                 /* memory is being added at its end
                                 * (objects-grow.c): it may be empty, and
                                 * stays */
};

struct object_class {
  _Alignas (CACHE_LINE) pthread_mutex_t lock;
  uint32_t heads[ZSPAGE_GROUPS];
  uint32_t zspages;
  uint64_t used;                /* objects; = sum over its zspages */
  uint64_t bytes;               /* the sum of what was asked for */
  uint64_t committed;           /* bytes; = sum over its zspages */
  _Atomic bool hungry;          /* little memory is left in the zspage
                                 * from which objects are taken */
};

struct objects {
  const struct size_classes *sizes;
  struct arena *arena;
  struct zspage *zspages;       /* by frame */
  _Atomic uint32_t high_water;  /* frames ever used: their bookkeeping
                                 * is resident and was taken from the
                                 * budget */
  struct object_class classes[SIZE_CLASSES_MAX];
};

/* 0, or -1 with errno ENOMEM.  SIZES and ARENA must stay. */
int objects_open (struct objects *o, const struct size_classes *sizes,
                  struct arena *arena);
void objects_close (struct objects *o);

/* Take an object of class CLS for BYTES bytes and put its place in the
 * arena in *OFFSET.  With MAY_GROW false only memory that is committed
 * already will do.  0, or -1 with errno ENOSPC.
 */
int object_alloc (struct objects *o, uint32_t cls, uint32_t bytes,
                  bool may_grow, uint64_t *offset);

/* As object_alloc, but in the zspage of the object at BELOW, at a lower
 * place.  -1 with ENOSPC when there is none.
 */
int object_alloc_below (struct objects *o, uint64_t below, uint32_t bytes,
                        uint64_t *offset);

/* Give back the object at OFFSET, which was taken for BYTES bytes.  An
 * offset at which no object of class CLS is taken, as a damaged slot
 * may hold, does nothing: -1 with errno EUCLEAN.
 */
int object_free (struct objects *o, uint32_t cls, uint64_t offset,
                 uint32_t bytes);

/* Is an object of class CLS taken at OFFSET? */
bool object_is_taken (struct objects *o, uint32_t cls, uint64_t offset);

/* The object at OFFSET is named by several slots now, and stays marked
 * until it is freed: whoever lets go of such a one without knowing of
 * the others, since its fingerprint is damaged, must not free it.
 */
void object_share (struct objects *o, uint32_t cls, uint64_t offset);
bool object_is_shared (struct objects *o, uint32_t cls, uint64_t offset);

/* Attach: a slot says that an object of class CLS and BYTES bytes lies
 * at OFFSET.  -1 with errno EUCLEAN when it can't: out of range, not at
 * an object's place, or taken already.  Single-threaded.
 */
int object_claim (struct objects *o, uint32_t cls, uint64_t offset,
                  uint32_t bytes);
void objects_attach_done (struct objects *o);

/* Compaction.  Isolate, in each class, the emptiest zspages whose
 * objects find room in the memory that the others of the class have:
 * from then on nothing is taken from them.  Returns how many.
 */
uint32_t objects_isolate (struct objects *o);

/* Does the object at OFFSET lie in an isolated zspage? */
static inline bool
object_is_isolated (const struct objects *o, uint64_t offset)
{
  uint64_t frame = offset / o->sizes->zspage_size;

  return frame < o->arena->frames
    && atomic_load_explicit (&o->zspages[frame].group, memory_order_relaxed)
       == GROUP_ISOLATED;
}

/* Could the object at OFFSET move down within its zspage?  A guess,
 * made without a lock.
 */
bool object_may_sink (struct objects *o, uint64_t offset);

/* Put zspages that are still isolated back to use, and give back the
 * memory behind the last object of each zspage that is not full, and
 * that of spare frames, though not the reserve.
 */
void objects_compaction_done (struct objects *o);

/* With a reserve: add memory, ahead of who will want it, to one class that
 * has little left.  Returns whether there was one.  For one thread.
 */
bool objects_grow (struct objects *o);

/* Have the bookkeeping of FRAME resident, which nobody else has.  0, or -1
 * with errno ENOSPC.
 */
int objects_prepare_frame (struct objects *o, uint32_t frame);

/* Sums over all classes. */
struct objects_stats {
  uint64_t zspages;
  uint64_t used;                /* objects */
  uint64_t bytes;               /* asked for */
  uint64_t committed;           /* bytes */
  uint64_t huge;                /* objects of whole pages */
  uint64_t up_to_half;          /* objects of up to half a page */
};
void objects_get_stats (struct objects *o, struct objects_stats *st);

/* How many objects each class has. */
void objects_get_counts (struct objects *o, uint64_t counts[SIZE_CLASSES_MAX]);

/* Check every invariant written in this file; for tests.  Returns NULL,
 * or what is wrong.
 */
const char *objects_check (struct objects *o);

#endif /* NBDZRAM_ALLOC_OBJECTS_H */
