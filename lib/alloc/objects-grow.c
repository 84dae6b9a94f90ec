/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adding memory to classes before they need it.
 *
 * With a reserve, a request must not ask the system for memory.  It could
 * take a whole frame of the reserve instead, but then each small class would
 * have half a zspage of unused memory.  So memory is added by the OS page,
 * as without a reserve, but by the thread of the reserve and ahead of the
 * requests.  A request takes a whole frame only if the thread is late.
 *
 * Adding memory may take long if little is free, so no lock is held.
 * Meanwhile the zspage is marked as growing: then it is not removed, and its
 * end neither grows nor shrinks.
 */

#include <config.h>

#include "lib/base/mutex.h"

#include "objects-internal.h"

struct growth {
  uint32_t cls, frame;
  uint32_t from, to;            /* bytes */
};

/* Put in G what to add to class CLS, and mark its zspage.  Returns false if
 * the class needs no memory.
 */
static bool
begin_growth (struct objects *o, uint32_t cls, struct growth *g)
{
  const struct size_class *sc = size_class_at (o, cls);
  struct object_class *oc = &o->classes[cls];
  uint32_t more, extent = zspage_extent (sc);
  struct zspage *z;

  if (!oc->low)
    return false;

  LOCK_FOR_SCOPE (&oc->lock);
  oc->low = false;
  g->cls = cls;
  g->frame = fullest_zspage (oc);
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
finish_growth (struct objects *o, const struct growth *g, bool grown)
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
    if (begin_growth (o, c, &g)) {
      grown = arena_commit_ahead (o->arena, g.frame, g.from, g.to) == 0;
      finish_growth (o, &g, grown);
      if (grown)
        return true;
    }
  return false;
}
