/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/util.h"

#include "method.h"

static int
make_encoder (struct method *m)
{
  const struct codec_dictionaries *ops = m->codec->dictionaries;
  const struct dictionary *g = &m->dictionaries->generations[m->generation];
  size_t bytes;

  m->encoder = ops->encoder_new (g->content, g->length, m->level, &bytes);
  if (!m->encoder || budget_take (m->budget, bytes) == -1)
    return -1;
  m->bytes = bytes;
  return 0;
}

int
method_open (struct method *m, const struct algorithm *algorithm,
             struct dictionaries *dictionaries, int generation,
             struct budget *budget)
{
  *m = (struct method) {
    .codec = algorithm->codec,
    .level = algorithm->level,
    .generation = generation,
    .dictionaries = dictionaries,
    .budget = budget,
  };
  if (generation == NO_GENERATION || make_encoder (m) == 0)
    return 0;

  int err = errno;
  method_close (m);
  return fail_with (err);
}

void
method_close (struct method *m)
{
  if (!m->codec)
    return;
  if (m->encoder)
    m->codec->dictionaries->encoder_free (m->encoder);
  if (m->generation != NO_GENERATION)
    dictionaries_release (m->dictionaries, m->generation);
  budget_give (m->budget, m->bytes);
  *m = (struct method) { .codec = NULL };
}

int
method_new_context (const struct method *m, size_t page_size,
                    struct context *c)
{
  size_t bytes;
  void *p = m->encoder
    ? m->codec->dictionaries->compressor_new (m->encoder, page_size, &bytes)
    : m->codec->compressor_new (m->level, page_size, &bytes);

  if (!p)
    return -1;
  if (budget_take (m->budget, bytes) == -1) {
    m->codec->compressor_free (p);
    return -1;
  }
  *c = (struct context) { p, bytes };
  return 0;
}

void
method_free_context (const struct method *m, struct context *c)
{
  if (!c->p)
    return;
  m->codec->compressor_free (c->p);
  budget_give (m->budget, c->bytes);
  *c = (struct context) { .p = NULL };
}

uint64_t
method_cost (const struct algorithm *algorithm, size_t page_size)
{
  const struct dictionary_content *content = algorithm->dictionary;
  struct dictionaries one = { .file = NULL };
  struct budget budget = { .limit = 0 };
  struct context context = { .p = NULL };
  struct method m;
  uint64_t bytes;

  if (!content)
    return 0;
  one.generations[0].content = content->bytes;
  one.generations[0].length = content->length;
  dictionaries_hold (&one, 0);
  if (method_open (&m, algorithm, &one, 0, &budget) == -1)
    return 0;
  method_new_context (&m, page_size, &context);
  bytes = budget.used;
  method_free_context (&m, &context);
  method_close (&m);
  return bytes + dictionary_cost (content->bytes, content->length);
}
