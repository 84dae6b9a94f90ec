/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "table.h"

_Static_assert (sizeof (slot_t) == POOL_SLOT_SIZE, "the pool file's slots");
_Static_assert (SLOT_ARENA_MAX == POOL_ARENA_MAX, "the pool file's arena");

/* Leaves that one OS page of leaf_map covers. */
#define LEAVES_PER_MAP_PAGE (OS_PAGE_SIZE * 8)

void
slot_locks_init (struct slot_locks *locks)
{
  for (unsigned g = 0; g < LOCK_GROUPS; ++g)
    for (unsigned i = 0; i < LEAF_LOCKS; ++i)
      mutex_init (&locks->groups[g][i].lock);
}

void
slot_locks_destroy (struct slot_locks *locks)
{
  for (unsigned g = 0; g < LOCK_GROUPS; ++g)
    for (unsigned i = 0; i < LEAF_LOCKS; ++i)
      pthread_mutex_destroy (&locks->groups[g][i].lock);
}

uint64_t
table_bytes (uint64_t pages)
{
  return align_up (pages * sizeof (slot_t), OS_PAGE_SIZE);
}

static size_t
slots_bytes (const struct table *t)
{
  return align_up (table_bytes (t->pages), t->file->granule);
}

static size_t
leaf_map_bytes (const struct table *t)
{
  return align_up (div_up (t->leaves, 8), OS_PAGE_SIZE);
}

static uint64_t
leaf_map_pages (const struct table *t)
{
  return div_up (t->leaves, LEAVES_PER_MAP_PAGE);
}

static size_t
leaf_map_map_bytes (const struct table *t)
{
  return align_up (div_up (leaf_map_pages (t), 8), OS_PAGE_SIZE);
}

static size_t
infos_bytes (const struct table *t)
{
  return align_up (t->pages * sizeof (page_info), OS_PAGE_SIZE);
}

/* Does another leaf exist in the same aligned run of RUN leaves?  Their memory
 * comes and goes together.
 */
static bool
has_other_leaf (const struct table *t, uint64_t leaf, uint64_t run)
{
  uint64_t first = leaf / run * run, end = MIN (first + run, t->leaves);
  uint64_t found = bits_find_set (t->leaf_map, first, end);

  if (found == leaf)
    found = bits_find_set (t->leaf_map, leaf + 1, end);
  return found < end;
}

/* What it takes from the budget to make LEAF, which does not exist.  The first
 * leaf of a huge page brings all of it, and so does the first leaf of an OS
 * page of leaf_map or of infos.
 */
static uint64_t
leaf_cost (const struct table *t, uint64_t leaf)
{
  uint64_t cost = 0;

  if (t->resident)
    return 0;
  if (!has_other_leaf (t, leaf, t->file->granule / OS_PAGE_SIZE))
    cost += t->file->granule;
  if (!has_other_leaf (t, leaf, LEAVES_PER_INFO_PAGE))
    cost += OS_PAGE_SIZE;
  if (!bit_test (t->leaf_map_map, leaf / LEAVES_PER_MAP_PAGE))
    cost += OS_PAGE_SIZE;
  return cost;
}

static void
force_budgets (struct table *t, uint64_t bytes)
{
  budget_force (t->budget, bytes);
  if (t->held)
    budget_force (t->held, bytes);
}

static void
give_budgets (struct table *t, uint64_t bytes)
{
  budget_give (t->budget, bytes);
  if (t->held)
    budget_give (t->held, bytes);
}

static int
take_budgets (struct table *t, uint64_t bytes)
{
  if (t->held && budget_take (t->held, bytes) == -1)
    return fail_with (EDQUOT);
  if (budget_take (t->budget, bytes) == 0)
    return 0;
  if (t->held)
    budget_give (t->held, bytes);
  return -1;
}

static void
mark_leaf (struct table *t, uint64_t leaf)
{
  bit_set (t->leaf_map_map, leaf / LEAVES_PER_MAP_PAGE);
  bit_set (t->leaf_map, leaf);
}

static bool
all_empty (const slot_t slots[LEAF_SLOTS])
{
  slot_t any = 0;

  for (unsigned i = 0; i < LEAF_SLOTS; ++i)
    any |= slots[i];
  return any == 0;
}

/* Looks by pread(2), which does not fill a hole.  A leaf that can't be read
 * counts as not empty, since an empty one is punched.
 */
static bool
leaf_is_empty (const struct table *t, uint64_t leaf)
{
  slot_t slots[LEAF_SLOTS];

  return pread (t->file->fd, slots, sizeof slots,
                (off_t) (t->offset + leaf * OS_PAGE_SIZE))
      == (ssize_t) sizeof slots
    && all_empty (slots);
}

static void
find_leaves (struct table *t)
{
  uint64_t offset = t->offset, end = t->offset + t->leaves * OS_PAGE_SIZE;
  uint64_t start, stop;

  while (pool_file_next_data (t->file, offset, end, &start, &stop)) {
    for (offset = start; offset < stop; offset += OS_PAGE_SIZE) {
      uint64_t leaf = (offset - t->offset) / OS_PAGE_SIZE;

      if (!leaf_is_empty (t, leaf)) {
        force_budgets (t, leaf_cost (t, leaf));
        mark_leaf (t, leaf);
      }
      else if (t->file->granule == OS_PAGE_SIZE)
        os_punch (t->file->fd, offset, OS_PAGE_SIZE);
    }
  }
}

/* How many aligned runs of RUN leaves have an existing leaf? */
static uint64_t
count_runs (const struct table *t, uint64_t run)
{
  uint64_t count = 0, leaf = table_next_leaf (t, 0);

  while (leaf < t->leaves) {
    count++;
    leaf = table_next_leaf (t, (leaf / run + 1) * run);
  }
  return count;
}

/* How many OS pages of leaf_map were ever touched: they stay in memory. */
static uint64_t
count_map_pages (const struct table *t)
{
  uint64_t count = 0, pages = leaf_map_pages (t);

  for (uint64_t page = bits_find_set (t->leaf_map_map, 0, pages);
       page < pages; page = bits_find_set (t->leaf_map_map, page + 1, pages))
    count++;
  return count;
}

/* What the table has taken from the budgets. */
static uint64_t
held_bytes (const struct table *t)
{
  if (t->resident)
    return table_resident_bytes (t);
  return count_runs (t, t->file->granule / OS_PAGE_SIZE) * t->file->granule
    + (count_runs (t, LEAVES_PER_INFO_PAGE) + count_map_pages (t))
      * OS_PAGE_SIZE;
}

static void
unmap_table (struct table *t)
{
  os_unmap (t->slots, slots_bytes (t));
  os_unmap (t->leaf_map, leaf_map_bytes (t));
  os_unmap (t->leaf_map_map, leaf_map_map_bytes (t));
  os_unmap (t->infos, infos_bytes (t));
  pthread_mutex_destroy (&t->maps_lock);
  t->file = NULL;
}

static int
map_table (struct table *t)
{
  t->leaves = div_up (t->pages, LEAF_SLOTS);
  t->slots = os_map_file (t->file->fd, t->offset, slots_bytes (t));
  t->leaf_map = os_map_anon (leaf_map_bytes (t));
  t->leaf_map_map = os_map_anon (leaf_map_map_bytes (t));
  t->infos = os_map_anon (infos_bytes (t));
  mutex_init (&t->maps_lock);
  if (t->slots && t->leaf_map && t->leaf_map_map && t->infos)
    return 0;
  unmap_table (t);
  return fail_with (ENOMEM);
}

int
table_open (struct table *t, const struct pool_file *file,
            struct budget *budget, struct budget *held,
            struct slot_locks *locks, uint64_t offset, uint64_t pages)
{
  *t = (struct table) {
    .file = file,
    .budget = budget,
    .held = held,
    .locks = locks,
    .offset = offset,
    .pages = pages,
  };
  if (map_table (t) == -1)
    return -1;
  find_leaves (t);
  return 0;
}

void
table_close (struct table *t)
{
  if (!t->file)
    return;
  give_budgets (t, held_bytes (t));
  unmap_table (t);
}

/* Mark the leaves of FROM that T has room for as existing, and copy the infos
 * of their pages.
 */
static void
copy_leaf_maps (struct table *t, const struct table *from)
{
  for (uint64_t leaf = table_next_leaf (from, 0);
       leaf < MIN (t->leaves, from->leaves);
       leaf = table_next_leaf (from, leaf + 1)) {
    uint64_t first = leaf * LEAF_SLOTS;

    mark_leaf (t, leaf);
    for (uint64_t i = first; i < MIN (first + LEAF_SLOTS, t->pages)
                             && i < from->pages; ++i)
      t->infos[i] = table_info (from, i);
  }
}

/* Give back the memory of the file between existing leaves, below leaf END,
 * which a resident table has.
 */
static void
punch_gaps (const struct table *t, uint64_t end)
{
  uint64_t leaf = 0, next;

  for (; leaf < end; leaf = next + 1) {
    next = MIN (end, table_next_leaf (t, leaf));
    if (next == t->leaves)
      next = end;
    if (next > leaf)
      os_punch (t->file->fd, t->offset + leaf * OS_PAGE_SIZE,
                (next - leaf) * OS_PAGE_SIZE);
  }
}

int
table_resize (struct table *t, uint64_t pages)
{
  struct table new = *t;
  uint64_t held = held_bytes (t);

  new.pages = pages;
  new.resident = false;
  if (map_table (&new) == -1)
    return -1;
  copy_leaf_maps (&new, t);
  if (t->resident && t->file->granule == OS_PAGE_SIZE)
    punch_gaps (&new, t->leaves);
  unmap_table (t);
  table_move (&new, t);
  /* The table never holds more than before.  Only the difference is given
   * back: if all of it were, others could take what the table still needs.
   */
  give_budgets (t, held - held_bytes (t));
  return 0;
}

void
table_move (struct table *from, struct table *to)
{
  *to = *from;
  mutex_init (&to->maps_lock);
  pthread_mutex_destroy (&from->maps_lock);
  from->file = NULL;
}

/* table->maps_lock is held, and LEAF does not exist. */
static int
make_leaf (struct table *t, uint64_t leaf)
{
  uint64_t offset = align_down (leaf * OS_PAGE_SIZE, t->file->granule);
  uint64_t cost = leaf_cost (t, leaf);

  if (take_budgets (t, cost) == -1)
    return -1;
  if (!t->resident
      && os_populate (t->file->fd, &t->slots[offset / sizeof (slot_t)],
                      t->offset + offset, t->file->granule) == -1) {
    give_budgets (t, cost);
    return -1;
  }
  mark_leaf (t, leaf);
  return 0;
}

/* ---- a resident table ---- */

uint64_t
table_resident_bytes (const struct table *t)
{
  return slots_bytes (t) + infos_bytes (t) + leaf_map_bytes (t);
}

int
table_make_resident (struct table *t)
{
  uint64_t more = table_resident_bytes (t) - held_bytes (t);

  if (take_budgets (t, more) == -1)
    return -1;
  if (os_populate (t->file->fd, t->slots, t->offset, slots_bytes (t)) == 0
      && os_populate_anon (t->infos, infos_bytes (t)) == 0
      && os_populate_anon (t->leaf_map, leaf_map_bytes (t)) == 0
      && os_populate_anon (t->leaf_map_map, leaf_map_map_bytes (t)) == 0) {
    t->resident = true;
    return 0;
  }
  give_budgets (t, more);
  return fail_with (ENOSPC);
}

int
table_prepare (struct table *t, uint64_t index)
{
  uint64_t leaf = index / LEAF_SLOTS;

  if (table_has_leaf (t, leaf))
    return 0;

  LOCK_FOR_SCOPE (&t->maps_lock);
  return table_has_leaf (t, leaf) ? 0 : make_leaf (t, leaf);
}

static void
copy_slots (const struct table *t, uint64_t leaf, slot_t slots[LEAF_SLOTS])
{
  for (unsigned i = 0; i < LEAF_SLOTS; ++i)
    slots[i] = slot_verify (atomic_load_explicit
                             (&t->slots[leaf * LEAF_SLOTS + i],
                              memory_order_acquire));
}

/* All locks of LEAF are held. */
static bool
is_still_empty (const struct table *t, uint64_t leaf)
{
  slot_t any = 0;

  for (unsigned i = 0; i < LEAF_SLOTS; ++i)
    any |= atomic_load_explicit (&t->slots[leaf * LEAF_SLOTS + i],
                                 memory_order_relaxed);
  return any == 0;
}

/* All locks of LEAF are held, and its slots are empty. */
static void
drop_leaf (struct table *t, uint64_t leaf)
{
  uint64_t info_page = leaf / LEAVES_PER_INFO_PAGE;

  LOCK_FOR_SCOPE (&t->maps_lock);
  if (t->resident) {
    bit_clear (t->leaf_map, leaf);
    return;
  }
  if (os_punch (t->file->fd, t->offset + leaf * OS_PAGE_SIZE,
                OS_PAGE_SIZE) == -1)
    return;
  bit_clear (t->leaf_map, leaf);
  give_budgets (t, OS_PAGE_SIZE);
  if (!has_other_leaf (t, leaf, LEAVES_PER_INFO_PAGE)) {
    os_give_back (&t->infos[info_page * (OS_PAGE_SIZE / sizeof (page_info))],
                  OS_PAGE_SIZE);
    give_budgets (t, OS_PAGE_SIZE);
  }
}

void
table_lock_leaf (const struct table *t, uint64_t leaf)
{
  for (unsigned i = 0; i < LEAF_LOCKS; ++i)
    pthread_mutex_lock (table_lock (t, leaf * LEAF_SLOTS + i));
}

void
table_unlock_leaf (const struct table *t, uint64_t leaf)
{
  for (unsigned i = LEAF_LOCKS; i-- > 0; )
    pthread_mutex_unlock (table_lock (t, leaf * LEAF_SLOTS + i));
}

void
table_release_leaf (struct table *t, uint64_t leaf)
{
  slot_t slots[LEAF_SLOTS];

  /* A look under one lock is cheap, and mostly enough to find it in use. */
  if (t->file->granule != OS_PAGE_SIZE
      || !table_copy_leaf (t, leaf, slots) || !all_empty (slots))
    return;

  table_lock_leaf (t, leaf);
  if (table_has_leaf (t, leaf) && is_still_empty (t, leaf))
    drop_leaf (t, leaf);
  table_unlock_leaf (t, leaf);
}

uint64_t
table_next_leaf (const struct table *t, uint64_t leaf)
{
  while (leaf < t->leaves) {
    uint64_t page = bits_find_set (t->leaf_map_map, leaf / LEAVES_PER_MAP_PAGE,
                                   leaf_map_pages (t));
    uint64_t end;

    if (page == leaf_map_pages (t))
      break;
    leaf = MAX (leaf, page * LEAVES_PER_MAP_PAGE);
    end = MIN ((page + 1) * LEAVES_PER_MAP_PAGE, t->leaves);
    leaf = bits_find_set (t->leaf_map, leaf, end);
    if (leaf < end)
      return leaf;
  }
  return t->leaves;
}

bool
table_copy_leaf (const struct table *t, uint64_t leaf,
                 slot_t slots[LEAF_SLOTS])
{
  LOCK_FOR_SCOPE (table_lock (t, leaf * LEAF_SLOTS));

  if (!table_has_leaf (t, leaf))
    return false;
  copy_slots (t, leaf, slots);
  return true;
}

static void
sweep_leaf (struct table *t, uint64_t leaf, const uint8_t older[AGE_CODES])
{
  _Atomic page_info *infos = &t->infos[leaf * LEAF_SLOTS];
  uint64_t pages = MIN (LEAF_SLOTS, t->pages - leaf * LEAF_SLOTS);

  /* One of its locks keeps the leaf from being removed. */
  LOCK_FOR_SCOPE (table_lock (t, leaf * LEAF_SLOTS));
  if (!table_has_leaf (t, leaf))
    return;
  for (uint64_t i = 0; i < pages; ++i) {
    page_info old = atomic_load_explicit (&infos[i], memory_order_relaxed);
    page_info new = (page_info) ((old & ~INFO_AGE) | older[info_age (old)]);

    /* If a request accesses the page at this moment, its age of 0 stays. */
    if (new != old)
      atomic_compare_exchange_strong_explicit (&infos[i], &old, new,
                                               memory_order_relaxed,
                                               memory_order_relaxed);
  }
}

void
table_sweep (struct table *t, const uint8_t older[AGE_CODES])
{
  for (uint64_t leaf = table_next_leaf (t, 0); leaf < t->leaves;
       leaf = table_next_leaf (t, leaf + 1))
    sweep_leaf (t, leaf, older);
}
