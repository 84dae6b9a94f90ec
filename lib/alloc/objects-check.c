/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the allocator's invariants. */

#include <config.h>

#include "lib/base/mutex.h"

#include "objects-internal.h"

#define CHECK(cond) do { if (!(cond)) return #cond; } while (0)

static const char *
check_zspage (const struct objects *o, const struct zspage *z, uint32_t cls)
{
  const struct size_class *sc = size_class_at (o, cls);
  uint32_t free = 0;

  CHECK (z->class_plus_1 == cls + 1);
  for (uint32_t n = 0; n < ZSPAGE_OBJECTS_MAX; ++n) {
    CHECK (!object_is_free (z, n) || n < sc->objects);
    free += object_is_free (z, n);
  }
  CHECK ((z->shared[0] & z->free[0]) == 0 && (z->shared[1] & z->free[1]) == 0);
  CHECK (z->used > 0 || z->growing);
  CHECK (z->used + free == sc->objects);
  CHECK (z->committed % OS_PAGE_SIZE == 0);
  CHECK (z->committed <= zspage_extent (sc));
  CHECK (objects_reach (z, sc->objects) * sc->size <= z->committed);
  return NULL;
}

static const char *
check_class (struct objects *o, uint32_t cls)
{
  struct object_class *oc = &o->classes[cls];
  uint64_t zspages = 0, used = 0, committed = 0;

  LOCK_FOR_SCOPE (&oc->lock);
  for (int g = 0; g < ZSPAGE_GROUPS; ++g) {
    uint32_t prev = NIL;

    for (uint32_t f = oc->heads[g]; f != NIL; f = o->zspages[f].next) {
      const struct zspage *z = &o->zspages[f];
      const char *wrong = check_zspage (o, z, cls);

      if (wrong)
        return wrong;
      CHECK (z->prev == prev);
      CHECK (z->group == g);
      CHECK (g == GROUP_ISOLATED
             || g == group_of (z, size_class_at (o, cls)->objects));
      CHECK (bit_test (o->arena->taken, f));
      prev = f;
      zspages++;
      used += z->used;
      committed += z->committed;
    }
  }
  CHECK (zspages == oc->zspages);
  CHECK (used == oc->used);
  CHECK (committed == oc->committed);
  return NULL;
}

const char *
objects_check (struct objects *o)
{
  uint64_t listed = 0, present = 0;

  for (uint32_t c = 0; c < o->sizes->count; ++c) {
    const char *wrong = check_class (o, c);

    if (wrong)
      return wrong;
    listed += o->classes[c].zspages;
  }
  for (uint32_t f = 0; f < o->high_water; ++f)
    present += o->zspages[f].class_plus_1 != 0;
  CHECK (listed == present);
  return NULL;
}
