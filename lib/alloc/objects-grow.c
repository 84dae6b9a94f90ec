/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for classes before they need it.
 *
 * Where there is a reserve, a request must not ask the system for memory.
 * It could take whole frames of the reserve instead, but with those each
 * small class would hold half a zspage of nothing.  So memory is added OS
 * page by OS page as ever, only by another thread, a little ahead; and a
 * request takes a frame where that thread is late.
 *
 * To add memory may take long where there is none: no lock is held.  The
 * zspage is marked meanwhile, so that it stays, and its end as well.
 */

#include <config.h>

#include "lib/base/mutex.h"

#include "objects-internal.h"

struct growth {
  uint32_t cls, frame;
  uint32_t from, to;            /* bytes */
};

/* What class CLS wants; false: nothing. */
static bool
begin (struct objects *o, uint32_t cls, struct growth *g)
{
  const struct size_class *sc = size_class_at (o, cls);
  struct object_class *oc = &o->classes[cls];
  uint32_t more, extent = zspage_extent (sc);
  struct zspage *z;

  if (!oc->hungry)
    return false;

  LOCK_FOR_SCOPE (&oc->lock);
  oc->hungry = false;
  g->cls = cls;
  g->frame = fullest (oc);
  if (g->frame == NIL)
    return false;
  z = &o->zspages[g->frame];
  if (z->committed >= extent)
    return false;
  more = MAX (GROW_BYTES_MIN, bytes_ahead (oc));
  g->from = z->committed;
  g->to = (uint32_t) MIN (extent, z->committed
                                  + align_up (MAX (more, sc->size),
                                              OS_PAGE_SIZE));
  z->growing = true;
  return true;
}

static void
finish (struct objects *o, const struct growth *g, bool grown)
{
  struct object_class *oc = &o->classes[g->cls];
  struct zspage *z = &o->zspages[g->frame];
  uint32_t committed;

  {
    LOCK_FOR_SCOPE (&oc->lock);
    z->growing = false;
    if (grown) {
      oc->committed += g->to - g->from;
      z->committed = g->to;
    }
    if (z->used > 0)
      return;
    committed = zspage_remove (o, oc, g->frame);
  }
  arena_give (o->arena, g->frame, committed);
}

bool
objects_grow (struct objects *o)
{
  struct growth g;
  bool grown;

  for (uint32_t c = 0; c < o->sizes->count; ++c)
    if (begin (o, c, &g)) {
      grown = arena_commit_ahead (o->arena, g.frame, g.from, g.to) == 0;
      finish (o, &g, grown);
      if (grown)
        return true;
    }
  return false;
}
