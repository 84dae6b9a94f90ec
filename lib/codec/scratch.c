/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "scratch.h"

/* Errors and the hold of GENERATION are as in method_open. */
static int
compressor_open (struct compressor *c, const struct algorithm *algorithm,
                 struct dictionaries *dictionaries, int generation,
                 size_t size, struct budget *budget)
{
  if (method_open (&c->method, algorithm, dictionaries, generation, budget)
      == -1)
    return -1;
  if (method_new_context (&c->method, size, &c->context) == 0)
    return 0;

  int err = errno;
  method_close (&c->method);
  return fail_with (err);
}

static void
compressor_close (struct compressor *c)
{
  method_free_context (&c->method, &c->context);
  method_close (&c->method);
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
  size_t bound = largest_bound (w, size);

  if (budget_take (w->budget, page_size + size + bound) == -1)
    return -1;
  w->bytes = page_size + size + bound;
  w->object = aligned_alloc (OS_PAGE_SIZE, page_size);
  w->pages = aligned_alloc (OS_PAGE_SIZE, size);
  w->out = malloc (bound);
  if (!w->object || !w->pages || !w->out)
    return -1;
  for (unsigned i = 0; i < w->count; ++i)
    if (compressor_open (&w->compressors[i], &w->algorithms[i], NULL,
                         NO_GENERATION, size, w->budget) == -1)
      return -1;
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
    compressor_close (&w->compressors[i]);
    compressor_close (&w->page_compressors[i]);
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
  struct compressor *c = &w->compressors[priority - 1];

  return method_compress (&c->method, c->context.p, w->pages + offset, size,
                          w->out);
}

int
scratch_set_dictionary (struct scratch *w, unsigned priority,
                        struct dictionaries *dictionaries, int generation)
{
  struct compressor new;

  if (compressor_open (&new, &w->algorithms[priority - 1], dictionaries,
                       generation, w->page_size, w->budget) == -1)
    return -1;
  compressor_close (&w->page_compressors[priority - 1]);
  w->page_compressors[priority - 1] = new;
  return 0;
}

static const struct compressor *
page_compressor (const struct scratch *w, unsigned priority)
{
  const struct compressor *c = &w->page_compressors[priority - 1];

  return c->method.codec ? c : &w->compressors[priority - 1];
}

size_t
scratch_compress_page (struct scratch *w, unsigned priority)
{
  const struct compressor *c = page_compressor (w, priority);

  return method_compress (&c->method, c->context.p, w->pages, w->page_size,
                          w->out);
}

unsigned
scratch_page_id (const struct scratch *w, unsigned priority)
{
  return method_id (&page_compressor (w, priority)->method);
}
