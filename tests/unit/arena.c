/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/alloc/arena.h"
#include "lib/base/os.h"

#define FRAME 65536
#define FRAMES 64
#define HUGE_PAGE (2 * MIB)
#define START OS_PAGE_SIZE

/* An arena in a small file of its own.  A granule of a huge page makes the
 * arena commit as on hugetlbfs, though the memory is ordinary.
 */
struct fixture {
  struct pool_file file;
  struct budget budget;
  struct arena arena;
};

static void
open_arena (struct fixture *f, uint64_t granule)
{
  *f = (struct fixture) {
    .file = {
      .fd = memfd_create ("arena", MFD_CLOEXEC),
      .granule = granule,
      .arena_offset = MAX (START, granule),
      .arena_size = FRAMES * FRAME,
    },
  };
  assert_true (f->file.fd >= 0);
  assert_int_equal (ftruncate (f->file.fd, (off_t) (f->file.arena_offset
                                                    + f->file.arena_size)), 0);
  assert_int_equal (arena_open (&f->arena, &f->file, &f->budget, FRAME), 0);
}

/* Take a frame without memory.  Returns -2 if it has some. */
static int
take_new (struct arena *a, uint32_t *frame)
{
  uint32_t committed;

  if (arena_take (a, false, frame, &committed) == -1)
    return -1;
  return committed == 0 ? 0 : -2;
}

static void
close_arena (struct fixture *f)
{
  arena_close (&f->arena);
  arena_close (&f->arena);
  close (f->file.fd);
}

static uint64_t
resident (const struct fixture *f)
{
  struct stat st;

  assert_int_equal (fstat (f->file.fd, &st), 0);
  return (uint64_t) st.st_blocks * 512;
}

static void
assert_holds (const struct fixture *f, uint64_t bytes)
{
  assert_true (f->budget.used == bytes);
  assert_true (resident (f) == bytes);
}

TEST (lowest_first)
{
  struct fixture f;
  uint32_t frame;

  open_arena (&f, OS_PAGE_SIZE);
  for (uint32_t i = 0; i < FRAMES; ++i) {
    assert_int_equal (take_new (&f.arena, &frame), 0);
    assert_int_equal (frame, i);
  }
  errno = 0;
  assert_int_equal (take_new (&f.arena, &frame), -1);
  assert_int_equal (errno, ENOSPC);

  arena_give (&f.arena, 40, 0);
  arena_give (&f.arena, 7, 0);
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_int_equal (frame, 7);
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_int_equal (frame, 40);
  assert_int_equal (take_new (&f.arena, &frame), -1);
  assert_holds (&f, 0);
  close_arena (&f);
}

TEST (commits_in_parts)
{
  struct fixture f;
  uint32_t frame;

  open_arena (&f, OS_PAGE_SIZE);
  assert_true (arena_commits_in_parts (&f.arena));
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_int_equal (arena_commit (&f.arena, frame, 0, 8192), 0);
  assert_holds (&f, 8192);
  memset (f.arena.base + frame * FRAME, 0x11, 8192);
  assert_int_equal (arena_commit (&f.arena, frame, 8192, FRAME), 0);
  assert_holds (&f, FRAME);
  assert_int_equal (f.arena.base[frame * FRAME + 8191], 0x11);
  arena_decommit (&f.arena, frame, 4096, FRAME);
  assert_holds (&f, 4096);
  assert_int_equal (f.arena.base[frame * FRAME], 0x11);
  arena_decommit (&f.arena, frame, 4096, 4096);
  assert_holds (&f, 4096);
  arena_give (&f.arena, frame, 4096);
  arena_drain (&f.arena);
  assert_holds (&f, 0);
  close_arena (&f);
}

/* Freed frames become spares, up to a bound.  At the limit, their memory is
 * freed for other frames.
 */
TEST (spare_frames_keep_their_memory)
{
  uint32_t frames[ARENA_SPARES_MAX + 1], frame, committed;
  struct fixture f;

  open_arena (&f, OS_PAGE_SIZE);
  for (unsigned i = 0; i <= ARENA_SPARES_MAX; ++i) {
    assert_int_equal (take_new (&f.arena, &frames[i]), 0);
    assert_int_equal (arena_commit (&f.arena, frames[i], 0, FRAME), 0);
  }
  for (unsigned i = 0; i <= ARENA_SPARES_MAX; ++i)
    arena_give (&f.arena, frames[i], FRAME);
  assert_holds (&f, ARENA_SPARES_MAX * FRAME);

  assert_int_equal (arena_take (&f.arena, true, &frame, &committed), 0);
  assert_int_equal (frame, frames[ARENA_SPARES_MAX - 1]);
  assert_int_equal (committed, FRAME);
  assert_holds (&f, ARENA_SPARES_MAX * FRAME);

  f.budget.limit = f.budget.used;
  assert_int_equal (take_new (&f.arena, &frames[0]), 0);
  assert_int_not_equal (frames[0], frame);
  assert_int_equal (arena_commit (&f.arena, frames[0], 0, FRAME), 0);
  /* The memory of one spare frame was enough. */
  assert_holds (&f, ARENA_SPARES_MAX * FRAME);
  assert_true (arena_drain (&f.arena));
  assert_holds (&f, 2 * FRAME);
  assert_false (arena_drain (&f.arena));
  assert_false (arena_shrink (&f.arena));
  assert_int_equal (arena_take (&f.arena, true, &frames[1], &committed), 0);
  assert_int_equal (committed, 0);
  close_arena (&f);
}

TEST (the_limit_is_kept)
{
  struct fixture f;
  uint32_t frame;

  open_arena (&f, OS_PAGE_SIZE);
  f.budget.limit = 8192;
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_int_equal (arena_commit (&f.arena, frame, 0, 8192), 0);
  errno = 0;
  assert_int_equal (arena_commit (&f.arena, frame, 8192, 12288), -1);
  assert_int_equal (errno, ENOSPC);
  assert_holds (&f, 8192);
  close_arena (&f);
}

TEST (huge_pages_come_whole)
{
  const uint32_t per = HUGE_PAGE / FRAME;
  struct fixture f;
  uint32_t frame;

  open_arena (&f, HUGE_PAGE);
  assert_false (arena_commits_in_parts (&f.arena));
  assert_int_equal (f.arena.frames_per_granule, per);
  for (uint32_t i = 0; i < per; ++i) {
    assert_int_equal (take_new (&f.arena, &frame), 0);
    assert_holds (&f, HUGE_PAGE);
  }
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_holds (&f, 2 * HUGE_PAGE);
  /* Committing a part of a frame takes nothing, decommitting frees nothing. */
  assert_int_equal (arena_commit (&f.arena, frame, 0, FRAME), 0);
  arena_decommit (&f.arena, frame, 0, FRAME);
  assert_holds (&f, 2 * HUGE_PAGE);

  for (uint32_t i = 0; i < per; ++i) {
    assert_holds (&f, 2 * HUGE_PAGE);
    arena_give (&f.arena, i, FRAME);
  }
  assert_holds (&f, HUGE_PAGE);
  arena_give (&f.arena, frame, FRAME);
  assert_holds (&f, 0);

  f.budget.limit = HUGE_PAGE - 1;
  assert_int_equal (take_new (&f.arena, &frame), -1);
  f.budget.limit = 0;
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_int_equal (frame, 0);
  close_arena (&f);
}

/* Fill the whole file as an earlier process may have, and claim a few
 * frames.
 */
static void
attach_gives_back (uint64_t granule)
{
  static const uint32_t claimed[] = { 0, 3, 4, 40, 63 };
  struct fixture f;
  uint32_t frame;
  uint8_t *byte;

  open_arena (&f, granule);
  memset (f.arena.base, 0x77, f.arena.size);
  for (unsigned i = 0; i < ARRAY_SIZE (claimed); ++i)
    for (int again = 0; again < 2; ++again)
      arena_claim (&f.arena, claimed[i]);
  arena_attach_done (&f.arena);

  for (uint32_t n = 0, i = 0; n < FRAMES; ++n) {
    bool is_claimed = i < ARRAY_SIZE (claimed) && claimed[i] == n;

    i += is_claimed;
    byte = f.arena.base + n * FRAME;
    if (is_claimed)
      assert_int_equal (*byte, 0x77);
    else if (granule == OS_PAGE_SIZE)
      assert_int_equal (*byte, 0);
  }
  if (granule != OS_PAGE_SIZE)
    assert_true (f.budget.used == 2 * granule);
  assert_int_equal (take_new (&f.arena, &frame), 0);
  assert_int_equal (frame, 1);
  close_arena (&f);
}

TEST (attach_gives_back_the_rest)
{
  attach_gives_back (OS_PAGE_SIZE);
  attach_gives_back (HUGE_PAGE);
}

/* ---- threads ---- */

static struct fixture shared;
static _Atomic uint8_t owners[FRAMES];
static _Atomic unsigned taken_twice;

static void *
take_and_give (void *arg)
{
  struct rng rng = { *(uint64_t *) arg };

  for (unsigned i = unit_scaled (5000); i > 0; --i) {
    uint32_t frame, size = (uint32_t) (1 + rng_below (&rng, 4)) * OS_PAGE_SIZE;

    if (take_new (&shared.arena, &frame) == -1)
      continue;
    taken_twice += owners[frame]++ != 0;
    if (arena_commit (&shared.arena, frame, 0, size) == 0) {
      /* New memory is zeroed. */
      taken_twice += shared.arena.base[frame * FRAME] != 0;
      shared.arena.base[frame * FRAME] = 1;
    }
    else
      size = 0;
    owners[frame]--;
    arena_give (&shared.arena, frame, size);
  }
  return NULL;
}

TEST (threads_get_frames_of_their_own)
{
  pthread_t threads[4];
  uint64_t seeds[4];

  open_arena (&shared, OS_PAGE_SIZE);
  shared.budget.limit = 8 * OS_PAGE_SIZE;
  for (unsigned t = 0; t < 4; ++t) {
    seeds[t] = unit_seed () + t;
    assert_int_equal (pthread_create (&threads[t], NULL, take_and_give,
                                      &seeds[t]), 0);
  }
  for (unsigned t = 0; t < 4; ++t)
    pthread_join (threads[t], NULL);
  assert_int_equal (taken_twice, 0);
  arena_drain (&shared.arena);
  assert_holds (&shared, 0);
  close_arena (&shared);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (lowest_first),
    cmocka_unit_test (commits_in_parts),
    cmocka_unit_test (spare_frames_keep_their_memory),
    cmocka_unit_test (the_limit_is_kept),
    cmocka_unit_test (huge_pages_come_whole),
    cmocka_unit_test (attach_gives_back_the_rest),
    cmocka_unit_test (threads_get_frames_of_their_own),
  };

  return cmocka_run_group_tests_name ("arena", tests, NULL, NULL);
}
