/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "arena.h"
#include "os.h"
#include "util.h"

static size_t
taken_bytes (const struct arena *a)
{
  return align_up (div_up (a->frames, 8), OS_PAGE_SIZE);
}

static size_t
granule_bytes (const struct arena *a)
{
  return align_up ((a->frames / a->frames_per_granule + 1)
                   * sizeof a->granule_taken[0], OS_PAGE_SIZE);
}

int
arena_open (struct arena *a, const struct pool_file *file,
            struct budget *budget, uint32_t frame_size)
{
  *a = (struct arena) {
    .file = file,
    .budget = budget,
    .size = file->arena_size,
    .frame_size = frame_size,
    .frames = (uint32_t) (file->arena_size / frame_size),
    .frames_per_granule = (uint32_t) MAX (1, file->granule / frame_size),
  };
  /* On hugetlbfs a frame has no memory of its own to keep. */
  if (a->frames_per_granule == 1)
    a->spare_max = (uint32_t) MAX (1, MIN (ARENA_SPARES_MAX,
                                           ARENA_SPARE_BYTES / frame_size));
  pthread_mutex_init (&a->lock, NULL);

  a->base = os_map_file (file->fd, file->arena_offset, a->size);
  a->taken = os_map_anon (taken_bytes (a));
  a->granule_taken = os_map_anon (granule_bytes (a));
  if (!a->base || !a->taken || !a->granule_taken) {
    arena_close (a);
    errno = ENOMEM;
    return -1;
  }
  return 0;
}

void
arena_close (struct arena *a)
{
  if (a->size == 0)
    return;
  os_unmap (a->base, a->size);
  os_unmap (a->taken, taken_bytes (a));
  os_unmap (a->granule_taken, granule_bytes (a));
  pthread_mutex_destroy (&a->lock);
  a->size = 0;
}

/* Commit bytes of the arena, whatever frame they are in. */
static int
commit (struct arena *a, uint64_t offset, uint64_t len)
{
  if (budget_take (a->budget, len) == -1)
    return -1;
  if (os_populate (a->file->fd, a->base + offset,
                   a->file->arena_offset + offset, len) == -1) {
    budget_give (a->budget, len);
    errno = ENOSPC;
    return -1;
  }
  return 0;
}

static void
decommit (struct arena *a, uint64_t offset, uint64_t len)
{
  /* Should the kernel refuse, the memory is still ours, and counts. */
  if (os_punch (a->file->fd, a->file->arena_offset + offset, len) == 0)
    budget_give (a->budget, len);
}

static uint64_t
granule_offset (const struct arena *a, uint32_t frame)
{
  return align_down ((uint64_t) frame * a->frame_size, a->file->granule);
}

static bool
take_spare (struct arena *a, uint32_t *frame, uint32_t *committed)
{
  if (a->spare_count == 0)
    return false;
  a->spare_count--;
  *frame = a->spares[a->spare_count].frame;
  *committed = a->spares[a->spare_count].committed;
  return true;
}

static bool
keep_spare (struct arena *a, uint32_t frame, uint32_t committed)
{
  LOCK_FOR_SCOPE (&a->lock);

  if (committed == 0 || a->spare_count == a->spare_max)
    return false;
  a->spares[a->spare_count].frame = frame;
  a->spares[a->spare_count].committed = committed;
  a->spare_count++;
  return true;
}

int
arena_take (struct arena *a, bool spare, uint32_t *frame,
            uint32_t *committed)
{
  LOCK_FOR_SCOPE (&a->lock);
  uint16_t *granule;
  uint32_t f;

  if (spare && take_spare (a, frame, committed))
    return 0;
  f = (uint32_t) bits_find_clear (a->taken, a->first_clear, a->frames);
  if (f == a->frames) {
    errno = ENOSPC;
    return -1;
  }
  if (!arena_commits_in_parts (a)) {
    granule = &a->granule_taken[f / a->frames_per_granule];
    if (*granule == 0
        && commit (a, granule_offset (a, f), a->file->granule) == -1)
      return -1;
    ++*granule;
  }
  bit_set (a->taken, f);
  a->first_clear = f + 1;
  *frame = f;
  *committed = 0;
  return 0;
}

int
arena_commit (struct arena *a, uint32_t frame, uint32_t from, uint32_t to)
{
  uint64_t offset = (uint64_t) frame * a->frame_size + from;

  if (!arena_commits_in_parts (a) || commit (a, offset, to - from) == 0)
    return 0;
  return arena_drain (a) ? commit (a, offset, to - from) : -1;
}

void
arena_decommit (struct arena *a, uint32_t frame, uint32_t from, uint32_t to)
{
  if (arena_commits_in_parts (a) && from < to)
    decommit (a, (uint64_t) frame * a->frame_size + from, to - from);
}

static void
release (struct arena *a, uint32_t frame, uint32_t committed)
{
  /* Before the frame can be taken again. */
  arena_decommit (a, frame, 0, committed);

  LOCK_FOR_SCOPE (&a->lock);
  if (!arena_commits_in_parts (a)
      && --a->granule_taken[frame / a->frames_per_granule] == 0)
    decommit (a, granule_offset (a, frame), a->file->granule);
  bit_clear (a->taken, frame);
  a->first_clear = MIN (a->first_clear, frame);
}

void
arena_give (struct arena *a, uint32_t frame, uint32_t committed)
{
  if (!keep_spare (a, frame, committed))
    release (a, frame, committed);
}

bool
arena_drain (struct arena *a)
{
  uint32_t frame, committed;
  bool any = false;

  for (;;) {
    {
      LOCK_FOR_SCOPE (&a->lock);
      if (!take_spare (a, &frame, &committed))
        return any;
    }
    release (a, frame, committed);
    any = true;
  }
}

uint64_t
arena_spare_bytes (struct arena *a)
{
  uint64_t bytes = 0;

  LOCK_FOR_SCOPE (&a->lock);
  for (uint32_t i = 0; i < a->spare_count; ++i)
    bytes += a->spares[i].committed;
  return bytes;
}

void
arena_claim (struct arena *a, uint32_t frame)
{
  uint16_t *granule = &a->granule_taken[frame / a->frames_per_granule];

  if (bit_set (a->taken, frame))
    return;
  if (!arena_commits_in_parts (a) && (*granule)++ == 0)
    budget_force (a->budget, a->file->granule);
}

void
arena_attach_done (struct arena *a)
{
  uint32_t from = 0, to;

  while (from < a->frames) {
    uint64_t start, stop;

    to = (uint32_t) bits_find_set (a->taken, from, a->frames);
    start = align_up ((uint64_t) from * a->frame_size, a->file->granule);
    stop = align_down ((uint64_t) to * a->frame_size, a->file->granule);
    if (to == a->frames)
      stop = a->size;
    if (start < stop)
      os_punch (a->file->fd, a->file->arena_offset + start, stop - start);
    from = (uint32_t) bits_find_clear (a->taken, to, a->frames);
  }
}
