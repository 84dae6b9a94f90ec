/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which areas a swap has: by hand, and through a year of a synthetic machine,
 * whose kernel takes and frees slots as Linux does.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/swap/area-plan.h"
#include "lib/base/util.h"

#define M(n) ((n) * MIB)

/* ---- the beginning ---- */

TEST (begin_by_hand)
{
  static const struct {
    unsigned disk, limit, held, most, count, first, sum; /* MiB */
  } rows[] = {
    { 1024, 256, 0, 16, 3, 82, 246 },
    { 1024, 256, 6, 2, 2, 120, 240 },
    { 1024, 2000, 0, 16, 3, 340, 1024 },
    { 1024, 0, 100, 16, 3, 340, 1024 },
    { 20, 64, 0, 16, 3, 6, 20 },
    { 1024, 20, 0, 16, 3, 6, 18 },
    { 1024, 7, 0, 16, 3, 2, 6 },
    { 1024, 2, 0, 16, 0, 0, 0 },
    { 1024, 64, 64, 16, 0, 0, 0 },
    { 7, 64, 0, 16, 3, 2, 6 },
    { 1, 64, 0, 16, 0, 0, 0 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i) {
    struct areas_use u = {
      .disk = M (rows[i].disk), .limit = M (rows[i].limit),
      .held = M (rows[i].held), .most = rows[i].most,
    };
    uint64_t sum = 0;

    assert_int_equal (area_plan_begin (&u), rows[i].count);
    for (unsigned k = 0; k < AREAS_MAX; ++k) {
      assert_true (u.areas[k].size == 0 || u.areas[k].start == sum);
      sum += u.areas[k].size;
    }
    assert_int_equal (u.areas[0].size / MIB, rows[i].first);
    assert_int_equal (sum / MIB, rows[i].sum);
  }
}

/* ---- decisions ---- */

/* An area of 16 MiB at AT, with so much used and stored. */
#define ON(at, used_, stored_)                                          \
  { .start = M (at), .size = M (16), .used = M (used_),                  \
    .stored = M (stored_), .is_on = true }
#define OFF(at, stored_, barred)                                        \
  { .start = M (at), .size = M (16), .stored = M (stored_),              \
    .is_barred = barred }

static const struct decision {
  struct areas_use use;       /* sizes in MiB */
  enum area_action action;
  unsigned area, start, size;
} decisions[] = {
  /* All is off: the user has turned it off. */
  { { .areas = { OFF (0, 0, true) }, .limit = 64 }, AREA_KEEP, 0, 0, 0 },
  { { .areas = { ON (0, 0, 0) }, .limit = 64 }, AREA_KEEP, 0, 0, 0 },
  /* Half is used, and the pool has room for more than twice that, or not. */
  { { .areas = { ON (0, 8, 8) }, .limit = 64, .held = 4 },
    AREA_ADD, 1, 16, 48 },
  { { .areas = { ON (0, 12, 12) }, .limit = 40, .held = 22 },
    AREA_ADD, 1, 16, 12 },
  /* ... but only for a spare one: a sixth more. */
  { { .areas = { ON (0, 12, 12) }, .limit = 40, .held = 24 },
    AREA_ADD, 1, 16, 4 },
  { { .areas = { ON (0, 12, 12), ON (16, 0, 0) }, .limit = 40, .held = 18 },
    AREA_KEEP, 0, 0, 0 },
  { { .areas = { ON (0, 15, 15) }, .limit = 40, .held = 20 },
    AREA_ADD, 1, 16, 4 },
  { { .areas = { ON (0, 15, 15), ON (16, 16, 16), ON (32, 16, 16),
                 ON (48, 16, 16) }, .limit = 60, .held = 20 },
    AREA_ADD, 4, 64, 12 },
  { { .areas = { ON (0, 15, 15) }, .limit = 40, .held = 36 },
    AREA_KEEP, 0, 0, 0 },
  /* ... or more, so that few places are enough for all the room. */
  { { .areas = { ON (0, 15, 15) }, .most = 3, .limit = 40, .held = 20 },
    AREA_ADD, 1, 16, 8 },
  /* A backing file counts, but for an eighth. */
  { { .areas = { ON (0, 12, 12) }, .limit = 40, .held = 36,
      .backing_room = 24 }, AREA_ADD, 1, 16, 18 },
  /* No limit. */
  { { .areas = { ON (0, 15, 15) }, .held = 900 }, AREA_ADD, 1, 16, 1008 },
  /* The first gap that is large enough, or the largest. */
  { { .areas = { ON (0, 8, 8), ON (100, 8, 8), ON (400, 8, 8) },
      .limit = 150, .held = 20 }, AREA_ADD, 3, 116, 100 },
  { { .areas = { ON (0, 8, 8), ON (500, 8, 8), ON (600, 8, 8) },
      .disk = 616, .limit = 900, .held = 20 }, AREA_ADD, 3, 16, 484 },
  { { .areas = { ON (0, 8, 8), ON (16, 8, 8) }, .disk = 33, .limit = 900 },
    AREA_KEEP, 0, 0, 0 },
  /* No more than there may be, and none while one is barred. */
  { { .areas = { ON (0, 8, 8) }, .most = 1, .limit = 64 },
    AREA_KEEP, 0, 0, 0 },
  { { .areas = { ON (0, 8, 8), OFF (16, 0, true) }, .limit = 64 },
    AREA_KEEP, 0, 0, 0 },
  /* A promise that can't be kept any more. */
  { { .areas = { ON (0, 8, 8), ON (16, 0, 0), ON (32, 1, 1) }, .limit = 40,
      .held = 20 }, AREA_REMOVE, 1, 0, 0 },
  { { .areas = { ON (0, 8, 8), ON (16, 1, 1) }, .limit = 40, .held = 30 },
    AREA_KEEP, 0, 0, 0 },
  { { .areas = { ON (0, 0, 0) }, .limit = 40, .held = 39 },
    AREA_KEEP, 0, 0, 0 },
  /* What is off. */
  { { .areas = { ON (0, 8, 8), OFF (16, 1, true) }, .limit = 40 },
    AREA_TRIM, 1, 0, 0 },
  { { .areas = { ON (0, 8, 8), OFF (16, 0, false) }, .limit = 40 },
    AREA_REMOVE, 1, 0, 0 },
  /* The dead: the area with the least to read back, if that fits. */
  { { .areas = { ON (0, 8, 16), ON (16, 2, 16), ON (32, 1, 1) }, .most = 3,
      .limit = 400, .available = 20, .ram = 256 }, AREA_RENEW, 1, 0, 0 },
  { { .areas = { ON (0, 8, 16), ON (16, 2, 16), ON (32, 1, 1) }, .most = 3,
      .limit = 400, .available = 17, .ram = 256 }, AREA_KEEP, 0, 0, 0 },
  { { .areas = { ON (0, 8, 16), ON (16, 0, 16), ON (32, 1, 1) },
      .limit = 400, .available = 0, .ram = 256 }, AREA_RENEW, 1, 0, 0 },
  { { .areas = { ON (0, 5, 6), ON (16, 6, 7), ON (32, 7, 8) }, .most = 3,
      .limit = 400, .available = 200, .ram = 256 }, AREA_KEEP, 0, 0, 0 },
  /* Without them the pool may keep its promise; but not so soon again. */
  { { .areas = { ON (0, 8, 16), ON (16, 0, 0) }, .limit = 40, .held = 25,
      .available = 200, .ram = 256 }, AREA_RENEW, 0, 0, 0 },
  { { .areas = { ON (0, 8, 16), ON (16, 0, 0) }, .limit = 40, .held = 25,
      .available = 200, .ram = 256, .must_not_read = true },
    AREA_REMOVE, 1, 0, 0 },
  /* ... and what is read back may have to be swapped out elsewhere. */
  { { .areas = { ON (0, 15, 15), ON (16, 8, 16) }, .limit = 33, .held = 31,
      .available = 200, .ram = 256 }, AREA_KEEP, 0, 0, 0 },
  { { .areas = { ON (0, 15, 15), ON (16, 8, 16) }, .limit = 33, .held = 31,
      .available = 200, .ram = 256, .other_free = 9 },
    AREA_RENEW, 1, 0, 0 },
  /* An addition that is urgent comes before all else. */
  { { .areas = { ON (0, 15, 15), OFF (16, 1, false) }, .limit = 64 },
    AREA_ADD, 2, 32, 60 },
  /* The only area is not turned off, before there is another one. */
  { { .areas = { ON (0, 2, 16) }, .limit = 100, .available = 200,
      .ram = 256 }, AREA_ADD, 1, 16, 8 },
  { { .areas = { ON (0, 2, 16) }, .most = 1, .limit = 100, .available = 200,
      .ram = 256 }, AREA_KEEP, 0, 0, 0 },
  { { .areas = { ON (0, 2, 16), ON (16, 0, 0) }, .limit = 100,
      .available = 200, .ram = 256 }, AREA_RENEW, 0, 0, 0 },
};

static void
check_decision (const struct decision *d)
{
  struct areas_use u = d->use;
  struct area_step step;

  u.disk = u.disk ? M (u.disk) : M (1024);
  u.most = u.most ? u.most : AREAS_MAX;
  u.limit = M (u.limit);
  u.held = M (u.held);
  u.backing_room = M (u.backing_room);
  u.available = M (u.available);
  u.ram = M (u.ram);
  u.other_free = M (u.other_free);
  step = area_plan_next (&u);
  if (step.action != d->action
      || (step.action != AREA_KEEP && step.area != d->area)
      || step.start / MIB != d->start
      || step.size / MIB != d->size)
    fail_msg ("row %zu: action %u, area %u, at %u, of %u MiB",
              (size_t) (d - decisions), step.action, step.area,
              (unsigned) (step.start / MIB), (unsigned) (step.size / MIB));
}

TEST (promises_by_hand)
{
  struct areas_use u = {
    .areas = { { .size = M (16), .used = M (8), .is_on = true } },
    .limit = M (32), .held = M (10),
  };

  assert_false (area_plan_promises_too_much (&u));
  u.held = M (28);
  assert_true (area_plan_promises_too_much (&u));
  u.backing_room = M (24);
  assert_false (area_plan_promises_too_much (&u));
  u.backing_room = 0;
  u.limit = 0;
  assert_false (area_plan_promises_too_much (&u));
}

TEST (decisions_by_hand)
{
  for (size_t i = 0; i < ARRAY_SIZE (decisions); ++i)
    check_decision (&decisions[i]);
}

/* ---- a machine ---- */

#define PAGE UINT64_C (4096)
#define CLUSTER (AREA_ALIGNMENT / PAGE)
#define SLOTS (128 * MIB / PAGE)
#define PROGRAMS 10
#define PROGRAM_PAGES 4096
#define RAM M (96)
#define LIMIT M (40)
#define IN_MEMORY (-1)
#define ELSEWHERE (-2)          /* on the other swap */

struct machine {
  struct rng rng;
  uint64_t sizes[AREAS_MAX], starts[AREAS_MAX]; /* slots; 0: no area */
  bool used[SLOTS];
  uint16_t cost[SLOTS];         /* bytes of the pool; 0: not stored */
  int *slots[PROGRAMS];         /* by page */
  unsigned pages[PROGRAMS], cost_of[PROGRAMS];
  uint64_t held, most_held, in_memory, elsewhere;
  unsigned actions[AREA_ACTIONS];
};

static void
store (struct machine *m, uint64_t slot, unsigned cost)
{
  m->held = m->held - m->cost[slot] + cost;
  m->cost[slot] = (uint16_t) cost;
  m->most_held = MAX (m->most_held, m->held);
}

/* A slot of area K: of a free cluster, or else any. */
static int
take_slot (struct machine *m, unsigned k)
{
  uint64_t end = m->starts[k] + m->sizes[k], other = end;

  for (uint64_t c = m->starts[k]; c < end; c += CLUSTER) {
    uint64_t n = 0, last = MIN (c + CLUSTER, end);

    while (c + n < last && !m->used[c + n])
      ++n;
    if (c + n == last)
      return (int) c;
    /* Clusters are filled from their start until something is freed. */
    for (uint64_t s = c; s < last && other == end; ++s)
      if (!m->used[s])
        other = s;
    if (n == 0 && !m->used[last - 1] && m->cost[last - 1] == 0)
      for (uint64_t s = c; s < last; ++s)
        if (!m->used[s])
          return (int) s;
  }
  return other == end ? -1 : (int) other;
}

static void
page_out (struct machine *m, unsigned p, unsigned page)
{
  int slot = -1;

  for (unsigned k = 0; k < AREAS_MAX && slot == -1; ++k)
    if (m->sizes[k] > 0)
      slot = take_slot (m, k);
  m->in_memory--;
  m->slots[p][page] = slot == -1 ? ELSEWHERE : slot;
  if (slot == -1) {
    m->elsewhere++;
    return;
  }
  m->used[slot] = true;
  store (m, (uint64_t) slot, m->cost_of[p]);
}

/* Discards the cluster of SLOT when nothing of it is used any more. */
static void
free_slot (struct machine *m, int slot)
{
  uint64_t start = 0, end = 0;

  m->used[slot] = false;
  for (unsigned k = 0; k < AREAS_MAX; ++k)
    if ((uint64_t) slot >= m->starts[k]
        && (uint64_t) slot < m->starts[k] + m->sizes[k]) {
      start = m->starts[k] + align_down ((uint64_t) slot - m->starts[k],
                                         CLUSTER);
      end = MIN (start + CLUSTER, m->starts[k] + m->sizes[k]);
    }
  for (uint64_t s = start; s < end; ++s)
    if (m->used[s])
      return;
  for (uint64_t s = start; s < end; ++s)
    store (m, s, 0);
}

static void
page_in (struct machine *m, unsigned p, unsigned page)
{
  if (m->slots[p][page] >= 0)
    free_slot (m, m->slots[p][page]);
  else
    m->elsewhere--;
  m->slots[p][page] = IN_MEMORY;
  m->in_memory++;
}

static void
end_program (struct machine *m, unsigned p)
{
  for (unsigned i = 0; i < m->pages[p]; ++i) {
    if (m->slots[p][i] != IN_MEMORY)
      page_in (m, p, i);
    m->in_memory--;
  }
  free (m->slots[p]);
  m->slots[p] = NULL;
  m->pages[p] = 0;
}

static uint64_t
available (const struct machine *m)
{
  uint64_t taken = m->in_memory * PAGE + m->held;

  return taken < RAM ? RAM - taken : 0;
}

/* Pages of any program go out until there is room for MORE pages. */
static void
reclaim (struct machine *m, uint64_t more)
{
  for (unsigned tries = 0; available (m) < more * PAGE + M (2)
                           && tries < 200000; ++tries) {
    unsigned p = (unsigned) rng_below (&m->rng, PROGRAMS);
    unsigned page = m->pages[p] == 0 ? 0
      : (unsigned) rng_below (&m->rng, m->pages[p]);

    if (m->pages[p] > 0 && m->slots[p][page] == IN_MEMORY)
      page_out (m, p, page);
  }
}

static void
start_program (struct machine *m, unsigned p)
{
  unsigned pages = 1 + (unsigned) rng_below (&m->rng, PROGRAM_PAGES);

  reclaim (m, pages);
  m->cost_of[p] = 300 + (unsigned) rng_below (&m->rng, PAGE - 300 + 1);
  m->slots[p] = malloc (pages * sizeof *m->slots[p]);
  for (unsigned i = 0; i < pages; ++i)
    m->slots[p][i] = IN_MEMORY;
  m->pages[p] = pages;
  m->in_memory += pages;
}

/* An hour of one program: it begins, ends, or uses some of its pages. */
static void
live (struct machine *m)
{
  unsigned p = (unsigned) rng_below (&m->rng, PROGRAMS);

  if (m->pages[p] == 0)
    start_program (m, p);
  else if (rng_below (&m->rng, 12) == 0)
    end_program (m, p);
  else
    for (unsigned i = 0; i < 200; ++i) {
      unsigned page = (unsigned) rng_below (&m->rng, m->pages[p]);

      reclaim (m, 1);
      if (m->slots[p][page] != IN_MEMORY)
        page_in (m, p, page);
    }
}

static void
look (const struct machine *m, struct areas_use *u)
{
  *u = (struct areas_use) {
    .disk = SLOTS * PAGE, .most = AREAS_MAX, .limit = LIMIT, .held = m->held,
    .available = available (m), .ram = RAM, .other_free = M (1000),
  };
  for (unsigned k = 0; k < AREAS_MAX; ++k) {
    struct area_use *a = &u->areas[k];

    *a = (struct area_use) {
      .start = m->starts[k] * PAGE, .size = m->sizes[k] * PAGE,
      .is_on = m->sizes[k] > 0,
    };
    for (uint64_t s = 0; s < m->sizes[k]; ++s) {
      a->used += m->used[m->starts[k] + s] * PAGE;
      a->stored += (m->cost[m->starts[k] + s] != 0) * PAGE;
    }
  }
}

/* Reads all of area K back, and trims it. */
static void
empty (struct machine *m, unsigned k)
{
  uint64_t end = m->starts[k] + m->sizes[k];

  for (unsigned p = 0; p < PROGRAMS; ++p)
    for (unsigned i = 0; i < m->pages[p]; ++i)
      if (m->slots[p][i] >= 0 && (uint64_t) m->slots[p][i] >= m->starts[k]
          && (uint64_t) m->slots[p][i] < end)
        page_in (m, p, i);
  for (uint64_t s = m->starts[k]; s < end; ++s)
    store (m, s, 0);
}

static void
add_area (struct machine *m, const struct area_step *step)
{
  uint64_t start = step->start / PAGE, size = step->size / PAGE;

  assert_int_equal (m->sizes[step->area], 0);
  assert_true (start + size <= SLOTS);
  for (unsigned k = 0; k < AREAS_MAX; ++k)
    assert_true (m->sizes[k] == 0 || start + size <= m->starts[k]
                 || start >= m->starts[k] + m->sizes[k]);
  m->starts[step->area] = start;
  m->sizes[step->area] = size;
}

/* Does what the plan says, until it says no more.  It must end. */
static void
manage (struct machine *m)
{
  struct areas_use u;
  struct area_step step;
  unsigned steps = 0;

  while (look (m, &u),
         (step = area_plan_next (&u)).action != AREA_KEEP) {
    m->actions[step.action]++;
    assert_true (++steps <= 4 * AREAS_MAX);
    if (step.action == AREA_ADD) {
      add_area (m, &step);
      continue;
    }
    assert_true (u.areas[step.area].used == 0
                 || u.available >= u.areas[step.area].used
                                   + area_plan_reserve (&u));
    empty (m, step.area);
    if (step.action == AREA_REMOVE)
      m->sizes[step.area] = 0;
  }
}

static void
begin (struct machine *m, uint64_t seed)
{
  struct areas_use u;

  m->rng.state = seed;
  look (m, &u);
  assert_true (area_plan_begin (&u) > 0);
  for (unsigned k = 0; k < AREAS_MAX; ++k) {
    m->starts[k] = u.areas[k].start / PAGE;
    m->sizes[k] = u.areas[k].size / PAGE;
  }
}

/* Of what is stored little is dead, where there is memory to do something
 * about it.
 */
static void
check_dead (const struct machine *m)
{
  uint64_t dead = 0, stored = 0, most = 0;
  struct areas_use u;
  unsigned count = 0;

  look (m, &u);
  for (unsigned k = 0; k < AREAS_MAX; ++k) {
    dead += area_dead (&u.areas[k]);
    stored += u.areas[k].stored;
    most = MAX (most, u.areas[k].used);
    count += u.areas[k].is_on;
  }
  if (count > 1 && u.available >= most + area_plan_reserve (&u))
    assert_true (dead <= M (4) + M (count) / 2 + stored / 8);
}

/* Can the pool hold what the kernel may still write? */
static bool
keeps_promise (const struct machine *m)
{
  struct areas_use u;
  uint64_t free = 0;

  look (m, &u);
  for (unsigned k = 0; k < AREAS_MAX; ++k)
    free += u.areas[k].size - u.areas[k].used;
  return m->held <= LIMIT && free + free / 64 <= area_plan_room (&u);
}

#define YEAR (365 * 24)

/* A few years are so quiet that nothing is added: then more follow. */
static bool
goes_on (const struct machine *m, unsigned hour)
{
  return hour < YEAR
    || (hour < 10 * YEAR
        && (m->actions[AREA_ADD] == 0 || m->actions[AREA_RENEW] == 0));
}

/* A pool that keeps its promise is not full an hour later.  One that does not
 * has no empty area left, and no memory to read one back: pages were written
 * anew that compress worse.  That is seldom so.
 */
TEST (a_year)
{
  struct machine *m = calloc (1, sizeof *m);
  unsigned full = 0, hour;
  bool kept = true;

  begin (m, unit_seed ());
  for (hour = 0; goes_on (m, hour); ++hour) {
    live (m);
    if (m->most_held > LIMIT && kept)
      fail_msg ("hour %u: the pool is full", hour);
    full += m->most_held > LIMIT;
    manage (m);
    check_dead (m);
    m->most_held = m->held;
    kept = keeps_promise (m);
  }
  assert_true (full <= hour / 20);
  print_message ("%u added, %u removed, %u renewed, full in %u hours\n",
                 m->actions[AREA_ADD], m->actions[AREA_REMOVE],
                 m->actions[AREA_RENEW], full);
  assert_true (m->actions[AREA_ADD] > 0 && m->actions[AREA_RENEW] > 0);
  for (unsigned p = 0; p < PROGRAMS; ++p)
    end_program (m, p);
  assert_int_equal (m->in_memory + m->elsewhere, 0);
  manage (m);
  assert_true (m->held <= AREAS_MAX * AREA_ALIGNMENT);
  free (m);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (begin_by_hand),
    cmocka_unit_test (promises_by_hand),
    cmocka_unit_test (decisions_by_hand),
    cmocka_unit_test (a_year),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
