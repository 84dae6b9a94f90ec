/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "scratch.h"

static int
take_budget (struct scratch *w, size_t bytes)
{
  if (budget_take (w->budget, bytes) == -1)
    return -1;
  w->bytes += bytes;
  return 0;
}

static size_t
largest_bound (const struct scratch *w, size_t size)
{
  size_t bound = 0;

  for (unsigned i = 0; i < w->count; ++i)
    bound = MAX (bound, w->algorithms[i].codec->bound (size));
  return bound;
}

static int
allocate_scratch (struct scratch *w, size_t page_size, size_t size)
{
  size_t bound = largest_bound (w, size), bytes;

  if (take_budget (w, page_size + size + bound) == -1)
    return -1;
  w->object = aligned_alloc (OS_PAGE_SIZE, page_size);
  w->pages = aligned_alloc (OS_PAGE_SIZE, size);
  w->out = malloc (bound);
  if (!w->object || !w->pages || !w->out)
    return -1;
  for (unsigned i = 0; i < w->count; ++i) {
    const struct algorithm *a = &w->algorithms[i];

    w->compressors[i] = a->codec->compressor_new (a->level, size, &bytes);
    if (!w->compressors[i] || take_budget (w, bytes) == -1)
      return -1;
  }
  return 0;
}

int
scratch_open (struct scratch *w, const struct algorithm *algorithms,
              unsigned count, size_t page_size, size_t group_bytes,
              struct budget *budget)
{
  *w = (struct scratch) {
    .budget = budget,
    .algorithms = algorithms,
    .count = count,
    .page_size = page_size,
  };
  if (count == 0
      || allocate_scratch (w, page_size, MAX (page_size, group_bytes)) == 0)
    return 0;
  scratch_close (w);
  return -1;
}

void
scratch_close (struct scratch *w)
{
  for (unsigned i = 0; i < w->count; ++i) {
    if (w->compressors[i])
      w->algorithms[i].codec->compressor_free (w->compressors[i]);
    if (w->page_compressors[i])
      method_compressor_free (&w->methods[i], w->page_compressors[i]);
    method_close (&w->methods[i]);
    budget_give (w->budget, w->page_compressor_bytes[i]);
  }
  free (w->object);
  free (w->pages);
  free (w->out);
  if (w->budget)
    budget_give (w->budget, w->bytes);
  *w = (struct scratch) { .count = 0 };
}

size_t
scratch_compress (struct scratch *w, unsigned priority, size_t offset,
                  size_t size)
{
  const struct algorithm *a = &w->algorithms[priority - 1];

  return a->codec->compress (w->compressors[priority - 1], a->level,
                             w->pages + offset, size, w->out);
}

int
scratch_set_dictionary (struct scratch *w, unsigned priority,
                        struct dictionaries *dictionaries, int generation)
{
  struct method *m = &w->methods[priority - 1], new;
  void **ctx = &w->page_compressors[priority - 1];
  size_t bytes;
  void *made;

  if (method_open (&new, &w->algorithms[priority - 1], dictionaries,
                   generation, w->budget) == -1)
    return -1;
  made = method_compressor_new (&new, w->page_size, &bytes);
  if (!made || budget_take (w->budget, bytes) == -1) {
    int err = errno;

    if (made)
      method_compressor_free (&new, made);
    method_close (&new);
    errno = err;
    return -1;
  }
  if (*ctx)
    method_compressor_free (m, *ctx);
  budget_give (w->budget, w->page_compressor_bytes[priority - 1]);
  method_close (m);
  *m = new;
  *ctx = made;
  w->page_compressor_bytes[priority - 1] = bytes;
  return 0;
}

size_t
scratch_compress_page (struct scratch *w, unsigned priority)
{
  void *ctx = w->page_compressors[priority - 1];

  return ctx
    ? method_compress (&w->methods[priority - 1], ctx, w->pages, w->page_size,
                       w->out)
    : scratch_compress (w, priority, 0, w->page_size);
}

unsigned
scratch_page_id (const struct scratch *w, unsigned priority)
{
  return w->page_compressors[priority - 1]
    ? method_id (&w->methods[priority - 1])
    : w->algorithms[priority - 1].codec->id;
}

uint64_t
scratch_bytes_taken (const struct scratch *w)
{
  uint64_t bytes = w->bytes;

  for (unsigned i = 0; i < w->count; ++i)
    bytes += w->page_compressor_bytes[i] + w->methods[i].bytes;
  return bytes;
}
