/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sides that bench/store compares, and what they need. */

#include <config.h>

#include <err.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "store.h"

/* ---- the four loops ---- */

void
bare_write (struct runner *r, const struct side *side, size_t first,
            size_t end)
{
  const struct algorithm *a = &r->b->algorithm;

  (void) side;
  for (size_t i = first; i < end; ++i)
    if (a->codec->compress (r->compressor, a->level,
                            data_page (&r->b->data, i), DATA_PAGE, r->out)
        == 0)
      errx (EXIT_FAILURE, "%s: can't compress", a->codec->name);
}

void
store_write (struct runner *r, const struct side *side, size_t first,
             size_t end)
{
  const struct data *data = &r->b->data;

  for (size_t i = first; i < end; ++i)
    if (device_write (r->b->device, data_page (data, i), DATA_PAGE,
                      (i + side->shift) % data->count * DATA_PAGE) == -1)
      err (EXIT_FAILURE, "device_write");
}

void
bare_read (struct runner *r, const struct side *side, size_t first, size_t end)
{
  const struct bench *b = r->b;
  const struct codec *codec = b->algorithm.codec;

  (void) side;
  for (size_t i = first; i < end; ++i) {
    const struct packed_page *p = &b->index[b->order[i]];

    if (codec->decompress (r->decompressor, b->packed + p->offset, p->length,
                           r->page, DATA_PAGE) == -1)
      errx (EXIT_FAILURE, "%s: can't decompress", codec->name);
  }
}

void
store_read (struct runner *r, const struct side *side, size_t first,
            size_t end)
{
  const struct bench *b = r->b;

  for (size_t i = first; i < end; ++i)
    if (device_read (b->device, r->page, DATA_PAGE,
                     (b->order[i] + side->shift) % b->data.count * DATA_PAGE)
        == -1)
      err (EXIT_FAILURE, "device_read");
}

/* ---- making and unmaking ---- */

void
runner_init (struct runner *r, struct bench *b)
{
  const struct codec *codec = b->algorithm.codec;
  size_t bytes;

  r->b = b;
  r->compressor
    = codec->compressor_new (b->algorithm.level, DATA_PAGE, &bytes);
  r->decompressor = codec->decompressor_new
    ? codec->decompressor_new (&bytes) : NULL;
  if (!r->compressor || (codec->decompressor_new && !r->decompressor))
    err (EXIT_FAILURE, "%s", codec->name);
  r->out = must_alloc (codec->bound (DATA_PAGE));
  r->page = aligned_alloc (DATA_PAGE, DATA_PAGE);
  if (!r->page)
    err (EXIT_FAILURE, "aligned_alloc");
}

void
runner_free (struct runner *r)
{
  const struct codec *codec = r->b->algorithm.codec;

  codec->compressor_free (r->compressor);
  if (codec->decompressor_free)
    codec->decompressor_free (r->decompressor);
  free (r->out);
  free (r->page);
}

static struct pool *
new_pool (const struct bench *b)
{
  struct pool_options options = {
    .geometry = { .page_size = DATA_PAGE, .checksum = b->checksum },
    .algorithm = b->algorithm,
  };
  struct pool *pool = pool_open (&options);

  if (!pool || pool_start (pool) != ATTACH_OK)
    err (EXIT_FAILURE, "pool");
  return pool;
}

void
empty_the_disk (struct bench *b)
{
  pool_close (b->pool);
  b->pool = new_pool (b);
  b->device = device_open (b->pool, "", b->data.count * DATA_PAGE);
  if (!b->device)
    err (EXIT_FAILURE, "device_open");
}

/* Shared memory, as the store's: the same kind of OS pages. */
static uint8_t *
map_shared (size_t size)
{
  int fd = memfd_create ("packed", MFD_CLOEXEC);
  uint8_t *p;

  if (fd == -1 || ftruncate (fd, (off_t) size) == -1
      || !(p = os_map_file (fd, 0, size)))
    err (EXIT_FAILURE, "memfd");
  close (fd);
  return p;
}

static size_t
packed_size (const struct bench *b)
{
  return align_up (b->data.count * b->algorithm.codec->bound (DATA_PAGE),
                   OS_PAGE_SIZE);
}

void
pack (struct bench *b, struct runner *r)
{
  const struct algorithm *a = &b->algorithm;
  uint64_t offset = 0;

  b->packed = map_shared (packed_size (b));
  b->index = must_alloc (b->data.count * sizeof b->index[0]);
  for (size_t i = 0; i < b->data.count; ++i) {
    size_t length = a->codec->compress (r->compressor, a->level,
                                        data_page (&b->data, i), DATA_PAGE,
                                        b->packed + offset);

    b->index[i] = (struct packed_page) { offset, (uint32_t) length };
    offset += length;
  }
}

void
unpack (struct bench *b)
{
  os_unmap (b->packed, packed_size (b));
  free (b->index);
}
