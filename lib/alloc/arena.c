/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "arena.h"

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
  mutex_init (&a->lock);

  a->base = os_map_file (file->fd, file->arena_offset, a->size);
  a->taken = os_map_anon (taken_bytes (a));
  a->granule_taken = os_map_anon (granule_bytes (a));
  if (!a->base || !a->taken || !a->granule_taken) {
    arena_close (a);
    return fail_with (ENOMEM);
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
  os_unmap (a->reserved, arena_reserve_list_bytes (a));
  a->reserved = NULL;
  pthread_mutex_destroy (&a->lock);
  a->size = 0;
}

/* Commit a range of the arena, in any frame. */
static int
commit_range (struct arena *a, uint64_t offset, uint64_t len)
{
  if (budget_take (a->budget, len) == -1)
    return -1;
  if (os_populate (a->file->fd, a->base + offset,
                   a->file->arena_offset + offset, len) == -1) {
    /* A part of the range may have been allocated before the failure. */
    os_punch (a->file->fd, a->file->arena_offset + offset, len);
    budget_give (a->budget, len);
    return fail_with (ENOSPC);
  }
  return 0;
}

static void
decommit_range (struct arena *a, uint64_t offset, uint64_t len)
{
  /* If the kernel refuses, the memory is still ours and counts. */
  if (os_punch (a->file->fd, a->file->arena_offset + offset, len) == 0)
    budget_give (a->budget, len);
}

static uint64_t
granule_offset (const struct arena *a, uint32_t frame)
{
  return align_down ((uint64_t) frame * a->frame_size, a->file->granule);
}

static bool
take_spare_frame (struct arena *a, uint32_t *frame, uint32_t *committed)
{
  if (a->spare_count == 0)
    return false;
  a->spare_count--;
  *frame = a->spares[a->spare_count].frame;
  *committed = a->spares[a->spare_count].committed;
  return true;
}

/* a->lock is held. */
static bool
take_reserved_frame (struct arena *a, uint32_t *frame, uint32_t *committed)
{
  uint32_t count = a->reserve_count;

  if (count == 0)
    return false;
  *frame = a->reserved[--count];
  *committed = a->frame_size;
  a->reserve_count = count;
  if (count < a->reserve_low)
    a->reserve_low = count;
  if (count < div_up (a->reserve_frames, 2))
    a->reserve_wake (a->reserve_opaque);
  return true;
}

/* a->lock is held. */
static bool
keep_reserved_frame (struct arena *a, uint32_t frame)
{
  uint32_t count = a->reserve_count;

  if (count == a->reserve_room)
    return false;
  a->reserved[count++] = frame;
  a->reserve_count = count;
  if (count > a->reserve_frames)
    a->reserve_wake (a->reserve_opaque);
  return true;
}

static bool
keep_frame (struct arena *a, uint32_t frame, uint32_t committed)
{
  LOCK_FOR_SCOPE (&a->lock);

  if (arena_has_reserve (a))
    return committed == a->frame_size && keep_reserved_frame (a, frame);
  if (committed == 0 || a->spare_count == a->spare_max)
    return false;
  a->spares[a->spare_count].frame = frame;
  a->spares[a->spare_count].committed = committed;
  a->spare_count++;
  return true;
}

/* Take a free frame, not a spare or reserved one; a->lock is held. */
static int
take_free_frame (struct arena *a, uint32_t *frame)
{
  uint32_t f = (uint32_t) bits_find_clear (a->taken, a->first_clear,
                                           a->frames);
  uint16_t *granule;

  if (f == a->frames)
    return fail_with (ENOSPC);
  if (!arena_commits_in_parts (a)) {
    granule = &a->granule_taken[f / a->frames_per_granule];
    if (*granule == 0
        && commit_range (a, granule_offset (a, f), a->file->granule) == -1)
      return -1;
    ++*granule;
  }
  bit_set (a->taken, f);
  a->first_clear = f + 1;
  *frame = f;
  return 0;
}

int
arena_take (struct arena *a, bool spare, uint32_t *frame,
            uint32_t *committed)
{
  LOCK_FOR_SCOPE (&a->lock);

  if (take_reserved_frame (a, frame, committed)
      || (spare && take_spare_frame (a, frame, committed)))
    return 0;
  *committed = 0;
  return take_free_frame (a, frame);
}

int
arena_commit (struct arena *a, uint32_t frame, uint32_t from, uint32_t to)
{
  uint64_t offset = (uint64_t) frame * a->frame_size + from;

  if (!arena_commits_in_parts (a))
    return 0;
  if (arena_has_reserve (a)) {
    atomic_fetch_add (&a->reserve_misses, 1);
    a->reserve_wake (a->reserve_opaque);
  }
  while (commit_range (a, offset, to - from) == -1)
    if (!arena_shrink (a))
      return -1;
  return 0;
}

int
arena_commit_ahead (struct arena *a, uint32_t frame, uint32_t from,
                    uint32_t to)
{
  return commit_range (a, (uint64_t) frame * a->frame_size + from, to - from);
}

void
arena_decommit (struct arena *a, uint32_t frame, uint32_t from, uint32_t to)
{
  if (arena_commits_in_parts (a) && from < to)
    decommit_range (a, (uint64_t) frame * a->frame_size + from, to - from);
}

static void
release_frame (struct arena *a, uint32_t frame, uint32_t committed)
{
  /* Must come before another thread can take the frame. */
  arena_decommit (a, frame, 0, committed);

  LOCK_FOR_SCOPE (&a->lock);
  if (!arena_commits_in_parts (a)
      && --a->granule_taken[frame / a->frames_per_granule] == 0)
    decommit_range (a, granule_offset (a, frame), a->file->granule);
  bit_clear (a->taken, frame);
  a->first_clear = MIN (a->first_clear, frame);
}

void
arena_give (struct arena *a, uint32_t frame, uint32_t committed)
{
  if (!keep_frame (a, frame, committed))
    release_frame (a, frame, committed);
}

bool
arena_shrink (struct arena *a)
{
  uint32_t frame, committed;

  {
    LOCK_FOR_SCOPE (&a->lock);
    if (!take_spare_frame (a, &frame, &committed)
        && !take_reserved_frame (a, &frame, &committed)) {
      errno = ENOSPC;
      return false;
    }
  }
  release_frame (a, frame, committed);
  return true;
}

bool
arena_drain (struct arena *a)
{
  bool any = false;

  while (arena_shrink (a))
    any = true;
  return any;
}

uint64_t
arena_spare_bytes (struct arena *a)
{
  uint64_t bytes;

  LOCK_FOR_SCOPE (&a->lock);
  bytes = (uint64_t) a->reserve_count * a->frame_size;
  for (uint32_t i = 0; i < a->spare_count; ++i)
    bytes += a->spares[i].committed;
  return bytes;
}

/* ---- the reserve ---- */

int
arena_reserve_open (struct arena *a, uint32_t frames,
                    void (*wake) (void *opaque), void *opaque)
{
  if (!arena_commits_in_parts (a))
    return fail_with (ENOTSUP);
  a->reserve_frames = frames;
  /* Room for frames that requests give back faster than the thread of the
   * reserve frees them.
   */
  a->reserve_room = frames + frames / 2 + 1;
  if (budget_take (a->budget, arena_reserve_list_bytes (a)) == -1)
    return -1;
  a->reserve_wake = wake;
  a->reserve_opaque = opaque;
  a->reserved = os_map_anon (arena_reserve_list_bytes (a));
  if (a->reserved) {
    memset (a->reserved, 0, arena_reserve_list_bytes (a)); /* resident */
    return 0;
  }
  budget_give (a->budget, arena_reserve_list_bytes (a));
  return fail_with (ENOMEM);
}

int64_t
arena_reserve_excess (struct arena *a)
{
  return (int64_t) a->reserve_count - a->reserve_frames;
}

static bool
has_room_beyond_reserve (const struct arena *a)
{
  uint64_t limit = a->budget->limit, used = a->budget->used;
  uint64_t want = (uint64_t) a->reserve_frames * a->frame_size;

  return limit == 0 || (used < limit && limit - used > want);
}

int
arena_reserve_take (struct arena *a, uint32_t *frame)
{
  if (!has_room_beyond_reserve (a))
    return fail_with (ENOSPC);
  {
    LOCK_FOR_SCOPE (&a->lock);
    if (take_free_frame (a, frame) == -1)
      return -1;
  }
  /* No other thread has the frame, so its memory needs no lock. */
  if (arena_commit_ahead (a, *frame, 0, a->frame_size) == 0)
    return 0;
  release_frame (a, *frame, 0);
  return fail_with (ENOSPC);
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
