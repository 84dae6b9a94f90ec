/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompression of anything at all.  Input: codec, page size, and what
 * is to be decompressed.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "fuzz.h"

const unsigned fuzz_inputs = 20000;

static unsigned
count_codecs (void)
{
  unsigned n = 0;

  while (codecs[n])
    n++;
  return n;
}

/* Made once: damage must not stick to them. */
static void *
decompressor (unsigned n)
{
  static void *contexts[CODEC_IDS];
  size_t bytes;

  if (!contexts[n] && codecs[n]->decompressor_new)
    contexts[n] = codecs[n]->decompressor_new (&bytes);
  return contexts[n];
}

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
  unsigned n;
  int r;

  if (size < 3)
    return 0;
  n = data[0] % count_codecs ();
  page_size = page_size_of (data[1]);
  page = malloc (page_size);
  if (!page)
    abort ();
  r = codecs[n]->decompress (decompressor (n), data + 2, size - 2,
                             page, page_size);
  if (r != 0 && r != -1)
    abort ();
  free (page);
  return 0;
}

size_t
fuzz_example (uint8_t *buf, size_t room, struct rng *rng)
{
  static uint8_t page[65536];
  unsigned n = (unsigned) rng_below (rng, count_codecs ());
  const struct codec *codec = codecs[n];
  size_t page_size = 4096, bytes, length;
  uint8_t *out = malloc (codec->bound (page_size));
  void *ctx = codec->compressor_new (codec->default_level, page_size, &bytes);

  if (!out || !ctx)
    abort ();
  buf[0] = (uint8_t) n;
  buf[1] = 0;
  data_fill (page, page_size, (enum data_kind) rng_below (rng, DATA_KINDS),
             rng_next (rng));
  length = codec->compress (ctx, codec->default_level, page, page_size, out);
  if (length > room - 2)
    length = room - 2;
  memcpy (buf + 2, out, length);
  codec->compressor_free (ctx);
  free (out);
  return length + 2;
}
