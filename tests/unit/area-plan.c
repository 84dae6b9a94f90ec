/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which areas of a swap are on: by hand, and through years of a synthetic
 * machine, whose kernel takes and frees slots as Linux does.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/swap/area-plan.h"
#include "lib/base/util.h"

/* ---- sizes ---- */

TEST (sizes_by_hand)
{
  static const struct {
    uint64_t size, room;        /* MiB */
    unsigned wanted, count, initial;
    uint64_t first, last;       /* MiB */
  } rows[] = {
    { 1024, 256, 1, 1, 1, 1024, 1024 },
    { 1024, 256, 16, 16, 4, 62, 68 },
    { 1024, 256, 2, 2, 1, 252, 772 },
    /* The pool can hold everything. */
    { 1024, 2000, 16, 4, 4, 256, 256 },
    { 1024, UINT64_MAX / MIB, 16, 4, 4, 256, 256 },
    { 100, 64, 16, 8, 4, 14, 14 },
    { 20, 64, 16, 2, 2, 10, 10 },
    /* Too little for areas. */
    { 1024, 7, 16, 1, 1, 1024, 1024 },
    { 8, 64, 16, 1, 1, 8, 8 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i) {
    uint64_t sizes[AREAS_MAX];
    unsigned initial, count;

    count = area_plan_sizes (rows[i].size * MIB, rows[i].room * MIB,
                             rows[i].wanted, sizes, &initial);
    assert_int_equal (count, rows[i].count);
    assert_int_equal (initial, rows[i].initial);
    assert_int_equal (sizes[0] / MIB, rows[i].first);
    assert_int_equal (sizes[count - 1] / MIB, rows[i].last);
  }
}

TEST (sizes_at_random)
{
  struct rng r = { unit_seed () };

  for (unsigned n = 0; n < unit_scaled (100000); ++n) {
    uint64_t size = (1 + rng_below (&r, 1 << rng_below (&r, 20))) * MIB
      + rng_below (&r, 2) * 4096;
    uint64_t room = rng_below (&r, 2 * size), sizes[AREAS_MAX];
    uint64_t first = 0, sum = 0;
    unsigned wanted = 1 + (unsigned) rng_below (&r, AREAS_MAX), initial;
    unsigned count = area_plan_sizes (size, room, wanted, sizes, &initial);

    assert_in_range (count, 1, wanted);
    assert_in_range (initial, 1, count);
    for (unsigned i = 0; i < count; ++i) {
      assert_true (count == 1 || sizes[i] >= AREA_LEAST);
      assert_true (i + 1 == count || sizes[i] % AREA_ALIGNMENT == 0);
      sum += sizes[i];
      first += i < initial ? sizes[i] : 0;
    }
    assert_int_equal (sum, size);
    assert_true (count == initial || first <= room);
  }
}

/* ---- decisions ---- */

#define M(n) ((n) * MIB)

TEST (decisions_by_hand)
{
  static const struct {
    struct areas_use use;
    enum area_action action;
    unsigned area;
  } rows[] = {
    /* Nothing is on, as after a kill within a renewal. */
    { { .areas = { { M (16), 0, 0, false } }, .count = 1, .limit = M (64) },
      AREA_ON, 0 },
    { { .areas = { { M (16), 0, 0, true }, { M (16), 0, 0, false } },
        .count = 2, .limit = M (64) }, AREA_KEEP, 0 },
    /* Half is used, and the pool has room, or has none. */
    { { .areas = { { M (16), M (8), M (8), true }, { M (16), 0, 0, false } },
        .count = 2, .limit = M (64), .held = M (4) }, AREA_ON, 1 },
    { { .areas = { { M (16), M (8), M (8), true }, { M (16), 0, 0, false } },
        .count = 2, .limit = M (32), .held = M (8) }, AREA_KEEP, 0 },
    { { .areas = { { M (16), M (8), M (8), true }, { M (16), 0, 0, false } },
        .count = 2, .held = M (900) }, AREA_ON, 1 },
    /* A promise that can't be kept any more. */
    { { .areas = { { M (16), M (8), M (8), true }, { M (16), 0, 0, true },
                   { M (16), M (1), M (1), true } },
        .count = 3, .limit = M (40), .held = M (20) }, AREA_OFF, 1 },
    { { .areas = { { M (16), M (8), M (8), true },
                   { M (16), 4096, M (1), true } },
        .count = 2, .limit = M (40), .held = M (30) }, AREA_KEEP, 0 },
    /* What is off is trimmed. */
    { { .areas = { { M (16), M (8), M (8), true },
                   { M (16), 0, M (1), false } },
        .count = 2, .limit = M (40), .held = M (30) }, AREA_TRIM, 1 },
    /* The dead: the area with the least to read back, if that fits. */
    { { .areas = { { M (16), M (8), M (16), true },
                   { M (16), M (2), M (16), true },
                   { M (16), M (1), M (1), true } },
        .count = 3, .available = M (20), .ram = M (256) }, AREA_RENEW, 1 },
    { { .areas = { { M (16), M (8), M (16), true },
                   { M (16), M (2), M (16), true } },
        .count = 2, .available = M (17), .ram = M (256) }, AREA_KEEP, 0 },
    { { .areas = { { M (16), M (8), M (16), true },
                   { M (16), 0, M (16), true } },
        .count = 2, .available = 0, .ram = M (256) }, AREA_RENEW, 1 },
    { { .areas = { { M (16), M (15), M (16), true },
                   { M (16), M (14), M (16), true } },
        .count = 2, .available = M (200), .ram = M (256) }, AREA_KEEP, 0 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i) {
    unsigned area = 0;

    assert_int_equal (area_plan_next (&rows[i].use, &area), rows[i].action);
    if (rows[i].action != AREA_KEEP)
      assert_int_equal (area, rows[i].area);
  }
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
  uint64_t sizes[AREAS_MAX], starts[AREAS_MAX]; /* bytes; slots */
  bool on[AREAS_MAX];
  unsigned count;
  bool used[SLOTS];
  uint16_t cost[SLOTS];         /* bytes of the pool; 0: not stored */
  int *slots[PROGRAMS];         /* by page */
  unsigned pages[PROGRAMS], cost_of[PROGRAMS];
  uint64_t held, most_held, in_memory, elsewhere;
  unsigned actions[AREA_TRIM + 1];
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
  uint64_t end = m->starts[k] + m->sizes[k] / PAGE, other = end;

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

  for (unsigned k = 0; k < m->count && slot == -1; ++k)
    if (m->on[k])
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
  uint64_t start = 0, end = SLOTS;

  m->used[slot] = false;
  for (unsigned k = 0; k < m->count; ++k)
    if ((uint64_t) slot >= m->starts[k]) {
      start = m->starts[k] + align_down ((uint64_t) slot - m->starts[k],
                                         CLUSTER);
      end = MIN (start + CLUSTER, m->starts[k] + m->sizes[k] / PAGE);
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
    .count = m->count, .limit = LIMIT, .held = m->held,
    .available = available (m), .ram = RAM,
  };
  for (unsigned k = 0; k < m->count; ++k) {
    struct area_use *a = &u->areas[k];

    *a = (struct area_use) { .size = m->sizes[k], .is_on = m->on[k] };
    for (uint64_t s = 0; s < m->sizes[k] / PAGE; ++s) {
      a->used += m->used[m->starts[k] + s] * PAGE;
      a->stored += (m->cost[m->starts[k] + s] != 0) * PAGE;
    }
  }
}

static void
turn_off (struct machine *m, unsigned k)
{
  uint64_t end = m->starts[k] + m->sizes[k] / PAGE;

  assert_true (m->on[k]);
  m->on[k] = false;
  for (unsigned p = 0; p < PROGRAMS; ++p)
    for (unsigned i = 0; i < m->pages[p]; ++i)
      if (m->slots[p][i] >= 0 && (uint64_t) m->slots[p][i] >= m->starts[k]
          && (uint64_t) m->slots[p][i] < end)
        page_in (m, p, i);
}

static void
trim (struct machine *m, unsigned k)
{
  for (uint64_t s = 0; s < m->sizes[k] / PAGE; ++s)
    store (m, m->starts[k] + s, 0);
}

/* Does what the plan says, until it says no more.  It must end. */
static void
manage (struct machine *m)
{
  struct areas_use u;
  enum area_action action;
  unsigned k = 0, steps = 0;

  while (look (m, &u), (action = area_plan_next (&u, &k)) != AREA_KEEP) {
    m->actions[action]++;
    assert_true (++steps <= 4 * AREAS_MAX);
    if (action == AREA_RENEW)
      assert_true (u.areas[k].used == 0
                   || u.available >= u.areas[k].used + area_plan_reserve (&u));
    if (action == AREA_OFF || action == AREA_RENEW)
      turn_off (m, k);
    if (action == AREA_ON)
      assert_false (m->on[k]);
    else
      trim (m, k);
    if (action == AREA_ON || action == AREA_RENEW)
      m->on[k] = true;
  }
}

static void
begin (struct machine *m, uint64_t seed)
{
  unsigned initial;
  uint64_t start = 0;

  m->rng.state = seed;
  m->count = area_plan_sizes (SLOTS * PAGE, LIMIT - LIMIT / 50, AREAS_MAX,
                              m->sizes, &initial);
  for (unsigned k = 0; k < m->count; ++k) {
    m->on[k] = k < initial;
    m->starts[k] = start;
    start += m->sizes[k] / PAGE;
  }
  assert_int_equal (start, SLOTS);
}

/* Everything is dead or alive, and of what is stored little is dead where
 * there is memory to do something about it.
 */
static void
check_dead (const struct machine *m)
{
  uint64_t dead = 0, stored = 0, most = 0;
  struct areas_use u;

  look (m, &u);
  for (unsigned k = 0; k < u.count; ++k) {
    dead += area_dead (&u.areas[k]);
    stored += u.areas[k].stored;
    most = MAX (most, u.areas[k].used);
  }
  if (u.available >= most + area_plan_reserve (&u))
    assert_true (dead <= M (4) + stored / 8);
}

TEST (a_year)
{
  struct machine *m = calloc (1, sizeof *m);

  begin (m, unit_seed ());
  for (unsigned hour = 0; hour < unit_scaled (365 * 24); ++hour) {
    live (m);
    if (hour % 4 == 0) {
      manage (m);
      check_dead (m);
    }
    if (m->most_held > LIMIT)
      fail_msg ("hour %u: the pool is full", hour);
  }
  print_message ("%u on, %u off, %u renewed, %u trimmed\n",
                 m->actions[AREA_ON], m->actions[AREA_OFF],
                 m->actions[AREA_RENEW], m->actions[AREA_TRIM]);
  assert_true (m->actions[AREA_ON] > 0 && m->actions[AREA_RENEW] > 0);
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
    cmocka_unit_test (sizes_by_hand),
    cmocka_unit_test (sizes_at_random),
    cmocka_unit_test (decisions_by_hand),
    cmocka_unit_test (a_year),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
