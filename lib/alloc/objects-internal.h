/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of the allocator.  All functions on zspages need the
 * lock of the class.
 */

#ifndef NBDZRAM_ALLOC_OBJECTS_INTERNAL_H
#define NBDZRAM_ALLOC_OBJECTS_INTERNAL_H

#include "lib/base/os.h"
#include "objects.h"

#define NIL UINT32_MAX          /* no zspage */
#define NO_OBJECT UINT32_MAX

static inline uint32_t
zspage_class (const struct zspage *z)
{
  return z->class_plus_1 - 1U;
}

static inline const struct size_class *
size_class_at (const struct objects *o, uint32_t cls)
{
  return &o->sizes->classes[cls];
}

/* Return how many bytes of a zspage of this class have room for objects. */
static inline uint32_t
zspage_extent (const struct size_class *sc)
{
  return (uint32_t) align_up ((uint64_t) sc->size * sc->objects, OS_PAGE_SIZE);
}

static inline bool
object_is_free (const struct zspage *z, uint32_t n)
{
  return z->free[n / 64] >> n % 64 & 1;
}

static inline uint32_t
lowest_free (const struct zspage *z)
{
  if (z->free[0] != 0)
    return (uint32_t) __builtin_ctzll (z->free[0]);
  if (z->free[1] != 0)
    return 64 + (uint32_t) __builtin_ctzll (z->free[1]);
  return NO_OBJECT;
}

/* Return the number of the last taken object plus 1, or 0. */
static inline uint32_t
objects_reach (const struct zspage *z, uint32_t objects)
{
  while (objects > 0 && object_is_free (z, objects - 1))
    objects--;
  return objects;
}

static inline uint8_t
group_of (const struct zspage *z, uint32_t objects)
{
  return (uint8_t) (z->used * GROUP_FULL / objects);
}

/* Memory is committed ahead of the objects of a class: one OS page for each
 * ZSPAGES_PER_PAGE_AHEAD zspages of the class.  So large classes make few
 * system calls, and less than 1 % of their memory is unused for that reason.
 */
#define ZSPAGES_PER_PAGE_AHEAD 8

/* With a reserve, its thread adds at least this much at once. */
#define GROW_BYTES_MIN (2 * OS_PAGE_SIZE)

static inline uint32_t
bytes_ahead (const struct object_class *oc)
{
  return oc->zspages / ZSPAGES_PER_PAGE_AHEAD * OS_PAGE_SIZE;
}

/* Return how many bytes of free objects have memory. */
static inline uint32_t
bytes_usable (const struct zspage *z, const struct size_class *sc)
{
  uint32_t objects = MIN (z->committed / sc->size, sc->objects);

  return objects > z->used ? (objects - z->used) * sc->size : 0;
}

/* Return the frame of the fullest zspage with a free object, or NIL. */
static inline uint32_t
fullest_zspage (const struct object_class *oc)
{
  for (int g = GROUPS_TAKEN_FROM - 1; g >= 0; --g)
    if (oc->heads[g] != NIL)
      return oc->heads[g];
  return NIL;
}

/* Remove the zspage in FRAME, which is empty.  Returns how many bytes of it
 * are committed; the caller passes them to arena_give after it has released
 * the lock of the class.
 */
uint32_t zspage_remove (struct objects *o, struct object_class *oc,
                        uint32_t frame);

/* Insert a zspage in the list of GROUP, or remove it from its list. */
void zspage_link (struct objects *o, struct object_class *oc, uint32_t frame,
                  uint8_t group);
void zspage_unlink (struct objects *o, struct object_class *oc,
                    uint32_t frame);

/* Take object N, which is free and has memory, and return its offset. */
uint64_t object_take (struct objects *o, struct object_class *oc,
                      uint32_t frame, const struct size_class *sc, uint32_t n,
                      uint32_t bytes);

/* Return the number of the object of class CLS at OFFSET in its zspage, or
 * NO_OBJECT if no object of that class can begin there.
 */
uint32_t object_number (const struct objects *o, uint32_t cls,
                        uint64_t offset);

#endif /* NBDZRAM_ALLOC_OBJECTS_INTERNAL_H */
