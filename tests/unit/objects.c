/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/alloc/objects.h"
#include "lib/base/os.h"

#define ARENA (1 * GIB)
#define OBJECTS 3000

static struct rng rng;

struct object {
  uint64_t offset;
  uint32_t bytes;               /* 0: none */
};

struct fixture {
  struct pool_file file;
  struct budget budget;
  struct size_classes sizes;
  struct arena arena;
  struct objects o;
  struct object objects[OBJECTS];
};

static struct fixture f;

static void
open_objects (uint32_t page_size, uint64_t granule)
{
  f = (struct fixture) {
    .file = {
      .fd = memfd_create ("objects", MFD_CLOEXEC),
      .granule = granule,
      .arena_offset = granule,
      .arena_size = ARENA,
    },
  };
  size_classes_init (&f.sizes, page_size);
  assert_int_equal (ftruncate (f.file.fd, (off_t) (granule + ARENA)), 0);
  assert_int_equal (arena_open (&f.arena, &f.file, &f.budget,
                                f.sizes.zspage_size), 0);
  assert_int_equal (objects_open (&f.o, &f.sizes, &f.arena), 0);
}

/* Close everything, and open it as a new process would. */
static void
reopen_objects (void)
{
  objects_close (&f.o);
  arena_close (&f.arena);
  f.budget = (struct budget) { .used = 0 };
  assert_int_equal (arena_open (&f.arena, &f.file, &f.budget,
                                f.sizes.zspage_size), 0);
  assert_int_equal (objects_open (&f.o, &f.sizes, &f.arena), 0);
}

static void
close_objects (void)
{
  objects_close (&f.o);
  objects_close (&f.o);
  arena_close (&f.arena);
  close (f.file.fd);
}

static void
assert_ok (void)
{
  const char *wrong = objects_check (&f.o);

  if (wrong)
    fail_msg ("invariant: %s", wrong);
}

/* ---- objects that contain their number ---- */

static uint64_t *
content (uint64_t offset)
{
  return (uint64_t *) (f.arena.base + offset);
}

static uint32_t
class_of (uint32_t bytes)
{
  return size_class_of (&f.sizes, bytes);
}

static int
alloc (unsigned n, uint32_t bytes)
{
  struct object *x = &f.objects[n];
  uint64_t *p;

  if (object_alloc (&f.o, class_of (bytes), bytes, true, &x->offset) == -1)
    return -1;
  x->bytes = bytes;
  p = content (x->offset);
  p[0] = n;
  /* The last whole word of the object. */
  if (bytes >= 16)
    p[bytes / 8 - 1] = ~(uint64_t) n;
  return 0;
}

static void
assert_intact (unsigned n)
{
  const struct object *x = &f.objects[n];
  const uint64_t *p = content (x->offset);

  assert_true (p[0] == n);
  if (x->bytes >= 16)
    assert_true (p[x->bytes / 8 - 1] == ~(uint64_t) n);
}

static void
release (unsigned n)
{
  struct object *x = &f.objects[n];

  assert_intact (n);
  assert_int_equal (object_free (&f.o, class_of (x->bytes), x->offset,
                                 x->bytes), 0);
  x->bytes = 0;
}

static void
release_all (void)
{
  for (unsigned n = 0; n < OBJECTS; ++n)
    if (f.objects[n].bytes != 0)
      release (n);
}

static uint32_t
random_bytes (void)
{
  /* Use some classes more than others. */
  return rng_below (&rng, 2) == 0
    ? 8 + (uint32_t) rng_below (&rng, f.sizes.page_size - 7)
    : (uint32_t) (8 + rng_below (&rng, 4) * f.sizes.step);
}

static void
assert_sums (void)
{
  struct objects_stats st;
  uint64_t used = 0, bytes = 0;

  for (unsigned n = 0; n < OBJECTS; ++n) {
    used += f.objects[n].bytes != 0;
    bytes += f.objects[n].bytes;
  }
  objects_get_stats (&f.o, &st);
  assert_true (st.used == used);
  assert_true (st.bytes == bytes);
  assert_true (st.committed >= bytes);
  if (arena_commits_in_parts (&f.arena))
    assert_true (f.budget.used
                 == st.committed + arena_spare_bytes (&f.arena)
                    + f.o.high_water * sizeof (struct zspage));
  assert_ok ();
}

/* ---- tests ---- */

static void
churn (unsigned rounds)
{
  for (unsigned i = 0; i < rounds; ++i) {
    unsigned n = (unsigned) rng_below (&rng, OBJECTS);

    if (f.objects[n].bytes != 0)
      release (n);
    else
      assert_int_equal (alloc (n, random_bytes ()), 0);
    if (i % 1000 == 0)
      assert_sums ();
  }
  assert_sums ();
}

static void
try_churn (uint32_t page_size, uint64_t granule)
{
  struct objects_stats st;

  open_objects (page_size, granule);
  churn (unit_scaled (20000));
  release_all ();
  assert_sums ();
  objects_get_stats (&f.o, &st);
  assert_true (st.zspages == 0 && st.committed == 0);
  arena_drain (&f.arena);
  assert_true (f.budget.used == f.o.high_water * sizeof (struct zspage));
  close_objects ();
}

TEST (random_use)
{
  for (uint32_t page_size = 4096; page_size <= 65536; page_size *= 4)
    try_churn (page_size, OS_PAGE_SIZE);
  try_churn (4096, 2 * MIB);
}

TEST (wrong_frees_are_refused)
{
  uint64_t offset, past = ARENA;
  const uint32_t bytes = 100, cls = 3;  /* of up to 128 bytes */

  open_objects (4096, OS_PAGE_SIZE);
  assert_int_equal (class_of (bytes), cls);
  assert_int_equal (object_alloc (&f.o, cls, bytes, true, &offset), 0);

  errno = 0;
  assert_int_equal (object_free (&f.o, cls + 1, offset, bytes), -1);
  assert_int_equal (errno, EUCLEAN);
  assert_int_equal (object_free (&f.o, cls, offset + 32, bytes), -1);
  assert_int_equal (object_free (&f.o, cls, offset + 128, bytes), -1);
  assert_int_equal (object_free (&f.o, cls, offset + 65536, bytes), -1);
  assert_int_equal (object_free (&f.o, cls, past, bytes), -1);
  assert_int_equal (object_free (&f.o, cls, UINT64_MAX - 31, bytes), -1);
  assert_ok ();

  assert_int_equal (object_free (&f.o, cls, offset, bytes), 0);
  assert_int_equal (object_free (&f.o, cls, offset, bytes), -1);
  assert_ok ();
  close_objects ();
}

TEST (no_growth_without_leave)
{
  uint64_t offset;

  open_objects (4096, OS_PAGE_SIZE);
  errno = 0;
  assert_int_equal (object_alloc (&f.o, 0, 32, false, &offset), -1);
  assert_int_equal (errno, ENOSPC);
  assert_int_equal (object_alloc (&f.o, 0, 32, true, &offset), 0);
  for (unsigned i = 1; i < ZSPAGE_OBJECTS_MAX; ++i)
    assert_int_equal (object_alloc (&f.o, 0, 32, false, &offset), 0);
  assert_int_equal (object_alloc (&f.o, 0, 32, false, &offset), -1);
  assert_ok ();
  close_objects ();
}

/* At the limit, committed memory can still be used, and a failed allocation
 * changes nothing.
 */
TEST (at_the_limit)
{
  unsigned n = 0;
  uint64_t used;

  open_objects (4096, OS_PAGE_SIZE);
  f.budget.limit = 512 * KIB;
  while (n < OBJECTS && alloc (n, random_bytes ()) == 0)
    n++;
  assert_true (n > 10 && n < OBJECTS);
  assert_int_equal (errno, ENOSPC);
  used = f.budget.used;
  assert_sums ();
  for (unsigned i = 0; i < 1000; ++i) {
    unsigned victim = (unsigned) rng_below (&rng, n);
    uint32_t bytes = f.objects[victim].bytes;

    if (bytes == 0)
      continue;
    release (victim);
    alloc (victim, random_bytes ());
    assert_true (f.budget.used <= f.budget.limit);
  }
  assert_true (f.budget.used_max <= f.budget.limit);
  assert_true (used <= f.budget.limit);
  release_all ();
  assert_sums ();
  arena_drain (&f.arena);
  assert_true (f.budget.used == f.o.high_water * sizeof (struct zspage));
  close_objects ();
}

static void
attach (uint64_t granule)
{
  struct objects_stats before, after;

  open_objects (4096, granule);
  churn (unit_scaled (20000));
  objects_get_stats (&f.o, &before);
  reopen_objects ();
  for (unsigned n = 0; n < OBJECTS; ++n) {
    const struct object *x = &f.objects[n];

    if (x->bytes == 0)
      continue;
    assert_int_equal (object_claim (&f.o, class_of (x->bytes), x->offset,
                                    x->bytes), 0);
    errno = 0;
    assert_int_equal (object_claim (&f.o, class_of (x->bytes), x->offset,
                                    x->bytes), -1);
    assert_int_equal (errno, EUCLEAN);
  }
  objects_attach_done (&f.o);
  assert_sums ();
  objects_get_stats (&f.o, &after);
  assert_true (after.used == before.used && after.bytes == before.bytes);
  assert_true (after.zspages == before.zspages);
  assert_true (after.committed <= before.committed);
  churn (unit_scaled (5000));
  release_all ();
  assert_sums ();
  close_objects ();
}

TEST (attach_finds_all)
{
  attach (OS_PAGE_SIZE);
  attach (2 * MIB);
}

TEST (wrong_claims_are_refused)
{
  open_objects (4096, OS_PAGE_SIZE);
  assert_int_equal (object_claim (&f.o, 0, 0, 32), 0);
  assert_int_equal (object_claim (&f.o, 0, 16, 32), -1);
  assert_int_equal (object_claim (&f.o, 1, 64, 64), -1);
  assert_int_equal (object_claim (&f.o, 0, 32 * 128, 32), -1);
  assert_int_equal (object_claim (&f.o, 0, ARENA, 32), -1);
  assert_int_equal (object_claim (&f.o, 0, SLOT_ARENA_MAX - 65536, 32), -1);
  assert_int_equal (object_claim (&f.o, 1, 65536, 64), 0);
  objects_attach_done (&f.o);
  assert_ok ();
  close_objects ();
}

/* ---- compaction; f.objects stands for the slots ---- */

static void
move (unsigned n, uint64_t to)
{
  struct object *x = &f.objects[n];

  for (uint32_t i = 0; i < x->bytes / 8; ++i)
    content (to)[i] = content (x->offset)[i];
  assert_int_equal (object_free (&f.o, class_of (x->bytes), x->offset,
                                 x->bytes), 0);
  x->offset = to;
}

static void
compact (void)
{
  uint64_t to;

  objects_isolate (&f.o);
  assert_ok ();
  for (unsigned n = 0; n < OBJECTS; ++n) {
    const struct object *x = &f.objects[n];

    if (x->bytes != 0 && object_is_isolated (&f.o, x->offset)
        && object_alloc (&f.o, class_of (x->bytes), x->bytes, false, &to) == 0)
      move (n, to);
  }
  for (unsigned n = 0; n < OBJECTS; ++n) {
    const struct object *x = &f.objects[n];

    if (x->bytes != 0 && object_may_sink (&f.o, x->offset)
        && object_alloc_below (&f.o, x->offset, x->bytes, &to) == 0) {
      assert_true (to < x->offset);
      move (n, to);
    }
  }
  objects_compaction_done (&f.o);
  assert_sums ();
}

TEST (compaction_packs)
{
  struct objects_stats st;

  open_objects (4096, OS_PAGE_SIZE);
  /* Use few classes, so that each has many zspages. */
  for (unsigned n = 0; n < OBJECTS; ++n)
    assert_int_equal (alloc (n, (uint32_t) (8 + n % 8 * 400)), 0);
  for (unsigned n = 0; n < OBJECTS; ++n)
    if (rng_below (&rng, 10) != 0)
      release (n);
  compact ();
  objects_get_stats (&f.o, &st);
  assert_true (st.committed < st.bytes + st.bytes / 4);
  for (unsigned n = 0; n < OBJECTS; ++n)
    if (f.objects[n].bytes != 0)
      assert_intact (n);

  /* A second compaction finds nothing to do. */
  assert_int_equal (objects_isolate (&f.o), 0);
  objects_compaction_done (&f.o);
  release_all ();
  assert_sums ();
  close_objects ();
}

/* Objects in isolated zspages may be freed, and the zspages are used again
 * after the compaction.
 */
TEST (isolation_ends)
{
  open_objects (4096, OS_PAGE_SIZE);
  for (unsigned round = 0; round < 20; ++round) {
    churn (unit_scaled (1000));
    objects_isolate (&f.o);
    assert_ok ();
    churn (unit_scaled (1000));
    objects_compaction_done (&f.o);
    assert_sums ();
    compact ();
  }
  release_all ();
  assert_sums ();
  close_objects ();
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (random_use),
    cmocka_unit_test (wrong_frees_are_refused),
    cmocka_unit_test (no_growth_without_leave),
    cmocka_unit_test (at_the_limit),
    cmocka_unit_test (attach_finds_all),
    cmocka_unit_test (wrong_claims_are_refused),
    cmocka_unit_test (compaction_packs),
    cmocka_unit_test (isolation_ends),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("objects", tests, NULL, NULL);
}
