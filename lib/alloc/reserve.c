/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "lib/base/os.h"

#include "objects.h"
#include "reserve.h"

#define FRAMES_MIN 2

/* Called by requests, with locks held: no more than an atomic exchange,
 * but for the first call.  It must not be less: the thread that has just
 * said that it knows is to see what this one did before.
 */
static void
wake (void *opaque)
{
  struct reserve *r = opaque;

  if (!atomic_exchange (&r->is_wanted, true))
    sem_post (&r->wanted);
}

/* Add one frame; false when there are enough, or can't be more. */
static bool
add_frame (struct reserve *r)
{
  struct arena *a = r->objects->arena;
  uint32_t frame;

  if (arena_reserve_excess (a) >= 0 || arena_reserve_take (a, &frame) == -1)
    return false;
  /* What can't be had of its bookkeeping now, who takes it will need. */
  objects_prepare_frame (r->objects, frame);
  arena_give (a, frame, a->frame_size);
  return true;
}

/* From below half up to the full size, so that the thread sleeps for the
 * other half.  Classes come first: what they ask for is less, and is
 * wanted sooner.
 */
static void
refill (struct reserve *r)
{
  struct arena *a = r->objects->arena;
  bool low = arena_reserve_excess (a)
    < -(int64_t) (a->reserve_frames / 2);
  bool any = false;

  do
    while (!r->stop && objects_grow (r->objects))
      ;
  while (!r->stop && low && add_frame (r) && (any = true));
  if (any)
    atomic_fetch_add (&r->refills, 1);
  while (!r->stop && arena_reserve_excess (a) > 0 && arena_shrink (a))
    ;
}

static void *
keep (void *opaque)
{
  struct reserve *r = opaque;

  pthread_setname_np (pthread_self (), "zram-reserve");
  while (!r->stop) {
    while (sem_wait (&r->wanted) == -1)
      ;
    r->is_working = true;
    /* What is done from here on may not be seen, and wakes it again. */
    atomic_exchange (&r->is_wanted, false);
    refill (r);
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
                          wake, r) == -1) {
    r->objects = NULL;
    return -1;
  }
  while (add_frame (r))
    ;
  a->reserve_low = a->reserve_count;
  r->running = os_start_thread (&r->thread, keep, r) == 0;
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
