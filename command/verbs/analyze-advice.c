/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>

#include "command/base/output.h"

#include "analyze-advice.h"

/* The most seconds that a page may take to write and to read for an algorithm
 * to be recommended: a tenth of the time of a good SSD.
 */
#define WRITE_MAX 30e-6
#define READ_MAX 15e-6
/* A slower algorithm must save this share of the memory. */
#define WORTH 0.05

static bool
is_fast (const struct analyze_run *r, const struct verdict *v)
{
  double pages = (double) r->page_size / PAGE_SIZE_MIN;

  return v->compress <= WRITE_MAX * pages && v->decompress <= READ_MAX * pages;
}

static const struct verdict *
fastest_verdict (const struct analyze_run *r)
{
  const struct verdict *best = &r->verdicts[0];

  for (unsigned i = 1; i < r->count; ++i)
    if (r->verdicts[i].compress < best->compress)
      best = &r->verdicts[i];
  return best;
}

/* The fastest algorithm, or one that is slower but saves enough memory. */
static const struct verdict *
best_verdict (const struct analyze_run *r)
{
  const struct verdict *best = fastest_verdict (r);

  for (unsigned i = 0; i < r->count; ++i)
    if (is_fast (r, &r->verdicts[i])
        && r->verdicts[i].memory < best->memory * (1 - WORTH))
      best = &r->verdicts[i];
  return best;
}

const char *
algorithm_text (char text[TEXT_SIZE], const struct algorithm *a)
{
  if (a->level == a->codec->default_level)
    snprintf (text, TEXT_SIZE, "%s", a->codec->name);
  else
    snprintf (text, TEXT_SIZE, "%s:level=%d", a->codec->name, a->level);
  return text;
}

/* The part of the recommendation about dedup; empty if it saves too little. */
static const char *
dedup_advice (const struct verdict *v, char text[2 * TEXT_SIZE])
{
  char memory[TEXT_SIZE];

  if (v->memory_dedup > v->memory * (1 - WORTH))
    return "";
  snprintf (text, 2 * TEXT_SIZE, ", or %s with dedup=device",
            text_of_size (memory, (uint64_t) v->memory_dedup));
  return text;
}

/* The algorithm that recompresses what FAST has written, and saves enough
 * memory by that, or NULL.  Only reading counts, since nothing waits for
 * recompression.
 */
static const struct verdict *
best_second (const struct analyze_run *r, const struct verdict *fast)
{
  const double read_max = READ_MAX * (double) r->page_size / PAGE_SIZE_MIN;
  const struct verdict *best = NULL;

  for (unsigned i = 0; i < r->count; ++i) {
    const struct verdict *v = &r->verdicts[i];

    if (v->decompress <= read_max && v->memory < fast->memory * (1 - WORTH)
        && (!best || v->memory < best->memory))
      best = v;
  }
  return best;
}

/* The sentence about two algorithms; empty if the second saves too little. */
static const char *
recompress_advice (const struct analyze_run *r, char text[4 * TEXT_SIZE + 128])
{
  const struct verdict *fast = fastest_verdict (r);
  const struct verdict *second = best_second (r, fast);
  char name[TEXT_SIZE], other[TEXT_SIZE], memory[TEXT_SIZE];

  if (!second)
    return "";
  snprintf (text, 4 * TEXT_SIZE + 128, "  Or algorithm=%s recompress=%s: "
            "writing a page takes %.1f µs, and idle pages are recompressed to "
            "%s.", algorithm_text (name, &fast->algorithm),
            algorithm_text (other, &second->algorithm), fast->compress * 1e6,
            text_of_size (memory, (uint64_t) second->memory));
  return text;
}

void
analyze_advise (const struct analyze_run *r, char *text, size_t size)
{
  const struct verdict *v = best_verdict (r);
  char name[TEXT_SIZE], whole[TEXT_SIZE], memory[TEXT_SIZE];
  char dedup[2 * TEXT_SIZE], recompress[4 * TEXT_SIZE + 128];

  text_of_size (whole, r->analysis.pages * r->page_size);
  text_of_size (memory, (uint64_t) v->memory);
  algorithm_text (name, &v->algorithm);
  if (compression_ratio (r, v->memory) < 1.1)
    snprintf (text, size, "A compressed disk is not worth it: these %s would "
              "take %s of memory.", whole, memory);
  else
    snprintf (text, size, "Use algorithm=%s: these %s would take %s of memory "
              "(%.1f : 1)%s, at %.1f µs to write a page and %.1f µs to read "
              "it.%s", name, whole, memory, compression_ratio (r, v->memory),
              dedup_advice (v, dedup), v->compress * 1e6,
              v->decompress * 1e6, recompress_advice (r, recompress));
}
