/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "lib/base/os.h"

#include "objects.h"
#include "reserve.h"

#define FRAMES_MIN 2

/* Requests call this with locks held, so it costs only an atomic exchange,
 * except when it wakes the thread.  A plain load would not do: the thread
 * that has just cleared is_wanted must see what the request did before, and
 * the exchange orders that.
 */
static void
wake_reserve (void *opaque)
{
  struct reserve *r = opaque;

  if (!atomic_exchange (&r->is_wanted, true))
    sem_post (&r->wanted);
}

/* Add one frame to the reserve.  Returns false if there are enough, or if
 * there is no memory.
 */
static bool
add_reserved_frame (struct reserve *r)
{
  struct arena *a = r->objects->arena;
  uint32_t frame;

  if (arena_reserve_excess (a) >= 0 || arena_reserve_take (a, &frame) == -1)
    return false;
  /* If the bookkeeping of the frame fails now, the request that takes the
   * frame tries again.
   */
  objects_prepare_frame (r->objects, frame);
  arena_give (a, frame, a->frame_size);
  return true;
}

static void
grow_classes (struct reserve *r)
{
  while (!r->stop && objects_grow (r->objects))
    ;
}

/* Fill the reserve up once it is below half, so that the thread sleeps while
 * requests use the other half.  Size classes come first: they need less, and
 * need it sooner.
 */
static void
refill_reserve (struct reserve *r)
{
  struct arena *a = r->objects->arena;
  bool low = arena_reserve_excess (a)
    < -(int64_t) (a->reserve_frames / 2);
  bool any = false;

  grow_classes (r);
  while (!r->stop && low && add_reserved_frame (r)) {
    any = true;
    grow_classes (r);
  }
  if (any)
    atomic_fetch_add (&r->refills, 1);
  while (!r->stop && arena_reserve_excess (a) > 0 && arena_shrink (a))
    ;
}

static void *
reserve_thread (void *opaque)
{
  struct reserve *r = opaque;

  pthread_setname_np (pthread_self (), "zram-reserve");
  while (!r->stop) {
    while (sem_wait (&r->wanted) == -1)
      ;
    r->is_working = true;
    /* refill_reserve may miss what a request does from here on; that request
     * wakes the thread again.
     */
    atomic_exchange (&r->is_wanted, false);
    refill_reserve (r);
    r->is_working = false;
  }
  return NULL;
}

int
reserve_start (struct reserve *r, struct objects *objects, uint64_t bytes)
{
  struct arena *a = objects->arena;

  *r = (struct reserve) { .objects = objects };
  sem_init (&r->wanted, 0, 0);
  if (arena_reserve_open (a, (uint32_t) MAX (FRAMES_MIN,
                                             bytes / a->frame_size),
                          wake_reserve, r) == -1) {
    r->objects = NULL;
    return -1;
  }
  while (add_reserved_frame (r))
    ;
  a->reserve_low = a->reserve_count;
  r->running = os_start_thread (&r->thread, reserve_thread, r) == 0;
  return r->running ? 0 : -1;
}

void
reserve_stop (struct reserve *r)
{
  if (!r->running)
    return;
  r->stop = true;
  sem_post (&r->wanted);
  pthread_join (r->thread, NULL);
  r->running = false;
}

void
reserve_get_stats (struct reserve *r, struct reserve_stats *st)
{
  const struct arena *a;

  *st = (struct reserve_stats) { .size = 0 };
  if (!r->objects)
    return;
  a = r->objects->arena;
  st->size = (uint64_t) a->reserve_frames * a->frame_size;
  st->now = (uint64_t) a->reserve_count * a->frame_size;
  st->low = (uint64_t) a->reserve_low * a->frame_size;
  st->refills = r->refills;
  st->misses = a->reserve_misses;
}
