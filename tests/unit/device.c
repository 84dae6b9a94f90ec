/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices and the page path, compared with a plain array. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/stats.h"

#define DEVICES 3
#define PAGES 300

static struct rng rng;

/* A device and what it must contain. */
struct mirror {
  struct device *d;
  char name[16];
  uint8_t *oracle;
  uint64_t size;
};

struct scene {
  struct unit_pool u;
  struct mirror m[DEVICES];
  uint8_t *buf;
  uint32_t buf_size;
};

static void
find_devices (struct scene *s)
{
  for (unsigned i = 0; i < DEVICES; ++i) {
    s->m[i].d = device_open (s->u.pool, s->m[i].name, s->m[i].size);
    assert_non_null (s->m[i].d);
    assert_true (s->m[i].d->size == s->m[i].size);
  }
}

static void
open_scene (struct scene *s, const char *algorithm, uint32_t page_size,
            bool checksum)
{
  /* Two odd sizes: a part of a page more, and a byte less. */
  const uint64_t sizes[DEVICES] = {
    (uint64_t) PAGES * page_size,
    (uint64_t) PAGES / 2 * page_size + 777,
    (uint64_t) PAGES / 3 * page_size - 1,
  };

  *s = (struct scene) { .buf_size = 4 * page_size };
  assert_int_equal (unit_open (&s->u, algorithm, page_size, checksum, 0), 0);
  s->buf = malloc (s->buf_size);
  assert_non_null (s->buf);
  for (unsigned i = 0; i < DEVICES; ++i) {
    struct mirror *m = &s->m[i];

    snprintf (m->name, sizeof m->name, "disk%u", i);
    m->size = sizes[i];
    m->oracle = calloc (1, m->size);
    assert_non_null (m->oracle);
  }
  find_devices (s);
  assert_pool_ok (s->u.pool);
}

static void
close_scene (struct scene *s)
{
  for (unsigned i = 0; i < DEVICES; ++i)
    free (s->m[i].oracle);
  free (s->buf);
  unit_close (&s->u);
}

/* ---- comparing ---- */

struct expected {
  const struct mirror *m;
  uint64_t offset;
};

static int
check_extent (void *opaque, uint64_t offset, uint64_t length,
              enum extent_kind kind)
{
  struct expected *e = opaque;

  assert_true (offset == e->offset && length > 0);
  e->offset += length;
  for (uint64_t i = 0; kind != EXTENT_DATA && i < length; ++i)
    assert_int_equal (e->m->oracle[offset + i], 0);
  return 0;
}

static void
check_extents (const struct mirror *m, uint64_t count, uint64_t offset)
{
  struct expected e = { m, offset };

  assert_int_equal (device_extents (m->d, count, offset, check_extent, &e), 0);
  assert_true (e.offset == offset + count);
}

static void
compare_all (struct scene *s)
{
  for (unsigned i = 0; i < DEVICES; ++i) {
    const struct mirror *m = &s->m[i];
    uint32_t count;

    for (uint64_t at = 0; at < m->size; at += count) {
      count = (uint32_t) MIN (s->buf_size, m->size - at);
      assert_int_equal (device_read (m->d, s->buf, count, at), 0);
      assert_memory_equal (s->buf, m->oracle + at, count);
    }
    check_extents (m, m->size, 0);
  }
}

/* ---- random requests ---- */

/* Some aligned, most not, some at the very end. */
static void
random_range (const struct scene *s, const struct mirror *m, uint64_t *offset,
              uint32_t *count)
{
  uint32_t page_size = s->u.pool->sizes.page_size;
  uint64_t way = rng_below (&rng, 8);

  *offset = rng_below (&rng, m->size);
  *count = (uint32_t) (1 + rng_below (&rng, s->buf_size));
  if (way < 4) {
    *offset -= *offset % page_size;
    *count = (uint32_t) align_up (*count, page_size);
  }
  *count = (uint32_t) MIN (*count, m->size - *offset);
  if (way == 7)
    *offset = m->size - *count;
}

static void
write_some (struct scene *s, struct mirror *m, uint64_t offset, uint32_t count)
{
  uint32_t page_size = s->u.pool->sizes.page_size;

  for (uint32_t at = 0; at < s->buf_size; at += page_size)
    data_fill (s->buf + at, page_size,
               (enum data_kind) rng_below (&rng, DATA_KINDS), rng_next (&rng));
  assert_int_equal (device_write (m->d, s->buf, count, offset), 0);
  memcpy (m->oracle + offset, s->buf, count);
}

static void
request (struct scene *s)
{
  struct mirror *m = &s->m[rng_below (&rng, DEVICES)];
  uint64_t offset, op = rng_below (&rng, 16);
  uint32_t count;

  random_range (s, m, &offset, &count);
  if (op < 8)
    write_some (s, m, offset, count);
  else if (op < 11) {
    assert_int_equal (device_zero (m->d, count, offset), 0);
    memset (m->oracle + offset, 0, count);
  }
  else if (op < 12)
    check_extents (m, count, offset);
  else {
    assert_int_equal (device_read (m->d, s->buf, count, offset), 0);
    assert_memory_equal (s->buf, m->oracle + offset, count);
  }
}

static void
run (struct scene *s, unsigned requests)
{
  for (unsigned i = 1; i <= requests; ++i) {
    request (s);
    if (i % 256 == 0)
      assert_pool_ok (s->u.pool);
    if (i % 512 == 0) {
      pool_compact (s->u.pool, NULL);
      assert_pool_ok (s->u.pool);
    }
    if (i % 1024 == 0) {
      assert_int_equal (unit_reopen (&s->u), 0);
      find_devices (s);
      assert_pool_ok (s->u.pool);
    }
  }
  compare_all (s);
  assert_pool_ok (s->u.pool);
}

static void
try_random (const char *algorithm, uint32_t page_size, bool checksum)
{
  struct scene s;
  uint64_t empty;

  open_scene (&s, algorithm, page_size, checksum);
  empty = s.u.pool->budget.used;
  run (&s, unit_scaled (3000));
  for (unsigned i = 0; i < DEVICES; ++i) {
    assert_int_equal (device_zero (s.m[i].d, s.m[i].size, 0), 0);
    memset (s.m[i].oracle, 0, s.m[i].size);
  }
  compare_all (&s);
  assert_pool_ok (s.u.pool);
  arena_drain (&s.u.pool->arena);
  /* What stays is an OS page of each device's leaf map, and the bookkeeping of
   * zspages.
   */
  assert_true (s.u.pool->budget.used
               <= empty + DEVICES * OS_PAGE_SIZE
                  + s.u.pool->objects.high_water * sizeof (struct zspage));
  close_scene (&s);
}

TEST (random_requests)
{
  try_random ("lz4", 4096, true);
  try_random ("lz4", 4096, false);
  try_random ("lz4hc:level=3", 8192, true);
#ifdef HAVE_LZO
  try_random ("lzo", 16384, true);
#endif
#ifdef HAVE_ZSTD
  try_random ("zstd", 65536, true);
#endif
#ifdef HAVE_DEFLATE
  try_random ("deflate:level=1", 32768, false);
#endif
}

/* ---- edges ---- */

#define PAGE 4096

static void
open_one (struct unit_pool *u, struct device **d, uint64_t size)
{
  assert_int_equal (unit_open (u, "lz4", PAGE, true, 0), 0);
  *d = device_open (u->pool, "", size);
  assert_non_null (*d);
}

TEST (new_disks_read_zero_and_stay_empty)
{
  struct unit_pool u;
  struct device *d;
  uint8_t buf[2 * PAGE], zeroes[2 * PAGE] = { 0 };
  uint64_t used;

  open_one (&u, &d, GIB);
  used = u.pool->budget.used;
  for (uint64_t at = 0; at + sizeof buf <= GIB; at += 61 * MIB + 100) {
    memset (buf, 1, sizeof buf);
    assert_int_equal (device_read (d, buf, sizeof buf, at), 0);
    assert_memory_equal (buf, zeroes, sizeof buf);
    assert_int_equal (device_zero (d, sizeof buf, at), 0);
  }
  assert_int_equal (device_zero (d, GIB, 0), 0);
  assert_true (u.pool->budget.used == used);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (the_last_page_is_cut_short)
{
  const uint64_t size = 3 * PAGE + 100;
  struct unit_pool u;
  struct device *d;
  uint8_t buf[PAGE], in[PAGE], zeroes[PAGE] = { 0 };

  open_one (&u, &d, size);
  assert_int_equal (d->pages, 4);
  data_fill (in, PAGE, DATA_RANDOM, 1);
  assert_int_equal (device_write (d, in, 100, 3 * PAGE), 0);
  assert_int_equal (device_read (d, buf, 100, 3 * PAGE), 0);
  assert_memory_equal (buf, in, 100);
  assert_int_equal (device_write (d, in, 1, size - 1), 0);
  assert_int_equal (device_read (d, buf, 1, size - 1), 0);
  assert_int_equal (buf[0], in[0]);

  /* Zeroing the whole of a last page that is cut short gives it back. */
  assert_int_equal (device_zero (d, 100, 3 * PAGE), 0);
  assert_int_equal (device_read (d, buf, 100, 3 * PAGE), 0);
  assert_memory_equal (buf, zeroes, 100);
  assert_int_equal (u.pool->counters.notify_free, 1);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (zeroing_parts)
{
  struct unit_pool u;
  struct device *d;
  uint8_t buf[3 * PAGE], in[3 * PAGE];

  open_one (&u, &d, 3 * PAGE);
  data_fill (in, sizeof in, DATA_TEXT, 2);
  for (unsigned i = 0; i < 2000; ++i) {
    uint64_t offset = rng_below (&rng, sizeof in);
    uint64_t count = rng_below (&rng, sizeof in - offset + 1);

    assert_int_equal (device_write (d, in, sizeof in, 0), 0);
    assert_int_equal (device_zero (d, count, offset), 0);
    assert_int_equal (device_read (d, buf, sizeof buf, 0), 0);
    for (uint64_t at = 0; at < sizeof in; ++at)
      assert_int_equal (buf[at], at - offset < count ? 0 : in[at]);
  }
  assert_pool_ok (u.pool);
  unit_close (&u);
}

/* ---- extents ---- */

struct list {
  unsigned count;
  struct {
    uint64_t offset, length;
    enum extent_kind kind;
  } e[16];
};

/* Neighbouring extents of one kind may be reported in parts. */
static int
append (void *opaque, uint64_t offset, uint64_t length, enum extent_kind kind)
{
  struct list *l = opaque;
  unsigned last = l->count - 1;

  if (l->count > 0 && l->e[last].kind == kind
      && l->e[last].offset + l->e[last].length == offset) {
    l->e[last].length += length;
    return 0;
  }
  assert_true (l->count < ARRAY_SIZE (l->e));
  l->e[l->count].offset = offset;
  l->e[l->count].length = length;
  l->e[l->count++].kind = kind;
  return 0;
}

static int
stop_at_once (void *opaque, uint64_t offset, uint64_t length,
              enum extent_kind kind)
{
  (void) offset;
  (void) length;
  (void) kind;
  ++*(unsigned *) opaque;
  errno = ECANCELED;
  return -1;
}

TEST (extents_tell_data_zero_and_hole)
{
  const uint64_t size = 100 * GIB + 5;
  struct unit_pool u;
  struct device *d;
  struct list l = { .count = 0 };
  uint8_t in[PAGE], zeroes[PAGE] = { 0 };
  unsigned calls = 0;

  open_one (&u, &d, size);
  data_fill (in, PAGE, DATA_TEXT, 3);
  assert_int_equal (device_write (d, in, PAGE, 0), 0);
  assert_int_equal (device_write (d, zeroes, PAGE, PAGE), 0);
  assert_int_equal (device_write (d, in, 1, 99 * GIB + 1), 0);
  assert_int_equal (device_write (d, in, 5, 100 * GIB), 0);

  assert_int_equal (device_extents (d, size - 10, 10, append, &l), 0);
  assert_int_equal (l.count, 6);
  assert_true (l.e[0].offset == 10 && l.e[0].length == PAGE - 10
               && l.e[0].kind == EXTENT_DATA);
  assert_true (l.e[1].length == PAGE && l.e[1].kind == EXTENT_ZERO);
  assert_true (l.e[2].length == 99 * GIB - 2 * PAGE
               && l.e[2].kind == EXTENT_HOLE);
  assert_true (l.e[3].length == PAGE && l.e[3].kind == EXTENT_DATA);
  assert_true (l.e[4].length == GIB - PAGE && l.e[4].kind == EXTENT_HOLE);
  assert_true (l.e[5].length == 5 && l.e[5].kind == EXTENT_DATA);

  assert_int_equal (device_extents (d, size, 0, stop_at_once, &calls), -1);
  assert_int_equal (errno, ECANCELED);
  assert_int_equal (calls, 1);
  unit_close (&u);
}

/* ---- opening ---- */

TEST (names_and_sizes)
{
  struct unit_pool u;
  struct device *d;
  char name[DEVICE_NAME_MAX + 2];
  uint64_t size, used;

  open_one (&u, &d, MIB);
  memset (name, 'x', sizeof name);
  name[DEVICE_NAME_MAX + 1] = '\0';
  used = u.pool->budget.used;
  errno = 0;
  assert_null (device_open (u.pool, name, MIB));
  assert_int_equal (errno, ENAMETOOLONG);
  errno = 0;
  assert_null (device_open (u.pool, "none", 0));
  assert_int_equal (errno, EINVAL);
  errno = 0;
  assert_null (device_open (u.pool, "large", DEVICE_SIZE_MAX + 1));
  assert_int_equal (errno, EINVAL);
  assert_true (u.pool->budget.used == used);

  name[DEVICE_NAME_MAX] = '\0';
  d = device_open (u.pool, name, MIB);
  assert_non_null (d);
  assert_ptr_equal (device_open (u.pool, name, 2 * MIB), d);
  assert_true (d->size == MIB);
  assert_int_equal (pool_find_device (u.pool, name, &size), 1);
  assert_true (size == MIB);
  assert_int_equal (pool_find_device (u.pool, "none", &size), -1);
  assert_int_equal (errno, ENOENT);

  /* The refused devices have left nothing behind. */
  assert_int_equal (unit_reopen (&u), 0);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

TEST (as_many_as_there_can_be)
{
  struct unit_pool u;
  char name[16];
  uint8_t buf[PAGE];

  assert_int_equal (unit_open (&u, "lz4", PAGE, true, 0), 0);
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    struct device *d;

    snprintf (name, sizeof name, "%u", n);
    d = device_open (u.pool, name, MIB);
    assert_non_null (d);
    data_fill (buf, PAGE, DATA_TEXT, n);
    assert_int_equal (device_write (d, buf, PAGE, PAGE), 0);
  }
  errno = 0;
  assert_null (device_open (u.pool, "one more", MIB));
  assert_int_equal (errno, ENOSPC);
  assert_pool_ok (u.pool);
  assert_int_equal (unit_reopen (&u), 0);
  assert_pool_ok (u.pool);
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n) {
    uint8_t expected[PAGE];

    snprintf (name, sizeof name, "%u", n);
    data_fill (expected, PAGE, DATA_TEXT, n);
    assert_int_equal (device_read (device_open (u.pool, name, 0), buf, PAGE,
                                   PAGE), 0);
    assert_memory_equal (buf, expected, PAGE);
  }
  unit_close (&u);
}

/* The largest device takes no more memory than its pages need. */
TEST (one_pebibyte)
{
  struct unit_pool u;
  struct device *d;
  struct expected_page { uint64_t offset, tag; } pages[50];
  uint8_t buf[PAGE], expected[PAGE];
  struct list l = { .count = 0 };

  if (unit_instrumented ()) {
    print_message ("a disk of 1 PiB needs 2 TiB of address space\n");
    skip ();
  }
  open_one (&u, &d, DEVICE_SIZE_MAX);
  for (unsigned i = 0; i < 50; ++i) {
    pages[i].offset = (i == 0 ? PIB / PAGE - 1 : rng_below (&rng, PIB / PAGE))
                      * PAGE;
    pages[i].tag = i;
    data_fill (buf, PAGE, DATA_TEXT, i);
    assert_int_equal (device_write (d, buf, PAGE, pages[i].offset), 0);
  }
  assert_true (u.pool->budget.used < MIB);
  assert_pool_ok (u.pool);
  pool_compact (u.pool, NULL);
  assert_int_equal (unit_reopen (&u), 0);
  assert_pool_ok (u.pool);
  d = device_open (u.pool, "", 0);
  for (unsigned i = 0; i < 50; ++i) {
    data_fill (expected, PAGE, DATA_TEXT, pages[i].tag);
    assert_int_equal (device_read (d, buf, PAGE, pages[i].offset), 0);
    assert_memory_equal (buf, expected, PAGE);
  }
  assert_int_equal (device_zero (d, PIB, 0), 0);
  assert_int_equal (device_extents (d, PIB, 0, append, &l), 0);
  assert_int_equal (l.count, 1);
  assert_true (l.e[0].kind == EXTENT_HOLE && l.e[0].length == PIB);
  assert_pool_ok (u.pool);
  unit_close (&u);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (random_requests),
    cmocka_unit_test (new_disks_read_zero_and_stay_empty),
    cmocka_unit_test (the_last_page_is_cut_short),
    cmocka_unit_test (zeroing_parts),
    cmocka_unit_test (extents_tell_data_zero_and_hole),
    cmocka_unit_test (names_and_sizes),
    cmocka_unit_test (as_many_as_there_can_be),
    cmocka_unit_test (one_pebibyte),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("device", tests, NULL, NULL);
}
