/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every request for memory fails in turn: the first, the second and so
 * on until a run has no more of them; then all from the first on, from
 * the second on.  Whatever fails, nothing is lost or leaked, and no
 * read ever fails.
 *
 * The functions that give memory are replaced in this program, which
 * works for the libraries too.
 */

#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/falloc.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "lib/maintenance/compact.h"
#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

int
main (void)
{
  printf ("SKIP: the sanitizer replaces the same functions\n");
  return SKIPPED;
}

#else

#define PAGE 4096
#define PAGES 64

/* ---- replaced functions ---- */

static bool armed, forever;
static unsigned calls, fail_at, failures, unnoticed;
static long live;               /* allocations and mappings */

/* Is it this call's turn? */
static bool
fails (int err)
{
  if (!armed)
    return false;
  calls++;
  if (forever ? calls < fail_at : calls != fail_at)
    return false;
  failures++;
  errno = err;
  return true;
}

#define REPLACED __attribute__ ((visibility ("default")))

#ifdef HAVE_ZSTD

/* Before 1.5.6 it does not look whether it got memory, so here it fails
 * as a whole.
 */
REPLACED ZSTD_CDict *
ZSTD_createCDict (const void *content, size_t length, int level)
{
  ZSTD_CDict *(*next) (const void *, size_t, int), *made;
  bool was_armed = armed;

  if (fails (ENOMEM))
    return NULL;
  armed = armed && ZSTD_versionNumber () >= 10506;
  next = (ZSTD_CDict *(*) (const void *, size_t, int))
    dlsym (RTLD_NEXT, "ZSTD_createCDict");
  made = next (content, length, level);
  armed = was_armed;
  return made;
}

#endif

extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *p, size_t size);
extern void *__libc_memalign (size_t align, size_t size);
extern void __libc_free (void *p);

static void *
counted (void *p)
{
  live += p != NULL;
  return p;
}

REPLACED void *
malloc (size_t size)
{
  return fails (ENOMEM) ? NULL : counted (__libc_malloc (size));
}

REPLACED void *
calloc (size_t n, size_t size)
{
  return fails (ENOMEM) ? NULL : counted (__libc_calloc (n, size));
}

REPLACED void *
realloc (void *p, size_t size)
{
  if (fails (ENOMEM))
    return NULL;
  return p ? __libc_realloc (p, size) : counted (__libc_realloc (p, size));
}

REPLACED void *
aligned_alloc (size_t align, size_t size)
{
  return fails (ENOMEM) ? NULL : counted (__libc_memalign (align, size));
}

REPLACED int
posix_memalign (void **p, size_t align, size_t size)
{
  if (fails (ENOMEM))
    return ENOMEM;
  *p = counted (__libc_memalign (align, size));
  return *p ? 0 : ENOMEM;
}

REPLACED void
free (void *p)
{
  live -= p != NULL;
  __libc_free (p);
}

REPLACED void *
mmap (void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
  void *p;

  if (fails (ENOMEM))
    return MAP_FAILED;
  p = (void *) syscall (SYS_mmap, addr, len, prot, flags, fd, offset);
  live += p != MAP_FAILED;
  return p;
}

REPLACED int
munmap (void *addr, size_t len)
{
  live--;
  return (int) syscall (SYS_munmap, addr, len);
}

REPLACED int
madvise (void *addr, size_t len, int advice)
{
  return fails (EFAULT) ? -1 : (int) syscall (SYS_madvise, addr, len, advice);
}

REPLACED int
fallocate (int fd, int mode, off_t offset, off_t len)
{
  if (fails (ENOSPC)) {
    unnoticed += (mode & FALLOC_FL_PUNCH_HOLE) != 0;
    return -1;
  }
  return (int) syscall (SYS_fallocate, fd, mode, offset, len);
}

REPLACED int
ftruncate (int fd, off_t length)
{
  return fails (EINVAL) ? -1 : (int) syscall (SYS_ftruncate, fd, length);
}

REPLACED ssize_t
pread (int fd, void *buf, size_t len, off_t offset)
{
  return fails (EIO) ? -1
    : (ssize_t) syscall (SYS_pread64, fd, buf, len, offset);
}

REPLACED off_t
lseek (int fd, off_t offset, int whence)
{
  if (fails (EIO)) {
    unnoticed++;
    return -1;
  }
  return (off_t) syscall (SYS_lseek, fd, offset, whence);
}

/* ---- a run ---- */

static struct unit_pool u;
static struct device *devices[2];
static uint64_t tags[2][PAGES]; /* 0: zeroes */
static struct rng rng;

static void __attribute__ ((noreturn, format (printf, 1, 2)))
wrong (const char *fmt, ...)
{
  va_list args;

  armed = false;
  va_start (args, fmt);
  vfprintf (stderr, fmt, args);
  va_end (args);
  fprintf (stderr, " (errno %d; failed call %u%s, algorithm %s)\n", errno,
           fail_at, forever ? " and all after it" : "",
           u.options.algorithm.codec->name);
  exit (1);
}

#define REQUIRE(cond) \
  do { if (!(cond)) wrong ("line %d: %s", __LINE__, #cond); } while (0)

static void
page_of (uint64_t tag, uint8_t page[PAGE])
{
  if (tag == 0)
    memset (page, 0, PAGE);
  else
    data_fill (page, PAGE, (enum data_kind) (tag % DATA_KINDS), tag);
}

static void
check_page (unsigned n, uint64_t index)
{
  uint8_t found[PAGE], expected[PAGE];

  page_of (tags[n][index], expected);
  if (device_read (devices[n], found, PAGE, index * PAGE) == -1)
    wrong ("page %" PRIu64 " can't be read", index);
  if (memcmp (found, expected, PAGE) != 0)
    wrong ("page %" PRIu64 " has another content", index);
}

static void
check_all (void)
{
  struct unit_sums sums;
  const char *what;

  for (unsigned n = 0; n < 2; ++n)
    for (uint64_t index = 0; index < PAGES; ++index)
      check_page (n, index);
  armed = false;
  /* What the kernel did not take back, or tell, still counts. */
  what = unnoticed > 0 ? unit_walk (u.pool, &sums) : unit_check (u.pool);
  if (what)
    wrong ("invariant: %s", what);
  armed = true;
}

/* Once refused, the second attempt must find nothing in its way. */
static void
attach (void)
{
  if (unit_attach (&u) == -1) {
    REQUIRE (failures > 0);
    REQUIRE (errno == ENOMEM || errno == ENOSPC || errno == EINVAL
             || errno == EIO || errno == EFAULT);
    armed = false;
    REQUIRE (unit_attach (&u) == 0);
    armed = true;
  }
}

static void
open_devices (void)
{
  for (unsigned n = 0; n < 2; ++n) {
    const char *name = n == 0 ? "a" : "b";

    devices[n] = device_open (u.pool, name, PAGES * PAGE);
    if (!devices[n]) {
      uint64_t used = u.pool->budget.used;

      REQUIRE (failures > 0);
      armed = false;
      /* Refused once more, it costs no more. */
      devices[n] = device_open (u.pool, name, PAGES * PAGE);
      REQUIRE (devices[n] != NULL);
      REQUIRE (u.pool->budget.used - used <= OS_PAGE_SIZE);
      armed = true;
    }
  }
}

static void
write_page (unsigned n, uint64_t index)
{
  uint64_t tag = rng_next (&rng) | 1;
  uint8_t page[PAGE];

  page_of (tag, page);
  if (device_write (devices[n], page, PAGE, index * PAGE) == 0)
    tags[n][index] = tag;
  else
    REQUIRE (failures > 0 && errno == ENOSPC);
  check_page (n, index);
}

/* Writes what is there already, so that the tag stays. */
static void
write_part (unsigned n, uint64_t index)
{
  uint32_t at = (uint32_t) rng_below (&rng, PAGE / 2);
  uint8_t page[PAGE];

  page_of (tags[n][index], page);
  if (device_write (devices[n], page + at, PAGE / 3, index * PAGE + at) == -1)
    REQUIRE (failures > 0 && errno == ENOSPC);
  check_page (n, index);
}

static void
trim (unsigned n, uint64_t index)
{
  REQUIRE (device_zero (devices[n], PAGE, index * PAGE) == 0);
  tags[n][index] = 0;
  check_page (n, index);
}

static void
use (unsigned requests)
{
  while (requests-- > 0) {
    unsigned n = (unsigned) rng_below (&rng, 2);
    uint64_t index = rng_below (&rng, PAGES), op = rng_below (&rng, 8);

    if (op < 5)
      write_page (n, index);
    else if (op < 6)
      write_part (n, index);
    else
      trim (n, index);
  }
}

/* What the pool compresses with; NULL: no dictionary. */
static struct dictionary_content *dictionary;

static void
bring_dictionary (struct algorithm *a)
{
  a->dictionary = dictionary;
  a->auto_dictionary = dictionary != NULL;
}

/* Another one, a part of it, while the pool is in use. */
static void
change_dictionary (void)
{
  if (dictionary
      && pool_use_dictionary (u.pool, dictionary->bytes,
                              dictionary->length / 2) == -1)
    REQUIRE (failures > 0 && (errno == ENOMEM || errno == ENOSPC
                              || errno == EINVAL));
}

/* A device with an algorithm of its own; one that can't be had leaves
 * nothing, but for the page of a record that could not be given back.
 */
static void
come_and_go (void)
{
  struct algorithm a = unit_algorithm (codec_by_name ("zstd") ? "zstd:level=2"
                                                              : "lz4hc");
  uint64_t used = u.pool->budget.used;
  struct device *d = device_add (u.pool, "guest", PAGES * PAGE, "", &a);
  uint8_t page[PAGE];

  if (!d) {
    REQUIRE (failures > 0);
    REQUIRE (u.pool->budget.used - used <= OS_PAGE_SIZE);
    return;
  }
  page_of (1, page);
  if (device_write (d, page, PAGE, 0) == -1)
    REQUIRE (failures > 0 && errno == ENOSPC);
  device_remove (d);
  device_put (d);
}

static void
run_requests (void)
{
  open_devices ();
  use (30);
  come_and_go ();
  change_dictionary ();
  use (30);
  check_all ();
  pool_compact (u.pool, NULL);
  check_all ();
}

/* Opens, uses and closes a pool, attaches to it, uses it again. */
static void
run (const char *algorithm, const char *second)
{
  armed = false;
  memset (tags, 0, sizeof tags);
  if (unit_open (&u, algorithm, PAGE, true, 0) == -1)
    wrong ("unit_open");
  unit_detach (&u);
  REQUIRE (syscall (SYS_ftruncate, u.fd, 0) == 0);
  u.options.mem_limit = 64 * MIB;
  bring_dictionary (&u.options.algorithm);

  armed = true;
  attach ();
  run_requests ();
  unit_detach (&u);
  u.options.algorithm = unit_algorithm (second);
  bring_dictionary (&u.options.algorithm);
  attach ();
  run_requests ();
  for (unsigned n = 0; n < 2; ++n)
    REQUIRE (device_zero (devices[n], PAGES * PAGE, 0) == 0);
  memset (tags, 0, sizeof tags);
  check_all ();
  unit_close (&u);
  armed = false;
}

/* Calls that opening makes, at most. */
#define OPENING 100

/* Run until nothing fails, for each call of opening, then for one of
 * STEP calls.  Returns how many runs that took.
 */
static unsigned
fail_in_turn (const char *algorithm, const char *second, uint64_t seed,
              bool all_after, unsigned step)
{
  unsigned runs = 0;

  forever = all_after;
  fail_at = 1;
  do {
    long live_before = live;
    int fd = dup (0);

    close (fd);
    calls = failures = unnoticed = 0;
    rng.state = seed;
    run (algorithm, second);
    if (live != live_before)
      wrong ("%ld allocations or mappings are left", live - live_before);
    if (dup (0) != fd)
      wrong ("a file is left open");
    close (fd);
    runs++;
    fail_at += fail_at < OPENING
      ? 1 : 1 + (unsigned) rng_below (&rng, 2 * step - 1);
  } while (failures > 0);
  return runs;
}

#ifdef HAVE_ZSTD

static void
fail_with_dictionary (uint64_t seed)
{
  dictionary = malloc (sizeof *dictionary + 4 * PAGE);
  if (!dictionary)
    abort ();
  dictionary->length = 4 * PAGE;
  for (size_t at = 0; at < 4 * PAGE; at += PAGE)
    data_fill (dictionary->bytes + at, PAGE, DATA_TEXT, at);
  for (int all_after = 0; all_after < 2; ++all_after)
    printf ("with a dictionary: %u runs\n",
            fail_in_turn ("zstd", "zstd:level=3", seed, all_after,
                          unit_quick () ? 50 : 5));
  free (dictionary);
  dictionary = NULL;
}

#endif

/* ---- decompression ---- */

/* A codec's context, and noise that begins as frames of zstd do, of
 * this format and of those before it: nothing is to be allocated.
 */
static void
decompress_noise (const struct codec *codec)
{
  uint8_t src[300], dst[PAGE];
  size_t bytes;
  void *ctx
    = codec->decompressor_new ? codec->decompressor_new (&bytes) : NULL;

  calls = fail_at = 0;
  forever = false;
  armed = true;
  for (uint32_t i = 0; i < unit_scaled (50000); ++i) {
    uint32_t magic = 0xfd2fb51e + i % 12;

    data_fill (src, sizeof src, DATA_RANDOM, rng_next (&rng));
    memcpy (src, &magic, sizeof magic);
    src[4] = (uint8_t) (i % 2 ? i / 24 : src[4]);
    codec->decompress (ctx, src, sizeof src, dst, PAGE);
  }
  armed = false;
  if (calls > 0)
    wrong ("decompression by %s asked %u times for memory", codec->name,
           calls);
  if (ctx)
    codec->decompressor_free (ctx);
}

int
main (void)
{
  uint64_t seed;

  if (getenv ("NBDZRAM_VALGRIND")) {
    printf ("SKIP: valgrind replaces the same functions\n");
    return SKIPPED;
  }
  rng.state = seed = unit_seed ();
  u.options.algorithm = unit_algorithm ("lz4");
  for (const struct codec *const *c = codecs; *c; ++c)
    decompress_noise (*c);
  for (const struct codec *const *c = codecs; *c; ++c)
    for (int all_after = 0; all_after < 2; ++all_after)
      printf ("%s: %u runs\n", (*c)->name,
              fail_in_turn ((*c)->name, c[1] ? c[1]->name : "lz4", seed,
                            all_after,
                            unit_quick () ? 50
                            : c == codecs && !all_after ? 1 : 20));
#ifdef HAVE_ZSTD
  fail_with_dictionary (seed);
#endif
  return 0;
}

#endif
