/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <xxhash.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "dictionary.h"

#define AREAS_SIZE ((uint64_t) POOL_DICTIONARIES * POOL_DICTIONARY_MAX)

/* ---- memory behind areas ---- */

/* Return whether each area has memory of its own.  Otherwise several areas
 * share a huge page: all of them are allocated with the first dictionary,
 * and never freed.
 */
static bool
areas_are_apart (const struct dictionaries *d)
{
  return d->file->granule <= POOL_DICTIONARY_MAX;
}

static uint64_t
areas_size (const struct dictionaries *d)
{
  return align_up (AREAS_SIZE, d->file->granule);
}

/* Return how many bytes of memory LENGTH bytes of content take in an area. */
static uint64_t
area_bytes (const struct dictionaries *d, size_t length)
{
  return areas_are_apart (d) ? align_up (length, d->file->granule) : 0;
}

static uint8_t *
area_of (const struct dictionaries *d, unsigned n)
{
  return d->areas + (size_t) n * POOL_DICTIONARY_MAX;
}

/* Take the huge pages that areas share from the budget, unless that was done
 * or there are none.
 */
static int
take_shared_pages (struct dictionaries *d)
{
  if (areas_are_apart (d) || d->shared_bytes > 0)
    return 0;
  if (budget_take (d->budget, areas_size (d)) == -1)
    return -1;
  d->shared_bytes = areas_size (d);
  return 0;
}

/* Free the memory of area N from byte FROM on. */
static void
punch_area (struct dictionaries *d, unsigned n, uint64_t from)
{
  uint64_t offset = pool_file_dictionary_offset (d->file, n);

  if (areas_are_apart (d) && from < POOL_DICTIONARY_MAX)
    os_punch (d->file->fd, offset + from, POOL_DICTIONARY_MAX - from);
}

/* ---- one generation ---- */

/* Create the decoder of G, which has its content.  If LIMITED is true, fail
 * with ENOSPC if the budget has no room for it.
 */
static int
make_decoder (struct dictionaries *d, struct dictionary *g, bool limited)
{
  size_t bytes;
  void *decoder = d->codec->dictionaries->decoder_new (g->content, g->length,
                                                       &bytes);

  if (!decoder)
    return -1;
  if (!limited)
    budget_force (d->budget, bytes);
  else if (budget_take (d->budget, bytes) == -1) {
    d->codec->dictionaries->decoder_free (decoder);
    return fail_with (ENOSPC);
  }
  g->bytes += bytes;
  atomic_store (&g->decoder, decoder);
  return 0;
}

static void
free_decoder (struct dictionaries *d, struct dictionary *g)
{
  void *decoder = atomic_exchange (&g->decoder, NULL);

  if (decoder)
    d->codec->dictionaries->decoder_free (decoder);
}

/* Make area N free.  Clears the record before the content: after a kill, a
 * record that exists must have its content.
 */
static void
clear_area (struct dictionaries *d, unsigned n)
{
  struct dictionary *g = &d->generations[n];

  free_decoder (d, g);
  pool_file_clear_dictionary (d->file, n);
  punch_area (d, n, 0);
  budget_give (d->budget, g->bytes);
  g->bytes = 0;
  g->length = 0;
}

/* ---- opening ---- */

/* Return whether the content of area N is what its record says.  Does not
 * read holes: that would allocate memory, and there may be none.
 */
static bool
content_is_whole (const struct dictionaries *d, unsigned n,
                  const struct dictionary_record *record)
{
  uint64_t from = pool_file_dictionary_offset (d->file, n);
  uint64_t to = from + record->length, start, stop;

  return pool_file_next_data (d->file, from, to, &start, &stop)
    && start == from && stop == to
    && XXH3_64bits (area_of (d, n), record->length) == record->sum;
}

/* Load the dictionary of area N if it has one.  A damaged one is cleared.
 * The slots that name it still count, so that the area stays unused and none
 * of its pages is ever decompressed with another dictionary.
 */
static int
load_area (struct dictionaries *d, unsigned n)
{
  struct dictionary *g = &d->generations[n];
  struct dictionary_record record;

  if (pool_file_get_dictionary (d->file, n, &record) == -1
      || !content_is_whole (d, n, &record)) {
    clear_area (d, n);
    return 0;
  }
  g->length = record.length;
  g->bytes = area_bytes (d, g->length);
  budget_force (d->budget, g->bytes);
  punch_area (d, n, g->bytes);
  if (!areas_are_apart (d) && d->shared_bytes == 0)
    budget_force (d->budget, d->shared_bytes = areas_size (d));
  if (!d->codec || make_decoder (d, g, false) == 0)
    return 0;
  if (errno != EINVAL)
    return -1;
  clear_area (d, n);
  return 0;
}

int
dictionaries_open (struct dictionaries *d, struct pool_file *file,
                   struct budget *budget)
{
  *d = (struct dictionaries) {
    .file = file,
    .budget = budget,
    .codec = codec_by_id (CODEC_ZSTD),
  };
  d->areas = os_map_file (file->fd, file->head_size, areas_size (d));
  if (!d->areas)
    return -1;
  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n) {
    d->generations[n].content = area_of (d, n);
    if (!file->created && load_area (d, n) == -1)
      return -1;
  }
  return 0;
}

void
dictionaries_close (struct dictionaries *d)
{
  if (!d->file)
    return;
  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n) {
    free_decoder (d, &d->generations[n]);
    budget_give (d->budget, d->generations[n].bytes);
  }
  budget_give (d->budget, d->shared_bytes);
  if (d->areas)
    os_unmap (d->areas, areas_size (d));
  d->file = NULL;
}

/* ---- adding ---- */

/* Return the generation with this content, or -1.  Servers often start with
 * the same dictionary as before.
 */
static int
find_content (const struct dictionaries *d, const void *content,
              size_t length)
{
  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n) {
    const struct dictionary *g = &d->generations[n];

    if (g->decoder && g->length == length
        && memcmp (g->content, content, length) == 0)
      return (int) n;
  }
  return -1;
}

/* Return an area that has no dictionary and that no slot names, or -1 with
 * errno EMLINK.  Pages whose dictionary was damaged still name its area: a
 * new dictionary there would decompress them to wrong content.
 */
static int
find_free_area (const struct dictionaries *d)
{
  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n)
    if (d->generations[n].length == 0 && d->generations[n].slots == 0)
      return (int) n;
  return fail_with (EMLINK);
}

/* Fill area N with CONTENT, of g->length bytes, and create its decoder; then
 * only the record is missing.
 */
static int
fill_area (struct dictionaries *d, unsigned n, struct dictionary *g,
           const void *content)
{
  uint64_t bytes = area_bytes (d, g->length);

  if (take_shared_pages (d) == -1 || budget_take (d->budget, bytes) == -1)
    return -1;
  g->bytes = bytes;
  if (os_populate (d->file->fd, area_of (d, n),
                   pool_file_dictionary_offset (d->file, n),
                   align_up (g->length, OS_PAGE_SIZE)) == -1)
    return -1;
  memcpy (area_of (d, n), content, g->length);
  return make_decoder (d, g, true);
}

int
dictionaries_add (struct dictionaries *d, const void *content, size_t length)
{
  struct dictionary_record record = {
    .length = length, .sum = XXH3_64bits (content, length),
  };
  int n;

  if (!d->codec || length == 0 || length > POOL_DICTIONARY_MAX)
    return fail_with (d->codec ? EINVAL : ENOTSUP);
  n = find_content (d, content, length);
  if (n == -1) {
    if ((n = find_free_area (d)) == -1)
      return -1;
    d->generations[n].length = length;
    if (fill_area (d, (unsigned) n, &d->generations[n], content) == -1) {
      int err = errno;

      clear_area (d, (unsigned) n);
      return fail_with (err);
    }
    pool_file_set_dictionary (d->file, (unsigned) n, &record);
  }
  dictionaries_hold (d, n);
  return n;
}

int
dictionaries_find_used (struct dictionaries *d)
{
  uint64_t most = 0;
  int found = -1;

  for (int n = 0; n < POOL_DICTIONARIES; ++n)
    if (d->generations[n].decoder && d->generations[n].slots > most) {
      most = d->generations[n].slots;
      found = n;
    }
  if (found != -1)
    dictionaries_hold (d, found);
  return found;
}

/* ---- holding and dropping ---- */

void
dictionaries_hold (struct dictionaries *d, int generation)
{
  atomic_fetch_add (&d->generations[generation].holders, 1);
}

void
dictionaries_release (struct dictionaries *d, int generation)
{
  atomic_fetch_sub (&d->generations[generation].holders, 1);
}

/* Added to the number of holders while a generation is being dropped. */
#define DROPPING (UINT_MAX / 2 + 1)

bool
dictionaries_try_hold (struct dictionaries *d, unsigned id)
{
  struct dictionary *g = &d->generations[id - CODEC_DICTIONARY];
  unsigned holders = atomic_load (&g->holders);

  do
    if (holders >= DROPPING)
      return false;
  while (!atomic_compare_exchange_weak (&g->holders, &holders, holders + 1));
  if (atomic_load (&g->decoder))
    return true;
  atomic_fetch_sub (&g->holders, 1);
  return false;
}

/* Drop generation N if it is unused.  Once DROPPING is added, no thread can
 * hold it any more.  Only then can the slots be checked: a slot is counted
 * while its writer holds the generation.
 */
static bool
drop_generation (struct dictionaries *d, unsigned n)
{
  struct dictionary *g = &d->generations[n];
  unsigned none = 0;
  bool unused;

  if (g->length == 0
      || !atomic_compare_exchange_strong (&g->holders, &none, DROPPING))
    return false;
  unused = atomic_load (&g->slots) == 0;
  if (unused)
    clear_area (d, n);
  atomic_fetch_sub (&g->holders, DROPPING);
  return unused;
}

unsigned
dictionaries_drop_unused (struct dictionaries *d)
{
  unsigned dropped = 0;

  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n)
    dropped += drop_generation (d, n);
  return dropped;
}

/* ---- using ---- */

uint64_t
dictionary_cost (const void *content, size_t length)
{
  const struct codec *codec = codec_by_id (CODEC_ZSTD);
  size_t bytes = 0;
  void *decoder = codec
    ? codec->dictionaries->decoder_new (content, length, &bytes) : NULL;

  if (decoder)
    codec->dictionaries->decoder_free (decoder);
  return align_up (length, OS_PAGE_SIZE) + bytes;
}

int
dictionaries_decompress (struct dictionaries *d, void *ctx, unsigned id,
                         const void *src, size_t length,
                         void *dst, size_t size)
{
  const void *decoder
    = atomic_load_explicit (&d->generations[id - CODEC_DICTIONARY].decoder,
                            memory_order_acquire);

  if (!decoder)
    return -1;
  return d->codec->dictionaries->decompress (ctx, decoder, src, length,
                                             dst, size);
}
