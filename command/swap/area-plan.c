/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "area-plan.h"

/* How many of the areas, as a fraction, are on at first: one area is turned
 * off at a time, so smaller ones are trimmed more easily; but few are left for
 * what compresses well if these are many.
 */
#define INITIAL_SHARE 4

/* Incompressible pages take a 64th more than their size, for tables and for
 * zspages that are not full, and a 50th of the limit is left for what the
 * writes in flight need.
 */
#define WORST(size) ((size) + (size) / 64)
#define WORST_INVERSE(memory) ((memory) - (memory) / 64)
#define MARGIN_SHARE 50

/* A promise that can't be kept by less than this share of the limit is left
 * alone, so that an area is not turned on and off again and again.
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

/* ---- sizes ---- */

/* Cuts SIZE into COUNT equal areas.  The last one gets the rest, too. */
static void
cut (uint64_t size, unsigned count, uint64_t *sizes)
{
  uint64_t each = align_down (size / count, AREA_ALIGNMENT);

  for (unsigned i = 0; i < count; ++i)
    sizes[i] = i + 1 < count ? each : size - each * (count - 1);
}

/* How many areas of at least AREA_LEAST are in SIZE, from 1 to MOST. */
static unsigned
count_areas (uint64_t size, unsigned most)
{
  return (unsigned) MAX (MIN (size / AREA_LEAST, most), 1);
}

unsigned
area_plan_sizes (uint64_t size, uint64_t room, unsigned wanted,
                 uint64_t sizes[AREAS_MAX], unsigned *initial)
{
  uint64_t first = align_down (MIN (WORST_INVERSE (room), size),
                               AREA_ALIGNMENT);
  unsigned rest = 0;

  *initial = 1;
  sizes[0] = size;
  if (wanted < 2 || first < AREA_LEAST)
    return 1;
  /* All of it can be kept: only dead pages are a reason for areas. */
  if (size - first < AREA_LEAST)
    first = size;
  else
    rest = count_areas (size - first, wanted - MAX (wanted / INITIAL_SHARE,
                                                    1));
  *initial = count_areas (first, MAX (wanted / INITIAL_SHARE, 1));
  cut (first, *initial, sizes);
  if (rest > 0)
    cut (size - first, rest, sizes + *initial);
  return *initial + rest;
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
    : less (u->limit, u->held + u->limit / MARGIN_SHARE);
}

struct sums {
  uint64_t size, used, stored, dead;
  unsigned on;
};

static struct sums
sum_up (const struct areas_use *u)
{
  struct sums s = { .on = 0 };

  for (unsigned i = 0; i < u->count; ++i) {
    const struct area_use *a = &u->areas[i];

    if (!a->is_on)
      continue;
    s.on++;
    s.size += a->size;
    s.used += a->used;
    s.stored += a->stored;
    s.dead += area_dead (a);
  }
  return s;
}

/* ---- decisions ---- */

static bool
find_untrimmed (const struct areas_use *u, unsigned *area)
{
  for (*area = 0; *area < u->count; ++*area)
    if (!u->areas[*area].is_on && u->areas[*area].stored > AREA_HEADER)
      return true;
  return false;
}

/* Can all that the kernel still sees as free, and MORE, be filled with
 * incompressible pages?
 */
static bool
can_promise (const struct areas_use *u, const struct sums *s, uint64_t more,
             uint64_t slack)
{
  uint64_t room = area_plan_room (u), promise = s->size - s->used + more;

  return room == UINT64_MAX || WORST (promise) <= room + slack;
}

/* The last area that is on and empty, unless it is the only one. */
static bool
find_empty (const struct areas_use *u, const struct sums *s, unsigned *area)
{
  for (*area = u->count; s->on > 1 && (*area)-- > 0; )
    if (u->areas[*area].is_on && u->areas[*area].used == 0)
      return true;
  return false;
}

static bool
can_be_read_back (const struct areas_use *u, const struct area_use *a)
{
  return a->used == 0
    || u->available >= a->used + area_plan_reserve (u);
}

/* The area with the least to read back of those that are worth it. */
static bool
find_dead (const struct areas_use *u, const struct sums *s, unsigned *area)
{
  const struct area_use *best = NULL;

  if (s->dead <= MAX (s->stored / DEAD_SHARE, DEAD_LEAST))
    return false;
  for (unsigned i = 0; i < u->count; ++i) {
    const struct area_use *a = &u->areas[i];

    if (a->is_on && area_dead (a) >= MAX (a->stored / RENEW_SHARE, MIB / 2)
        && can_be_read_back (u, a) && (!best || a->used < best->used)) {
      best = a;
      *area = i;
    }
  }
  return best;
}

static bool
find_next (const struct areas_use *u, const struct sums *s, unsigned *area)
{
  if (s->on > 0 && s->used < s->size / 2 - s->size / 16)
    return false;
  for (*area = 0; *area < u->count; ++*area)
    if (!u->areas[*area].is_on)
      return s->on == 0 || can_promise (u, s, u->areas[*area].size, 0);
  return false;
}

enum area_action
area_plan_next (const struct areas_use *u, unsigned *area)
{
  struct sums s = sum_up (u);

  if (find_untrimmed (u, area))
    return AREA_TRIM;
  if (!can_promise (u, &s, 0, u->limit / SLACK_SHARE)
      && find_empty (u, &s, area))
    return AREA_OFF;
  if (find_next (u, &s, area))
    return AREA_ON;
  return find_dead (u, &s, area) ? AREA_RENEW : AREA_KEEP;
}
