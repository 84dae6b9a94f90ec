/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "area-plan.h"

/* How many areas there are at first, at most: one is turned off at a time, so
 * smaller ones are emptied more easily; but each takes one of the places for
 * those that come later.
 */
#define BEGIN_MOST 3

/* Incompressible pages take a 64th more than their size, for tables and for
 * zspages that are not full, and a 50th of the limit is left for what the
 * writes in flight need.
 */
#define WORST(size) ((size) + (size) / 64)
#define WORST_INVERSE(memory) ((memory) - (memory) / 64)
#define MARGIN_SHARE 50

/* The backing file is cleaned when it has few free segments, and pages do not
 * fill its blocks to the end.
 */
#define BACKING_MARGIN_SHARE 8

/* Shares of the limit: the smallest area that is worth its entry, and what is
 * nearly used up, which a machine that swaps all the time does within a second
 * or two.
 */
#define SMALL_SHARE 16
#define NEARLY_SHARE 16

/* The kernel may use less than half of its swap only if there is so much of it
 * for what is used, in quarters.
 */
#define ROOMY_QUARTERS 9

/* The least size of a spare area, as a share of what is used. */
#define SPARE_SHARE 6

/* A promise that can't be kept by less than this share of the limit is left
 * alone, so that an area is not added and removed again and again.
 */
#define SLACK_SHARE 32

/* Up to this share of what is stored may be dead, and so much in any case. */
#define DEAD_SHARE 10
#define DEAD_LEAST (4 * MIB)

/* An area is worth to be read back if at least this share of it is dead. */
#define RENEW_SHARE 8

/* Memory of the machine that turning an area off leaves alone. */
#define RESERVE_SHARE 16

static uint64_t
less (uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

/* ---- what there is ---- */

uint64_t
area_dead (const struct area_use *a)
{
  return less (a->stored, a->used + AREA_HEADER);
}

uint64_t
area_plan_reserve (const struct areas_use *u)
{
  return u->ram / RESERVE_SHARE;
}

uint64_t
area_plan_room (const struct areas_use *u)
{
  return u->limit == 0 ? UINT64_MAX
    : less (u->limit, u->held + u->limit / MARGIN_SHARE)
      + u->backing_room - u->backing_room / BACKING_MARGIN_SHARE;
}

struct sums {
  uint64_t size, used, stored, dead; /* of areas that are on */
  unsigned on;
  bool any_barred, any_empty;
};

static struct sums
sum_up (const struct areas_use *u)
{
  struct sums s = { .on = 0 };

  for (unsigned i = 0; i < AREAS_MAX; ++i) {
    const struct area_use *a = &u->areas[i];

    s.any_barred |= a->is_barred;
    if (!a->is_on)
      continue;
    s.on++;
    s.any_empty |= a->used == 0;
    s.size += a->size;
    s.used += a->used;
    s.stored += a->stored;
    s.dead += area_dead (a);
  }
  return s;
}

/* How much more free swap can be promised, beyond what is free. */
static uint64_t
promise (const struct areas_use *u, const struct sums *s)
{
  uint64_t room = area_plan_room (u);

  return less (WORST_INVERSE (room), s->size - s->used);
}

/* ---- places ---- */

/* How much of the disk is free from AT on. */
static uint64_t
gap_at (const struct areas_use *u, uint64_t at)
{
  uint64_t end = align_down (u->disk, AREA_ALIGNMENT);

  for (unsigned i = 0; i < AREAS_MAX; ++i) {
    const struct area_use *a = &u->areas[i];

    if (a->size == 0 || a->start + a->size <= at)
      continue;
    end = MIN (end, MAX (a->start, at));
  }
  return less (end, at);
}

/* The first gap between areas of at least SIZE, or else the largest one.
 * Returns its length.
 */
static uint64_t
find_gap (const struct areas_use *u, uint64_t size, uint64_t *start)
{
  uint64_t best = gap_at (u, 0);

  *start = 0;
  for (unsigned i = 0; i < AREAS_MAX; ++i) {
    const struct area_use *a = &u->areas[i];
    uint64_t at = a->start + a->size;
    uint64_t length = a->size > 0 ? gap_at (u, at) : 0;

    if (length > best ? best < size : length >= size && at < *start) {
      best = length;
      *start = at;
    }
  }
  return best;
}

/* How many areas there may be more.  The first place for one is in AREA. */
static unsigned
count_places (const struct areas_use *u, unsigned *area)
{
  unsigned count = 0;

  for (unsigned i = u->most; i-- > 0; )
    if (u->areas[i].size == 0) {
      *area = i;
      count++;
    }
  return count;
}

unsigned
area_plan_begin (struct areas_use *u)
{
  uint64_t disk = align_down (u->disk, AREA_ALIGNMENT), start = 0;
  uint64_t size = align_down (MIN (WORST_INVERSE (area_plan_room (u)), disk),
                              AREA_ALIGNMENT);
  unsigned count = (unsigned) MIN (size / AREA_LEAST,
                                   MIN (BEGIN_MOST, u->most));

  for (unsigned i = 0; i < count; ++i) {
    uint64_t each = align_down ((size - start) / (count - i), AREA_ALIGNMENT);

    u->areas[i] = (struct area_use) { .start = start, .size = each };
    start += each;
  }
  return count;
}

/* ---- decisions ---- */

/* An area that is off: the manager was killed while it renewed or removed this
 * area, or another program has turned it off.
 */
static bool
find_off (const struct areas_use *u, unsigned *area)
{
  for (*area = 0; *area < AREAS_MAX; ++*area) {
    const struct area_use *a = &u->areas[*area];

    if (a->size > 0 && !a->is_on
        && (!a->is_barred || a->stored > AREA_HEADER))
      return true;
  }
  return false;
}

/* The last empty area, unless it is the only one. */
static bool
find_empty (const struct areas_use *u, const struct sums *s, unsigned *area)
{
  for (*area = AREAS_MAX; s->on > 1 && (*area)-- > 0; )
    if (u->areas[*area].is_on && u->areas[*area].used == 0)
      return true;
  return false;
}

/* What is read back must fit in memory, or in other swap where a control group
 * may hold no more memory than it does.
 */
static bool
can_be_read_back (const struct areas_use *u, const struct sums *s,
                  const struct area_use *a)
{
  uint64_t elsewhere = u->other_free
    + (s->size - s->used) - (a->size - a->used);

  return a->used == 0
    || (!u->must_not_read && u->available >= a->used + area_plan_reserve (u)
        && elsewhere >= a->used + a->used / 8);
}

static bool
has_many_dead (const struct sums *s)
{
  return s->dead > MAX (s->stored / DEAD_SHARE, DEAD_LEAST);
}

/* The area with the least to read back of those that are worth it. */
static bool
find_dead (const struct areas_use *u, const struct sums *s, unsigned *area)
{
  const struct area_use *best = NULL;

  if (s->on < 2 || !has_many_dead (s))
    return false;
  for (unsigned i = 0; i < AREAS_MAX; ++i) {
    const struct area_use *a = &u->areas[i];

    if (a->is_on && area_dead (a) >= MAX (a->stored / RENEW_SHARE, MIB / 2)
        && can_be_read_back (u, s, a) && (!best || a->used < best->used)) {
      best = a;
      *area = i;
    }
  }
  return best;
}

static uint64_t
unit_of (const struct areas_use *u)
{
  return u->limit > 0 ? u->limit : u->disk;
}

static uint64_t
slack (const struct areas_use *u, const struct sums *s)
{
  return less (s->size - s->used, unit_of (u) / NEARLY_SHARE);
}

uint64_t
area_plan_slack (const struct areas_use *u, unsigned area)
{
  struct areas_use without = *u;
  struct sums s;

  if (area < AREAS_MAX)
    without.areas[area].is_on = false;
  s = sum_up (&without);
  return slack (u, &s);
}

/* Is half of all used, and not after another area of ROOM bytes? */
static bool
is_roomy (const struct sums *s, uint64_t room)
{
  return s->used >= s->size / 2 - s->size / 16
    && room >= less (s->used / 4 * ROOMY_QUARTERS, s->size);
}

/* Is there no spare area?  If the only area has dead pages, it can be turned
 * off when there is another one, so that a manager that is killed between off
 * and on does not leave the machine without any swap.
 */
static bool
needs_spare (const struct areas_use *u, const struct sums *s)
{
  return !s->any_empty || slack (u, s) == 0
    || (s->on == 1 && has_many_dead (s));
}

/* The size of an area that is needed now; 0: none, or the pool has no room for
 * one.  If an area is barred, the machine shuts down, or someone knows better.
 * If none is on, someone has turned off the whole swap.  COUNT more areas
 * there may be.
 */
static uint64_t
needed_size (const struct areas_use *u, const struct sums *s, unsigned count)
{
  uint64_t room = align_down (promise (u, s), AREA_ALIGNMENT);
  uint64_t least = MAX (unit_of (u) / SMALL_SHARE, AREA_LEAST), spare;

  if (s->on == 0 || s->any_barred || room < least)
    return 0;
  if (is_roomy (s, room))
    return room;
  if (!needs_spare (u, s))
    return 0;
  spare = MAX (MAX (s->used / SPARE_SHARE, room / count), least);
  return MIN (room, align_up (spare, AREA_ALIGNMENT));
}

static bool
find_addition (const struct areas_use *u, const struct sums *s,
               struct area_step *step)
{
  uint64_t size, start;
  unsigned area = 0, count = count_places (u, &area);

  size = count == 0 ? 0 : needed_size (u, s, count);
  if (size == 0)
    return false;
  size = MIN (size, find_gap (u, size, &start));
  if (size < AREA_LEAST)
    return false;
  *step = (struct area_step) { AREA_ADD, area, start, size };
  return true;
}

/* Can the pool no longer hold what the kernel may write? */
static bool
is_promise_broken (const struct areas_use *u, const struct sums *s)
{
  uint64_t room = area_plan_room (u);

  return room != UINT64_MAX
    && WORST (s->size - s->used) > room + u->limit / SLACK_SHARE;
}

bool
area_plan_promises_too_much (const struct areas_use *u)
{
  struct sums s = sum_up (u);

  return is_promise_broken (u, &s);
}

static struct area_step
step_of (enum area_action action, unsigned area)
{
  return (struct area_step) { .action = action, .area = area };
}

struct area_step
area_plan_next (const struct areas_use *u)
{
  struct sums s = sum_up (u);
  struct area_step addition = step_of (AREA_KEEP, 0);
  bool adds = find_addition (u, &s, &addition);
  unsigned area, dead = 0;
  bool has_dead = find_dead (u, &s, &dead);
  bool is_broken = is_promise_broken (u, &s);

  /* What is nearly used up does not wait. */
  if (adds && slack (u, &s) == 0)
    return addition;
  if (find_off (u, &area))
    return step_of (u->areas[area].is_barred ? AREA_TRIM : AREA_REMOVE, area);
  /* Without its dead pages the pool may keep its promise. */
  if (has_dead && (u->areas[dead].used == 0 || is_broken))
    return step_of (AREA_RENEW, dead);
  if (is_broken && find_empty (u, &s, &area))
    return step_of (AREA_REMOVE, area);
  if (adds)
    return addition;
  return has_dead ? step_of (AREA_RENEW, dead) : step_of (AREA_KEEP, 0);
}
