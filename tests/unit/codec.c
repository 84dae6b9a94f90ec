/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/os.h"
#include "lib/codec/codec.h"
#include "lib/pool-file/pool-file.h"

static struct rng rng;

/* ---- parsing ---- */

static int
parse (const char *spec, struct algorithm *a, char error[256])
{
  errno = 0;
  memset (error, 0, 256);
  return algorithm_parse (spec, a, error, 256);
}

TEST (parses_every_codec)
{
  struct algorithm a;
  char error[256], spec[64];

  for (const struct codec *const *c = codecs; *c; ++c) {
    assert_int_equal (parse ((*c)->name, &a, error), 0);
    assert_ptr_equal (a.codec, *c);
    assert_int_equal (a.level, (*c)->default_level);
    assert_true ((*c)->level_is_valid (a.level));
    snprintf (spec, sizeof spec, "%s:level=1", (*c)->name);
    assert_int_equal (parse (spec, &a, error), 0);
    assert_ptr_equal (a.codec, *c);
    assert_int_equal (a.level, 1);
    assert_ptr_equal (codec_by_name ((*c)->name), *c);
    assert_ptr_equal (codec_by_id ((*c)->id), *c);
  }
  assert_string_equal (codecs[0]->name, "lz4");
}

TEST (refuses_the_rest)
{
  static const char *const specs[] = {
    "", ":", "lz", "lz44", "LZ4", " lz4", "lz4 ", "lz4:", "lz4::level=1",
    "lz4:level", "lz4:level=", "lz4:level=x", "lz4:level=1x", "lz4:level=0",
    "lz4:level=65538", "lz4:level=-1", "lz4:level=99999999999999999999",
    "lz4:level=4294967297", "lz4:level=1:", "lz4:level=1:dict=2", "lz4:1",
    "lz4hc:level=0", "lz4hc:level=13", "fill", "none", "lz4=1",
#ifdef HAVE_LZO
    "lzo:level=2", "lzo:level=998",
#endif
#ifdef HAVE_ZSTD
    "zstd:level=0", "zstd:level=23", "zstd:level=-131073",
#endif
#ifdef HAVE_DEFLATE
    "deflate:level=0", "deflate:level=13",
#endif
  };
  struct algorithm a;
  char error[256];

  for (unsigned i = 0; i < ARRAY_SIZE (specs); ++i) {
    assert_int_equal (parse (specs[i], &a, error), -1);
    assert_int_equal (errno, EINVAL);
    assert_true (strlen (error) > 0);
  }
}

TEST (errors_name_what_is_valid)
{
  struct algorithm a;
  char error[256], tiny[5] = "abcd", endless[5000];

  parse ("lz5", &a, error);
  for (const struct codec *const *c = codecs; *c; ++c)
    assert_non_null (strstr (error, (*c)->name));
  parse ("lz4:level=0", &a, error);
  assert_non_null (strstr (error, codecs[0]->levels));
  parse ("lz4:speed=1", &a, error);
  assert_non_null (strstr (error, "level=N"));

  memset (endless, 'z', sizeof endless - 1);
  endless[sizeof endless - 1] = '\0';
  assert_int_equal (parse (endless, &a, error), -1);
  assert_int_equal (algorithm_parse ("lz5", &a, tiny, 4), -1);
  assert_int_equal (tiny[3], '\0');
}

#ifdef HAVE_ZSTD

/* Create an unnamed file of SIZE bytes that begins with START.  PATH becomes
 * a path to it.
 */
static int
file_of (const char *start, size_t size, char path[32])
{
  int fd = memfd_create ("unit", MFD_CLOEXEC);

  assert_true (fd >= 0);
  assert_int_equal (ftruncate (fd, (off_t) size), 0);
  assert_int_equal (pwrite (fd, start, strlen (start), 0), strlen (start));
  snprintf (path, 32, "/proc/self/fd/%d", fd);
  return fd;
}

TEST (dictionaries_from_files)
{
  static const char *const forms[] = {
    "zstd:level=3:dict=%s", "zstd:dict=%s:level=3",
    "zstd:dict=auto:level=3:dict=%s",
  };
  struct algorithm a;
  char error[256], spec[128], path[32];

  for (unsigned i = 0; i < ARRAY_SIZE (forms); ++i)
    for (size_t size = 1; size <= POOL_DICTIONARY_MAX; size *= 512) {
      int fd = file_of ("d", size, path);

      snprintf (spec, sizeof spec, forms[i], path);
      assert_int_equal (parse (spec, &a, error), 0);
      assert_int_equal (a.level, 3);
      assert_false (a.auto_dictionary);
      assert_int_equal (a.dictionary->length, size);
      assert_int_equal (a.dictionary->bytes[0], 'd');
      algorithm_free (&a);
      algorithm_free (&a);
      assert_null (a.dictionary);
      snprintf (spec, sizeof spec, "zstd:dict=%s:dict=auto", path);
      assert_int_equal (parse (spec, &a, error), 0);
      assert_true (a.auto_dictionary);
      assert_null (a.dictionary);
      close (fd);
    }
}

static void
refuses_file (const char *path, const char *why)
{
  struct algorithm a;
  char error[256], spec[128];

  snprintf (spec, sizeof spec, "zstd:dict=%s", path);
  assert_int_equal (parse (spec, &a, error), -1);
  assert_int_equal (errno, EINVAL);
  if (!strstr (error, why))
    fail_msg ("'%s' does not say '%s'", error, why);
  assert_null (a.dictionary);
}

TEST (refuses_other_dictionaries)
{
  struct algorithm a;
  char error[256], path[32];
  int fd;

  refuses_file ("", "No such file");
  refuses_file ("/nonexistent/x", "No such file");
  refuses_file ("/", "Is a directory");
  refuses_file ("/dev/zero", "larger than 256K");
  fd = file_of ("", 0, path);
  refuses_file (path, "empty");
  close (fd);
  fd = file_of ("", POOL_DICTIONARY_MAX + 1, path);
  refuses_file (path, "larger than 256K");
  close (fd);
  fd = file_of ("\x37\xa4\x30\xec\x01", 1000, path);
  refuses_file (path, "damaged");
  close (fd);
  for (const struct codec *const *c = codecs; *c; ++c) {
    char spec[32];

    snprintf (spec, sizeof spec, "%s:dict=auto", (*c)->name);
    if ((*c)->dictionaries)
      continue;
    assert_int_equal (parse (spec, &a, error), -1);
    assert_non_null (strstr (error, "only zstd"));
  }
}

#endif

TEST (fill_is_no_codec)
{
  assert_null (codec_by_id (CODEC_FILL));
  assert_null (codec_by_id (CODEC_IDS));
  assert_null (codec_by_id (15));
  assert_null (codec_by_id (UINT32_MAX));
}

/* ---- compression ---- */

/* A buffer that ends before an inaccessible OS page, so that an access past
 * its end crashes.  The bytes before it have a fixed value, which is checked
 * at the end.
 */
struct fence {
  uint8_t *map, *start;
  size_t map_size;
};

static struct fence
fence_new (size_t size)
{
  struct fence f = { .map_size = align_up (size + 64, OS_PAGE_SIZE)
                                 + OS_PAGE_SIZE };

  f.map = mmap (NULL, f.map_size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal (f.map, MAP_FAILED);
  assert_int_equal (mprotect (f.map + f.map_size - OS_PAGE_SIZE, OS_PAGE_SIZE,
                              PROT_NONE), 0);
  f.start = f.map + f.map_size - OS_PAGE_SIZE - size;
  memset (f.map, 0xa5, (size_t) (f.start - f.map));
  return f;
}

static void
fence_free (struct fence *f)
{
  for (const uint8_t *p = f->map; p < f->start; ++p)
    assert_int_equal (*p, 0xa5);
  munmap (f->map, f->map_size);
}

struct bench {
  const struct codec *codec;
  int level;
  size_t size;
  void *compressor, *decompressor;
  struct fence src, packed, dst;
  size_t packed_size;
};

static void
bench_open (struct bench *b, const struct codec *codec, int level, size_t size)
{
  size_t bytes = 0;

  *b = (struct bench) { .codec = codec, .level = level, .size = size };
  b->compressor = codec->compressor_new (level, size, &bytes);
  assert_non_null (b->compressor);
  assert_true (bytes > 0);
  if (codec->decompressor_new) {
    bytes = 0;
    b->decompressor = codec->decompressor_new (&bytes);
    assert_non_null (b->decompressor);
    assert_true (bytes > 0);
  }
  b->src = fence_new (size);
  b->packed = fence_new (codec->bound (size));
  b->dst = fence_new (size);
}

static void
bench_close (struct bench *b)
{
  b->codec->compressor_free (b->compressor);
  if (b->decompressor)
    b->codec->decompressor_free (b->decompressor);
  fence_free (&b->src);
  fence_free (&b->packed);
  fence_free (&b->dst);
}

static void
pack (struct bench *b)
{
  b->packed_size = b->codec->compress (b->compressor, b->level, b->src.start,
                                       b->size, b->packed.start);
  assert_uint_in_range (b->packed_size, 1, b->codec->bound (b->size));
}

/* Decompress a copy that ends where its memory ends. */
static int
unpack (struct bench *b, const void *packed, size_t length)
{
  struct fence exact = fence_new (length);
  int r;

  memcpy (exact.start, packed, length);
  r = b->codec->decompress (b->decompressor, exact.start, length,
                            b->dst.start, b->size);
  assert_true (r == 0 || r == -1);
  fence_free (&exact);
  return r;
}

static void
round_trips (struct bench *b)
{
  for (unsigned kind = 0; kind < DATA_KINDS; ++kind)
    for (unsigned i = 0; i < unit_scaled (10); ++i) {
      data_fill (b->src.start, b->size, kind, rng_next (&rng));
      pack (b);
      memset (b->dst.start, 0xee, b->size);
      assert_int_equal (unpack (b, b->packed.start, b->packed_size), 0);
      assert_memory_equal (b->dst.start, b->src.start, b->size);
      if (kind == DATA_TEXT && b->level == b->codec->default_level)
        assert_true (b->packed_size < b->size / 4 * 3);
    }
}

/* Truncated input must fail or decompress to the page.  Codecs may accept
 * input that lacks only bytes without meaning; then the page is right.
 */
static void
cut_short (struct bench *b)
{
  for (unsigned i = 0; i < unit_scaled (50); ++i) {
    size_t length = rng_below (&rng, b->packed_size);

    if (unpack (b, b->packed.start, length) == 0)
      assert_memory_equal (b->dst.start, b->src.start, b->size);
  }
}

static void
flipped (struct bench *b)
{
  uint8_t *copy = malloc (b->packed_size);

  assert_non_null (copy);
  for (unsigned i = 0; i < unit_scaled (200); ++i) {
    memcpy (copy, b->packed.start, b->packed_size);
    for (uint64_t n = rng_below (&rng, 4); n < 4; ++n)
      copy[rng_below (&rng, b->packed_size)] ^= (uint8_t)
        (1 << rng_below (&rng, 8));
    unpack (b, copy, b->packed_size);
  }
  free (copy);
}

static void
garbage (struct bench *b)
{
  uint8_t *buf = malloc (b->size);

  assert_non_null (buf);
  for (unsigned i = 0; i < unit_scaled (200); ++i) {
    size_t length = rng_below (&rng, b->size + 1);
    enum data_kind kind = (enum data_kind) rng_below (&rng, DATA_KINDS);

    data_fill (buf, b->size, kind, rng_next (&rng));
    unpack (b, buf, length);
  }
  free (buf);
}

/* Input for a page of another size must fail. */
static void
wrong_size (struct bench *b)
{
  size_t size = b->size;

  data_fill (b->src.start, size, DATA_TEXT, rng_next (&rng));
  pack (b);
  assert_int_equal (b->codec->decompress (b->decompressor, b->packed.start,
                                          b->packed_size, b->dst.start,
                                          size / 2), -1);
  b->size = size / 2;
  pack (b);
  b->size = size;
  assert_int_equal (unpack (b, b->packed.start, b->packed_size), -1);
  data_fill (b->src.start, size, DATA_PARTLY_RANDOM, rng_next (&rng));
  pack (b);
}

/* Other levels than the default may be slow, so use only small pages. */
static void
try_level (const struct codec *codec, int level)
{
  size_t largest = level == codec->default_level ? 65536 : 4096;

  for (size_t size = 4096; size <= largest; size *= 4) {
    struct bench b;

    bench_open (&b, codec, level, size);
    round_trips (&b);
    wrong_size (&b);
    cut_short (&b);
    flipped (&b);
    garbage (&b);
    /* Damaged input must not have changed the context. */
    round_trips (&b);
    bench_close (&b);
  }
}

static void
try_codec (const struct codec *codec)
{
  static const int levels[] = {
    -131072, -5, -1, 1, 2, 3, 6, 9, 10, 12, 19, 22, 999, 65537,
  };

  for (unsigned i = 0; i < ARRAY_SIZE (levels); ++i)
    if (codec->level_is_valid (levels[i])
        && (!unit_quick () || levels[i] <= 1))
      try_level (codec, levels[i]);
}

TEST (every_codec)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    try_codec (*c);
}

/* Codecs must survive the output of other codecs. */
TEST (codecs_read_each_other)
{
  struct bench from, to;

  for (const struct codec *const *a = codecs; *a; ++a)
    for (const struct codec *const *b = codecs; *b; ++b) {
      bench_open (&from, *a, (*a)->default_level, 4096);
      bench_open (&to, *b, (*b)->default_level, 4096);
      for (unsigned kind = 0; kind < DATA_KINDS; ++kind) {
        data_fill (from.src.start, 4096, kind, rng_next (&rng));
        pack (&from);
        unpack (&to, from.packed.start, from.packed_size);
      }
      bench_close (&from);
      bench_close (&to);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (parses_every_codec),
    cmocka_unit_test (refuses_the_rest),
    cmocka_unit_test (errors_name_what_is_valid),
#ifdef HAVE_ZSTD
    cmocka_unit_test (dictionaries_from_files),
    cmocka_unit_test (refuses_other_dictionaries),
#endif
    cmocka_unit_test (fill_is_no_codec),
    cmocka_unit_test (every_codec),
    cmocka_unit_test (codecs_read_each_other),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("codec", tests, NULL, NULL);
}
