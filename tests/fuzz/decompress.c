/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses arbitrary data.
 *
 * The input is the number of a codec, the page size, and the data.  The
 * numbers after the codecs are zstd with a dictionary of raw content, and
 * zstd with a dictionary in its own format.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_ZSTD
#include <zdict.h>
#endif

#include "lib/codec/codec.h"
#include "lib/codec/method.h"

#include "fuzz.h"

#define SAMPLES 300

const unsigned fuzz_inputs = 20000;

static unsigned
count_codecs (void)
{
  unsigned n = 0;

  while (codecs[n])
    n++;
  return n;
}

/* ---- dictionaries ---- */

#ifdef HAVE_ZSTD

static uint8_t contents[2][16384];
static struct dictionaries dictionaries;

/* Generation 0 is raw content, 1 is in zstd's format. */
static size_t
make_content (unsigned n, uint8_t *content, size_t room)
{
  static uint8_t samples[SAMPLES * 4096];
  static size_t sizes[SAMPLES];

  for (unsigned i = 0; i < SAMPLES; ++i) {
    data_fill (samples + i * 4096, 4096, i % 2 ? DATA_TEXT : DATA_RECORDS, i);
    sizes[i] = 4096;
  }
  if (n == 1)
    return ZDICT_trainFromBuffer (content, room, samples, sizes, SAMPLES);
  memcpy (content, samples, room);
  return room;
}

static void
make_dictionaries (void)
{
  size_t bytes;

  dictionaries.codec = codec_by_id (CODEC_ZSTD);
  for (unsigned n = 0; n < 2; ++n) {
    struct dictionary *g = &dictionaries.generations[n];

    g->content = contents[n];
    g->length = make_content (n, contents[n], sizeof contents[n]);
    g->decoder = dictionaries.codec->dictionaries->decoder_new
      (g->content, g->length, &bytes);
    if (!g->decoder)
      abort ();
  }
}

#endif

/* ---- ways to compress ---- */

static unsigned
count_ways (void)
{
#ifdef HAVE_ZSTD
  if (!dictionaries.codec)
    make_dictionaries ();
  return count_codecs () + 2;
#else
  return count_codecs ();
#endif
}

/* Contexts are created once: damaged input must not change them. */
static void *
decompressor (const struct codec *codec)
{
  static void *contexts[CODEC_IDS];
  size_t bytes;

  if (!contexts[codec->id] && codec->decompressor_new)
    contexts[codec->id] = codec->decompressor_new (&bytes);
  return contexts[codec->id];
}

static int
decompress (unsigned way, const uint8_t *src, size_t length,
            uint8_t *page, size_t page_size)
{
#ifdef HAVE_ZSTD
  if (way >= count_codecs ())
    return dictionaries_decompress (&dictionaries,
                                    decompressor (dictionaries.codec),
                                    CODEC_DICTIONARY + way - count_codecs (),
                                    src, length, page, page_size);
#endif
  return codecs[way]->decompress (decompressor (codecs[way]), src, length,
                                  page, page_size);
}

static void
method_of (unsigned way, struct method *m, struct budget *budget)
{
  struct algorithm a = { .codec = codecs[0] };
  struct dictionaries *d = NULL;
  int generation = NO_GENERATION;

  if (way < count_codecs ())
    a.codec = codecs[way];
#ifdef HAVE_ZSTD
  else {
    a.codec = dictionaries.codec;
    d = &dictionaries;
    generation = (int) (way - count_codecs ());
    dictionaries_hold (d, generation);
  }
#endif
  a.level = a.codec->default_level;
  if (method_open (m, &a, d, generation, budget) == -1)
    abort ();
}

static size_t
compress (unsigned way, const uint8_t *page, size_t page_size, uint8_t *out)
{
  struct budget budget = { .limit = 0 };
  struct method m;
  struct context context;
  size_t length;

  method_of (way, &m, &budget);
  if (method_new_context (&m, page_size, &context) == -1)
    abort ();
  length = method_compress (&m, context.p, page, page_size, out);
  method_free_context (&m, &context);
  method_close (&m);
  return length;
}

/* ---- fuzzing ---- */

static size_t
page_size_of (uint8_t byte)
{
  return (size_t) 4096 << byte % 5;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  size_t page_size;
  uint8_t *page;
  int r;

  if (size < 3)
    return 0;
  page_size = page_size_of (data[1]);
  page = malloc (page_size);
  if (!page)
    abort ();
  r = decompress (data[0] % count_ways (), data + 2, size - 2, page,
                  page_size);
  if (r != 0 && r != -1)
    abort ();
  free (page);
  return 0;
}

/* Input without damage must decompress correctly, otherwise the fuzzing
 * proves nothing.
 */
static void
check_round_trip (unsigned way, const uint8_t *page, const uint8_t *packed,
                  size_t length)
{
  static uint8_t found[4096];

  if (decompress (way, packed, length, found, sizeof found) == -1
      || memcmp (found, page, sizeof found) != 0)
    abort ();
}

size_t
fuzz_example (uint8_t *buf, size_t room, struct rng *rng)
{
  static uint8_t page[4096], out[3 * sizeof page];
  unsigned way = (unsigned) rng_below (rng, count_ways ());
  size_t length;

  buf[0] = (uint8_t) way;
  buf[1] = 0;
  data_fill (page, sizeof page, (enum data_kind) rng_below (rng, DATA_KINDS),
             rng_next (rng));
  length = compress (way, page, sizeof page, out);
  check_round_trip (way, page, out, length);
  if (length > room - 2)
    length = room - 2;
  memcpy (buf + 2, out, length);
  return length + 2;
}
