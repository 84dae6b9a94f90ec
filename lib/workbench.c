/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdlib.h>

#include "os.h"
#include "util.h"
#include "workbench.h"

static int
account (struct workbench *w, size_t bytes)
{
  if (budget_take (w->budget, bytes) == -1)
    return -1;
  w->bytes += bytes;
  return 0;
}

static size_t
largest_bound (const struct workbench *w, size_t size)
{
  size_t bound = 0;

  for (unsigned i = 0; i < w->count; ++i)
    bound = MAX (bound, w->algorithms[i].codec->bound (size));
  return bound;
}

static int
make (struct workbench *w, size_t page_size, size_t size)
{
  size_t bound = largest_bound (w, size), bytes;

  if (account (w, page_size + size + bound) == -1)
    return -1;
  w->object = aligned_alloc (OS_PAGE_SIZE, page_size);
  w->pages = aligned_alloc (OS_PAGE_SIZE, size);
  w->out = malloc (bound);
  if (!w->object || !w->pages || !w->out)
    return -1;
  for (unsigned i = 0; i < w->count; ++i) {
    const struct algorithm *a = &w->algorithms[i];

    w->compressors[i] = a->codec->compressor_new (a->level, size, &bytes);
    if (!w->compressors[i] || account (w, bytes) == -1)
      return -1;
  }
  return 0;
}

int
workbench_open (struct workbench *w, const struct algorithm *algorithms,
                unsigned count, size_t page_size, size_t group_bytes,
                struct budget *budget)
{
  *w = (struct workbench) {
    .budget = budget,
    .algorithms = algorithms,
    .count = count,
  };
  if (count == 0 || make (w, page_size, MAX (page_size, group_bytes)) == 0)
    return 0;
  workbench_close (w);
  return -1;
}

void
workbench_close (struct workbench *w)
{
  for (unsigned i = 0; i < w->count; ++i)
    if (w->compressors[i])
      w->algorithms[i].codec->compressor_free (w->compressors[i]);
  free (w->object);
  free (w->pages);
  free (w->out);
  if (w->budget)
    budget_give (w->budget, w->bytes);
  *w = (struct workbench) { .count = 0 };
}

size_t
workbench_compress (struct workbench *w, unsigned priority, size_t offset,
                    size_t size)
{
  const struct algorithm *a = &w->algorithms[priority - 1];

  return a->codec->compress (w->compressors[priority - 1], a->level,
                             w->pages + offset, size, w->out);
}
