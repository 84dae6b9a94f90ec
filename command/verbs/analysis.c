/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/alloc/objects.h"
#include "lib/base/checksum.h"
#include "lib/base/util.h"
#include "lib/store/encode.h"
#include "lib/store/same.h"
#include "lib/store/slot.h"

#include "analysis.h"

struct sample_page {
  bool first;                   /* with this content */
  bool tried, fits;             /* some algorithm tried it, compressed it */
};

/* ---- counting ---- */

int
analysis_open (struct analysis *a, uint32_t page_size, uint32_t sample_max,
               uint64_t places)
{
  *a = (struct analysis) {
    .sample_max = sample_max,
    .places = places,
    .hashes = calloc (places, sizeof *a->hashes),
    .spare = malloc (places * sizeof *a->spare),
    .sample = malloc ((size_t) sample_max * page_size),
    .about = calloc (sample_max, sizeof *a->about),
    .random = 1,
  };
  size_classes_init (&a->sizes, page_size);
  if (a->hashes && a->spare && a->sample && a->about)
    return 0;
  analysis_close (a);
  return fail_with (ENOMEM);
}

void
analysis_close (struct analysis *a)
{
  free (a->hashes);
  free (a->spare);
  free (a->sample);
  free (a->about);
}

/* Is HASH one of those that the set keeps? */
static bool
is_kept_hash (const struct analysis *a, uint64_t hash)
{
  return (hash & (((uint64_t) 1 << a->hash_shift) - 1)) == 0;
}

/* Returns whether HASH is new. */
static bool
hash_insert (struct analysis *a, uint64_t hash)
{
  uint64_t at = hash >> 32;

  while (a->hashes[at %= a->places] != 0) {
    if (a->hashes[at] == hash)
      return false;
    ++at;
  }
  a->hashes[at] = hash;
  ++a->hash_count;
  return true;
}

/* Remove half of the hashes from the set. */
static void
hash_thin (struct analysis *a)
{
  uint64_t *all = a->hashes;

  ++a->hash_shift;
  a->hashes = a->spare;
  a->spare = all;
  memset (a->hashes, 0, a->places * sizeof *a->hashes);
  a->hash_count = 0;
  for (uint64_t i = 0; i < a->places; ++i)
    if (all[i] != 0 && is_kept_hash (a, all[i]))
      hash_insert (a, all[i]);
}

/* Returns whether PAGE may be the first with its content. */
static bool
insert_page_hash (struct analysis *a, const void *page)
{
  uint64_t hash = page_checksum (page, a->sizes.page_size);
  bool first;

  if (hash == 0)
    hash = UINT64_MAX;
  if (!is_kept_hash (a, hash))
    return true;
  if (a->hash_count >= a->places / 4 * 3)
    hash_thin (a);
  first = is_kept_hash (a, hash) ? hash_insert (a, hash) : true;
  a->distinct = a->hash_count << a->hash_shift;
  a->estimated = a->hash_shift > 0;
  return first;
}

/* A random number below N (splitmix64). */
static uint64_t
random_below (struct analysis *a, uint64_t n)
{
  uint64_t z = a->random += UINT64_C (0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return (z ^ z >> 31) % n;
}

static uint8_t *
sample_at (const struct analysis *a, uint64_t n)
{
  return a->sample + n * a->sizes.page_size;
}

static void
replace_sample (struct analysis *a, uint64_t n, const void *page, bool first)
{
  memcpy (sample_at (a, n), page, a->sizes.page_size);
  a->about[n] = (struct sample_page) { .first = first };
}

/* Put PAGE, the NTH one, into the sample with a chance that is the same for
 * all pages so far.  The sample is in random order, so any part of it is a
 * random sample too.
 */
static void
add_to_sample (struct analysis *a, uint64_t nth, const void *page, bool first)
{
  uint64_t n = random_below (a, nth);

  if (a->sample_count < a->sample_max) {
    if (n != a->sample_count)
      replace_sample (a, a->sample_count, sample_at (a, n), a->about[n].first);
    a->sample_count++;
  }
  if (n < a->sample_count)
    replace_sample (a, n, page, first);
}

void
analysis_add (struct analysis *a, const void *page)
{
  uint64_t word;

  ++a->pages;
  if (same_filled (page, a->sizes.page_size, &word)) {
    ++a->same_pages;
    if (!slot_same_fits (word))
      ++a->same_stored;
    return;
  }
  add_to_sample (a, a->pages - a->same_pages, page,
                 insert_page_hash (a, page));
}

/* ---- trying ---- */

struct trial {
  struct analysis *analysis;
  struct verdict *verdict;
  void *compressor, *decompressor;
  uint8_t *out, *page;
  double all, firsts;           /* bytes of memory */
  uint32_t first_count;
};

/* Processor time of this thread, which other programs do not disturb. */
static double
thread_time (void)
{
  struct timespec t;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* The memory that an object of BYTES takes: its share of a full zspage. */
static double
memory_of (const struct size_classes *sizes, uint32_t bytes)
{
  const struct size_class *c = &sizes->classes[size_class_of (sizes, bytes)];

  return (double) (sizes->zspage_size + sizeof (struct zspage)) / c->objects;
}

static int
trial_open (struct trial *t, const struct algorithm *algorithm)
{
  const struct codec *codec = algorithm->codec;
  uint32_t page_size = t->analysis->sizes.page_size;
  size_t bytes;

  t->out = malloc (codec->bound (page_size));
  t->page = malloc (page_size);
  t->compressor = codec->compressor_new (algorithm->level, page_size, &bytes);
  if (codec->decompressor_new)
    t->decompressor = codec->decompressor_new (&bytes);
  if (t->out && t->page && t->compressor
      && (t->decompressor || !codec->decompressor_new))
    return 0;
  return fail_with (ENOMEM);
}

static void
trial_close (struct trial *t, const struct codec *codec)
{
  if (t->compressor)
    codec->compressor_free (t->compressor);
  if (t->decompressor)
    codec->decompressor_free (t->decompressor);
  free (t->out);
  free (t->page);
}

static void
count_page (struct trial *t, struct sample_page *about, size_t length)
{
  const struct size_classes *sizes = &t->analysis->sizes;
  uint32_t bytes = (uint32_t) (length + OBJECT_HEADER_SIZE);
  double memory;

  about->tried = true;
  if (length == 0 || bytes > size_class_largest (sizes)) {
    t->verdict->huge++;
    bytes = sizes->page_size;
  }
  else
    about->fits = true;
  memory = memory_of (sizes, bytes);
  t->all += memory;
  if (about->first) {
    t->firsts += memory;
    t->first_count++;
  }
}

static int
try_page (struct trial *t, uint32_t n)
{
  const struct algorithm *a = &t->verdict->algorithm;
  const uint8_t *page = sample_at (t->analysis, n);
  uint32_t page_size = t->analysis->sizes.page_size;
  double before = thread_time (), between;
  size_t length = a->codec->compress (t->compressor, a->level, page,
                                      page_size, t->out);
  int r = 0;

  between = thread_time ();
  t->verdict->compress += between - before;
  if (length != 0) {
    r = a->codec->decompress (t->decompressor, t->out, length, t->page,
                              page_size);
    t->verdict->decompress += thread_time () - between;
    if (r == -1 || memcmp (t->page, page, page_size) != 0)
      return fail_with (EIO);
  }
  count_page (t, &t->analysis->about[n], length);
  return 0;
}

/* Extrapolate from the sample to all pages. */
static void
extrapolate (const struct trial *t, struct verdict *v)
{
  const struct analysis *a = t->analysis;
  double others = (double) (a->pages - a->same_pages);
  double fixed = (double) a->pages * sizeof (slot_t)
    + (double) a->same_stored
      * memory_of (&a->sizes, OBJECT_HEADER_SIZE + sizeof (uint64_t));

  v->memory = v->memory_dedup = fixed;
  if (v->tried == 0)
    return;
  v->compress /= v->tried;
  v->decompress /= v->tried;
  v->memory += others * t->all / v->tried;
  if (t->first_count > 0)
    v->memory_dedup += (double) a->distinct * t->firsts / t->first_count;
}

int
analysis_try (struct analysis *a, const struct algorithm *algorithm,
              double seconds, struct verdict *v)
{
  struct trial t = { .analysis = a, .verdict = v };
  double end = thread_time () + seconds;
  int r;

  *v = (struct verdict) { .algorithm = *algorithm };
  r = trial_open (&t, algorithm);
  while (r == 0 && v->tried < a->sample_count
         && (v->tried == 0 || thread_time () < end)) {
    r = try_page (&t, v->tried);
    v->tried++;
  }
  if (r == 0)
    extrapolate (&t, v);
  trial_close (&t, algorithm->codec);
  return r;
}

/* ---- results ---- */

uint64_t
analysis_duplicates (const struct analysis *a)
{
  uint64_t others = a->pages - a->same_pages;

  return others > a->distinct ? others - a->distinct : 0;
}

double
analysis_incompressible (const struct analysis *a)
{
  uint64_t tried = 0, hopeless = 0;

  for (uint32_t i = 0; i < a->sample_count; ++i) {
    tried += a->about[i].tried;
    hopeless += a->about[i].tried && !a->about[i].fits;
  }
  return tried == 0 ? 0 : (double) hopeless / (double) tried
    * (double) (a->pages - a->same_pages) / (double) a->pages;
}
