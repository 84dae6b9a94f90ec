/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dictionaries, and pages that were compressed with them. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_ZSTD
#include <zdict.h>
#endif

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/stats.h"
#include "lib/store/encode.h"

#ifndef HAVE_ZSTD

int
main (void)
{
  printf ("SKIP: zstd is not built in\n");
  return SKIPPED;
}

#else

#define PAGE 4096
#define PAGES 64                /* of each generation */
#define LENGTH 20000            /* of a dictionary */

static struct rng rng;
static const struct job always;
static struct unit_pool u;
static struct device *device;

/* ---- pages and dictionaries ---- */

static const uint8_t *
content_of (uint64_t tag)
{
  static uint8_t content[LENGTH / PAGE * PAGE + PAGE];

  for (size_t at = 0; at < sizeof content; at += PAGE)
    data_fill (content + at, PAGE, at % (2 * PAGE) ? DATA_TEXT : DATA_RECORDS,
               tag * 100 + at / PAGE);
  return content;
}

static int
use_dictionary (uint64_t tag)
{
  return pool_use_dictionary (u.pool, content_of (tag), LENGTH);
}

static void
page_of (uint64_t tag, uint8_t page[PAGE])
{
  data_fill (page, PAGE, tag % 2 ? DATA_TEXT : DATA_RECORDS, tag);
}

static void
put (uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE];

  page_of (tag, page);
  assert_int_equal (device_write (device, page, PAGE, index * PAGE), 0);
}

static void
compare (uint64_t index, uint64_t tag)
{
  uint8_t page[PAGE], found[PAGE];

  page_of (tag, page);
  assert_int_equal (device_read (device, found, PAGE, index * PAGE), 0);
  assert_memory_equal (found, page, PAGE);
}

static void
is_damaged (uint64_t index)
{
  uint8_t found[PAGE];

  errno = 0;
  assert_int_equal (device_read (device, found, PAGE, index * PAGE), -1);
  assert_int_equal (errno, EIO);
}

/* Pages of generation G are at G * PAGES; their tag is their index. */
static void
put_all (unsigned g)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    put (g * PAGES + i, g * PAGES + i);
}

static void
compare_all (unsigned g)
{
  for (uint64_t i = 0; i < PAGES; ++i)
    compare (g * PAGES + i, g * PAGES + i);
}

static void
trim_all (unsigned g)
{
  assert_int_equal (device_zero (device, PAGES * PAGE, g * PAGES * PAGE), 0);
}

static uint64_t
slots_of (unsigned generation)
{
  return u.pool->dictionaries.generations[generation].slots;
}

static uint64_t
bytes_stored (void)
{
  struct stats st;

  pool_get_stats (u.pool, &st);
  return st.compr_data_size;
}

static void
find_device (void)
{
  device = device_open (u.pool, "", POOL_DICTIONARIES * PAGES * PAGE);
  assert_non_null (device);
}

static void
reopen (void)
{
  assert_int_equal (unit_reopen (&u), 0);
  find_device ();
}

static int
open_pool (void **state)
{
  (void) state;
  assert_int_equal (unit_open (&u, "zstd:level=3:dict=auto", PAGE, true, 0),
                    0);
  find_device ();
  return 0;
}

static int
close_pool (void **state)
{
  (void) state;
  unit_close (&u);
  return 0;
}

/* Give the pool's algorithm a dictionary, as dict=FILE does; the caller frees
 * it.
 */
static struct dictionary_content *
as_option (uint64_t tag)
{
  struct dictionary_content *c = malloc (sizeof *c + LENGTH);

  assert_non_null (c);
  c->length = LENGTH;
  memcpy (c->bytes, content_of (tag), LENGTH);
  u.options.algorithm.dictionary = c;
  return c;
}

/* ---- generations ---- */

TEST (pages_shrink)
{
  uint64_t with, without;

  put_all (0);
  without = bytes_stored ();
  assert_int_equal (use_dictionary (7), 0);
  put_all (0);
  with = bytes_stored ();
  assert_true (with < without);
  assert_true (slots_of (0) == PAGES);
  compare_all (0);
  assert_pool_ok (u.pool);
}

TEST (eight_at_once)
{
  for (unsigned g = 0; g < POOL_DICTIONARIES; ++g) {
    assert_int_equal (use_dictionary (g), 0);
    put_all (g);
    assert_true (slots_of (g) == PAGES);
    assert_pool_ok (u.pool);
  }
  errno = 0;
  assert_int_equal (use_dictionary (100), -1);
  assert_int_equal (errno, EMLINK);
  assert_pool_ok (u.pool);
  /* New pages still use the last generation. */
  put (0, 0);
  assert_true (slots_of (0) == PAGES - 1);
  assert_true (slots_of (7) == PAGES + 1);
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned g = 0; g < POOL_DICTIONARIES; ++g)
      compare_all (g);
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 8);
    reopen ();
    assert_true (slots_of (0) == PAGES - 1);
    assert_pool_ok (u.pool);
  }
}

TEST (the_last_page_drops_it)
{
  struct dictionaries *d = &u.pool->dictionaries;
  uint64_t used;

  for (unsigned g = 0; g < 3; ++g) {
    assert_int_equal (use_dictionary (g), 0);
    put_all (g);
  }
  assert_int_equal (dictionaries_drop_unused (d), 0);
  trim_all (1);
  used = u.pool->budget.used;
  assert_int_equal (dictionaries_drop_unused (d), 1);
  assert_true (used - u.pool->budget.used >= LENGTH);
  assert_int_equal (dictionaries_drop_unused (d), 0);
  /* The pool's method holds its generation, though no page needs it. */
  trim_all (2);
  assert_int_equal (dictionaries_drop_unused (d), 0);
  assert_pool_ok (u.pool);
  assert_int_equal (use_dictionary (9), 0);
  assert_int_equal (dictionaries_alive (d), 2);
  compare_all (0);
  assert_pool_ok (u.pool);

  /* Compaction drops unused generations, too. */
  put_all (1);
  assert_int_equal (use_dictionary (10), 0);
  trim_all (1);
  assert_int_equal (dictionaries_alive (d), 3);
  pool_compact (u.pool, &always);
  assert_int_equal (dictionaries_alive (d), 2);
  assert_pool_ok (u.pool);

  /* After attaching, no method holds a generation that no page needs. */
  reopen ();
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  compare_all (0);
  assert_pool_ok (u.pool);
}

TEST (the_same_is_found)
{
  struct dictionary_content *c = as_option (5);

  for (unsigned round = 0; round < 12; ++round) {
    reopen ();
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
    put_all (round % 3);
    for (unsigned g = 0; g < 3 && g <= round; ++g)
      compare_all (g);
    assert_pool_ok (u.pool);
  }
  assert_true (slots_of (0) == 3 * PAGES);
  assert_int_equal (use_dictionary (5), 0);
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  assert_int_equal (u.pool->dictionaries.generations[0].holders, 1);
  free (c);
}

TEST (auto_goes_on_with_the_most_used)
{
  put_all (0);
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 0);
  assert_int_equal (use_dictionary (1), 0);
  put_all (1);
  assert_int_equal (use_dictionary (2), 0);
  put_all (2);
  put_all (3);
  reopen ();
  put_all (4);
  assert_true (slots_of (0) == PAGES && slots_of (1) == 3 * PAGES);
  for (unsigned g = 0; g < 5; ++g)
    compare_all (g);
  assert_pool_ok (u.pool);
}

TEST (every_level)
{
  static const int levels[] = { -100, -1, 1, 2, 3, 5, 7, 9, 12, 15, 19, 22 };

  for (unsigned i = 0; i < ARRAY_SIZE (levels); ++i) {
    struct dictionary_content *c = as_option (i);

    u.options.algorithm.level = levels[i];
    reopen ();
    put_all (i % 4);
    for (unsigned g = 0; g < 4 && g <= i; ++g)
      compare_all (g);
    assert_pool_ok (u.pool);
    free (c);
  }
}

/* Train a dictionary in zstd's own format, from pages like those here. */
static size_t
formatted_content (uint8_t *content, size_t room)
{
  static uint8_t samples[500 * PAGE];
  static size_t sizes[500];
  size_t length;

  for (size_t i = 0; i < 500; ++i) {
    page_of (1000 + i, samples + i * PAGE);
    sizes[i] = PAGE;
  }
  length = ZDICT_trainFromBuffer (content, room, samples, sizes, 500);
  assert_false (ZDICT_isError (length));
  return length;
}

TEST (formatted_ones)
{
  static uint8_t content[32768];
  size_t length = formatted_content (content, sizeof content);

  assert_int_equal (use_dictionary (0), 0);
  put_all (0);
  assert_int_equal (pool_use_dictionary (u.pool, content, length), 0);
  put_all (1);
  put_all (2);
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned g = 0; g < 3; ++g)
      compare_all (g);
    assert_true (slots_of (1) == 2 * PAGES);
    assert_pool_ok (u.pool);
    reopen ();
  }
  /* This one ends in the middle of its tables. */
  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, content, 20), -1);
  assert_int_equal (errno, EINVAL);
  compare_all (0);
  assert_pool_ok (u.pool);
}

/* ---- recompression ---- */

/* Pages are written with lz4.  Recompression uses zstd with a dictionary,
 * which the pages then need.
 */
TEST (recompression_has_its_own)
{
  struct recompress_request req = { .which = select_type (PAGES_ALL) };
  struct recompress_result with, without;
  uint64_t bytes;

  u.options.algorithm = unit_algorithm ("lz4");
  u.options.recompress[0] = unit_algorithm ("zstd:level=9:dict=auto");
  u.options.recompress_count = 1;
  reopen ();
  put_all (0);
  put_all (1);
  assert_int_equal (pool_recompress (u.pool, &req, &always, &without), 0);
  bytes = bytes_stored ();
  assert_true (slots_of (0) == 0);
  put_all (0);
  put_all (1);
  assert_int_equal (use_dictionary (4), 0);
  assert_true (slots_of (0) == 0);
  assert_int_equal (pool_recompress (u.pool, &req, &always, &with), 0);
  assert_true (slots_of (0) == with.recompressed && slots_of (0) > PAGES);
  assert_true (bytes_stored () < bytes && with.saved >= without.saved);
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);

  /* Groups use no dictionary.  It is dropped after its last page. */
  assert_int_equal (pool_group (u.pool, &req, &always, &with), 0);
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
  reopen ();
  compare_all (1);
  trim_all (0);
  trim_all (1);
  reopen ();
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 0);
  assert_pool_ok (u.pool);
}

TEST (a_change_that_fails)
{
  u.options.algorithm = unit_algorithm ("lz4");
  u.options.recompress[0] = unit_algorithm ("zstd:level=9:dict=auto");
  u.options.recompress_count = 1;
  reopen ();
  assert_int_equal (use_dictionary (4), 0);
  for (uint64_t room = 0; room < 600000; room += 20000) {
    u.pool->budget.limit = u.pool->budget.used + room;
    errno = 0;
    if (use_dictionary (5) == 0)
      break;
    assert_int_equal (errno, ENOSPC);
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
    assert_pool_ok (u.pool);
  }
  u.pool->budget.limit = 0;
  assert_pool_ok (u.pool);
}

/* ---- memory ---- */

TEST (no_memory_changes_nothing)
{
  assert_int_equal (use_dictionary (0), 0);
  put_all (0);
  for (uint64_t room = 0; room < 400000; room += 9000) {
    u.pool->budget.limit = u.pool->budget.used + room;
    errno = 0;
    if (use_dictionary (1) == 0)
      break;
    assert_int_equal (errno, ENOSPC);
    dictionaries_drop_unused (&u.pool->dictionaries);
    assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
    assert_pool_ok (u.pool);
    put (1, 1);
    assert_true (slots_of (0) == PAGES);
  }
  u.pool->budget.limit = 0;
  assert_int_equal (use_dictionary (2), 0);
  put_all (1);
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
}

/* At the smallest limit that is allowed, a full pool can be opened again:
 * the limit has room for the dictionary of the algorithm.
 */
TEST (a_full_pool_starts)
{
  struct dictionary_content *c = as_option (3);
  uint8_t page[PAGE];
  uint64_t least;

  unit_close (&u);
  least = pool_mem_limit_min (&u.options);
  assert_true (least > LENGTH);
  assert_int_equal (unit_open (&u, "zstd", PAGE, true, 0), 0);
  u.options.algorithm.dictionary = c;
  u.options.mem_limit = least;
  reopen ();
  for (uint64_t i = 0; i < POOL_DICTIONARIES * PAGES; ++i) {
    data_fill (page, PAGE, DATA_RANDOM, i);
    if (device_write (device, page, PAGE, i * PAGE) == -1)
      break;
  }
  assert_int_equal (device_write (device, page, PAGE, 500 * PAGE), -1);
  for (unsigned round = 0; round < 3; ++round) {
    reopen ();
    data_fill (page, PAGE, DATA_RANDOM, 0);
    assert_true (u.pool->budget.limit == least);
    assert_pool_ok (u.pool);
  }
  free (c);
}

TEST (what_is_no_dictionary)
{
  static const uint8_t damaged[1000] = { 0x37, 0xa4, 0x30, 0xec, 1 };
  static uint8_t large[POOL_DICTIONARY_MAX + 1];

  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, damaged, 0), -1);
  assert_int_equal (errno, EINVAL);
  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, large, sizeof large), -1);
  assert_int_equal (errno, EINVAL);
  errno = 0;
  assert_int_equal (pool_use_dictionary (u.pool, damaged, sizeof damaged), -1);
  assert_int_equal (errno, EINVAL);
  assert_pool_ok (u.pool);

  /* Any other content is valid, from one byte to the largest size. */
  assert_int_equal (pool_use_dictionary (u.pool, damaged, 1), 0);
  put_all (0);
  assert_int_equal (pool_use_dictionary (u.pool, large, sizeof large - 1), 0);
  put_all (1);
  reopen ();
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
}

/* ---- damage ---- */

#define RECORDS 1024            /* their offset in the file */
#define RECORD_SIZE 32

static void
write_file (uint64_t offset, const void *data, size_t size)
{
  assert_int_equal (pwrite (u.fd, data, size, (off_t) offset), size);
}

static uint64_t
content_offset (unsigned n)
{
  return 512 * OS_PAGE_SIZE + n * (uint64_t) POOL_DICTIONARY_MAX;
}

static void
flip (uint64_t offset)
{
  uint8_t byte;

  assert_int_equal (pread (u.fd, &byte, 1, (off_t) offset), 1);
  byte ^= (uint8_t) (1 << rng_below (&rng, 8));
  write_file (offset, &byte, 1);
}

/* The process was killed before it wrote a record, or while it freed an
 * area.
 */
TEST (a_half_written_area)
{
  assert_int_equal (use_dictionary (0), 0);
  put_all (0);
  unit_detach (&u);
  write_file (content_offset (1), content_of (9), LENGTH / 2);
  write_file (content_offset (0) + 5 * PAGE, content_of (9), LENGTH);
  write_file (RECORDS + RECORD_SIZE + 8, content_of (9), RECORD_SIZE - 8);
  assert_int_equal (unit_attach (&u), 0);
  find_device ();
  assert_pool_ok (u.pool);
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  compare_all (0);
  assert_int_equal (use_dictionary (1), 0);
  put_all (1);
  reopen ();
  compare_all (0);
  compare_all (1);
  assert_pool_ok (u.pool);
}

/* Generation 0 is lost.  Its pages are damaged until they are written again,
 * and until then no other dictionary gets its area.  Other pages are intact.
 */
static void
generation_0_is_lost (void)
{
  assert_int_equal (unit_attach (&u), 0);
  find_device ();
  assert_int_equal (dictionaries_alive (&u.pool->dictionaries), 1);
  for (uint64_t i = 0; i < PAGES; ++i)
    is_damaged (i);
  compare_all (1);
  for (unsigned g = 2; g < POOL_DICTIONARIES; ++g) {
    assert_int_equal (use_dictionary (10 + g), 0);
    put_all (g);
  }
  assert_int_equal (use_dictionary (20), -1);
  is_damaged (0);
  assert_pool_ok (u.pool);
  put_all (0);
  compare_all (0);
  assert_int_equal (use_dictionary (20), 0);
  put_all (0);
  for (unsigned g = 0; g < POOL_DICTIONARIES; ++g)
    compare_all (g);
  assert_pool_ok (u.pool);
}

static void
two_generations (void)
{
  for (unsigned g = 0; g < 2; ++g) {
    assert_int_equal (use_dictionary (g), 0);
    put_all (g);
  }
  unit_detach (&u);
}

TEST (a_damaged_area)
{
  two_generations ();
  flip (content_offset (0) + rng_below (&rng, LENGTH));
  generation_0_is_lost ();
}

static void
a_damaged_record (void **state)
{
  for (unsigned at = 0; at < RECORD_SIZE; at += unit_quick () ? 9 : 1) {
    two_generations ();
    flip (RECORDS + at);
    generation_0_is_lost ();
    close_pool (state);
    open_pool (state);
  }
}

TEST (a_lost_record)
{
  static const uint8_t zeroes[RECORD_SIZE];

  two_generations ();
  write_file (RECORDS, zeroes, sizeof zeroes);
  generation_0_is_lost ();
}

/* ---- while requests go on ---- */

/* Few different pages, so that with dedup the last page of a dictionary is
 * often freed while another thread writes the same content.
 */
#define TAGS 40

static _Atomic bool done;

static void *
write_and_read (void *arg)
{
  uint64_t first = *(uint64_t *) arg, tags[PAGES] = { 0 };
  struct rng r = { first };
  bool written[PAGES] = { false };

  while (!done) {
    uint64_t i = rng_below (&r, PAGES);

    if (rng_below (&r, 2) == 0) {
      put (first + i, tags[i] = rng_below (&r, TAGS));
      written[i] = true;
    }
    else if (written[i])
      compare (first + i, tags[i]);
  }
  for (uint64_t i = 0; i < PAGES; ++i)
    if (written[i])
      compare (first + i, tags[i]);
  return NULL;
}

static void
change_under_load (void)
{
  pthread_t threads[4];
  uint64_t firsts[4];
  unsigned changed = 0;

  done = false;
  for (unsigned t = 0; t < 4; ++t) {
    firsts[t] = t * PAGES;
    assert_int_equal (pthread_create (&threads[t], NULL, write_and_read,
                                      &firsts[t]), 0);
  }
  for (unsigned n = 0; n < unit_scaled (200); ++n) {
    if (use_dictionary (rng_below (&rng, 12)) == 0)
      changed++;
    else
      assert_int_equal (errno, EMLINK);
    dictionaries_drop_unused (&u.pool->dictionaries);
  }
  done = true;
  for (unsigned t = 0; t < 4; ++t)
    pthread_join (threads[t], NULL);
  assert_true (changed > unit_scaled (200) / 4);
  assert_pool_ok (u.pool);
}

TEST (changes_under_load)
{
  change_under_load ();
}

TEST (changes_while_pages_are_shared)
{
  u.options.dedup = DEDUP_POOL;
  u.options.dedup_limit = MIB;
  reopen ();
  change_under_load ();
}

/* The only page of a dictionary is freed just after a writer has found the
 * same content in it, and before the writer's slot is counted.
 */
TEST (a_page_about_to_share)
{
  struct dictionaries *d;
  uint8_t page[PAGE], found[PAGE];
  struct stream *stream;
  slot_t slot;

  u.options.dedup = DEDUP_POOL;
  u.options.dedup_limit = MIB;
  reopen ();
  d = &u.pool->dictionaries;
  assert_int_equal (use_dictionary (0), 0);
  put (0, 3);
  assert_int_equal (use_dictionary (1), 0);
  assert_int_equal (dictionaries_alive (d), 2);

  page_of (3, page);
  stream = stream_get (&u.pool->streams);
  slot = encode_shared (device, stream, page, SIZE_CLASSES_MAX);
  assert_int_equal (slot_codec (slot), CODEC_DICTIONARY + 0);
  assert_int_equal (device_zero (device, PAGE, 0), 0);
  assert_true (slots_of (0) == 0);
  assert_int_equal (dictionaries_drop_unused (d), 0);
  assert_int_equal (decode_slot (device, stream, slot, found), 0);
  assert_memory_equal (found, page, PAGE);
  release_slot (device, slot);
  stream_put (&u.pool->streams, stream);

  assert_int_equal (dictionaries_drop_unused (d), 1);
  stream = stream_get (&u.pool->streams);
  assert_false (stream_pin (&u.pool->streams, stream, CODEC_DICTIONARY + 0));
  assert_true (stream_pin (&u.pool->streams, stream, CODEC_DICTIONARY + 1));
  stream_put (&u.pool->streams, stream);
  assert_int_equal (d->generations[0].holders, 0);
  assert_int_equal (d->generations[1].holders, 1);
  assert_pool_ok (u.pool);
}

/* ---- killed at any moment ---- */

struct diary {
  _Atomic uint64_t old[PAGES], new[PAGES];
};

static void __attribute__ ((noreturn))
work_until_killed (struct diary *diary, uint64_t seed)
{
  struct rng r = { seed };

  if (unit_attach (&u) == -1)
    _exit (1);
  device = device_open (u.pool, "", 0);
  for (;;) {
    uint64_t i = rng_below (&r, PAGES), tag = rng_next (&r);
    uint8_t page[PAGE];

    if (tag % 16 == 0 && use_dictionary (rng_next (&r)) == -1
        && errno != EMLINK)
      _exit (2);
    page_of (tag, page);
    diary->new[i] = tag;
    if (device_write (device, page, PAGE, i * PAGE) == -1)
      _exit (3);
    diary->old[i] = tag;
  }
}

static bool
is_page_of (const uint8_t found[PAGE], uint64_t tag)
{
  uint8_t page[PAGE] = { 0 };

  if (tag != 0)
    page_of (tag, page);
  return memcmp (page, found, PAGE) == 0;
}

static void
all_is_there (struct diary *diary)
{
  uint8_t found[PAGE];

  assert_int_equal (unit_attach (&u), 0);
  find_device ();
  assert_pool_ok (u.pool);
  for (uint64_t i = 0; i < PAGES; ++i) {
    assert_int_equal (device_read (device, found, PAGE, i * PAGE), 0);
    if (is_page_of (found, diary->new[i]))
      diary->old[i] = diary->new[i];
    else
      assert_true (is_page_of (found, diary->old[i]));
  }
  unit_detach (&u);
}

TEST (killed_anywhere)
{
  struct diary *diary = mmap (NULL, sizeof *diary, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  assert_ptr_not_equal (diary, MAP_FAILED);
  unit_detach (&u);
  for (unsigned round = 0; round < unit_scaled (100); ++round) {
    struct timespec ts = { .tv_nsec = 2000000
                                      + (long) rng_below (&rng, 20000000) };
    uint64_t seed = rng_next (&rng);
    int status;
    pid_t pid = fork ();

    assert_true (pid >= 0);
    if (pid == 0)
      work_until_killed (diary, seed);
    nanosleep (&ts, NULL);
    kill (pid, SIGKILL);
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_true (WIFSIGNALED (status));
    all_is_there (diary);
  }
  munmap (diary, sizeof *diary);
}

#define WITH_POOL(f) cmocka_unit_test_setup_teardown (f, open_pool, close_pool)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH_POOL (pages_shrink),
    WITH_POOL (eight_at_once),
    WITH_POOL (the_last_page_drops_it),
    WITH_POOL (the_same_is_found),
    WITH_POOL (auto_goes_on_with_the_most_used),
    WITH_POOL (every_level),
    WITH_POOL (formatted_ones),
    WITH_POOL (recompression_has_its_own),
    WITH_POOL (a_change_that_fails),
    WITH_POOL (no_memory_changes_nothing),
    WITH_POOL (a_full_pool_starts),
    WITH_POOL (what_is_no_dictionary),
    WITH_POOL (a_half_written_area),
    WITH_POOL (a_damaged_area),
    WITH_POOL (a_damaged_record),
    WITH_POOL (a_lost_record),
    WITH_POOL (changes_under_load),
    WITH_POOL (changes_while_pages_are_shared),
    WITH_POOL (a_page_about_to_share),
    WITH_POOL (killed_anywhere),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dictionary", tests, NULL, NULL);
}

#endif /* HAVE_ZSTD */
