/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A workload: touch pages, one after the other or as popular by Zipf,
 * verify every byte, and write every third anew.
 *
 *   touch MIB [zipf=EXPONENT] [passes=2] [seed=N] [hold=1]
 *
 * Each pass touches as many pages as there are.  In order, without zipf,
 * the last pass only reads, and so has verified everything.
 */

#include <config.h>

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/content.h"
#include "tests/lib/prng.h"

#include "workload.h"
#include "zipf.h"

#define PAGE 4096
#define WORDS (PAGE / sizeof (uint64_t))

struct touched {
  struct workload *w;
  uint64_t *memory, pages;
  uint8_t *versions;            /* by page */
};

static struct content
content_of (const struct touched *t, uint64_t page)
{
  return content (t->w->seed ^ page << 8 ^ t->versions[page]);
}

static void
fill (struct touched *t, uint64_t page)
{
  content_write (content_of (t, page), t->memory + page * WORDS, WORDS);
}

static void
verify (struct touched *t, uint64_t page)
{
  const uint64_t *p = t->memory + page * WORDS;

  if (content_differs (content_of (t, page), p, WORDS) == WORDS)
    return;
  warnx ("page %" PRIu64 " is wrong", page);
  t->w->wrong++;
}

static void
touch (struct touched *t, uint64_t page, bool anew)
{
  page_in (&t->w->page_ins, t->memory + page * WORDS);
  verify (t, page);
  if (anew) {
    t->versions[page]++;
    fill (t, page);
  }
}

static void
touch_in_order (struct touched *t, uint64_t passes)
{
  uint64_t prng = t->w->seed;

  for (uint64_t n = 1; n <= passes; ++n)
    for (uint64_t page = 0; page < t->pages; ++page)
      touch (t, page, n < passes && below (&prng, 3) == 0);
}

static void
touch_popular (struct touched *t, uint64_t passes, const struct zipf *z)
{
  uint64_t prng = t->w->seed;

  for (uint64_t n = 0; n < passes * t->pages; ++n) {
    uint64_t page = zipf_next (z, &prng);

    touch (t, page, below (&prng, 3) == 0);
  }
}

static void
work (struct touched *t, uint64_t passes, double exponent)
{
  struct zipf z = { 0 };

  if (exponent > 0)
    z = zipf_new (t->pages, exponent, t->w->seed);
  for (uint64_t page = 0; page < t->pages; ++page)
    fill (t, page);

  workload_begin (t->w);
  if (exponent > 0)
    touch_popular (t, passes, &z);
  else
    touch_in_order (t, passes);
  workload_end (t->w);

  for (uint64_t page = 0; exponent > 0 && page < t->pages; ++page)
    verify (t, page);
  zipf_free (&z);
}

int
main (int argc, char *argv[])
{
  uint64_t passes = 2;
  double exponent = 0;
  const struct parameter own[] = {
    { "passes", &passes, NULL },
    { "zipf", NULL, &exponent },
  };
  struct workload w;
  struct touched t = { .w = &w };

  workload_start (&w, argc, argv, own, 2);
  if (passes == 0)
    errx (2, "passes must be 1 or more");
  t.pages = w.mib * (1048576 / PAGE);
  t.memory = workload_memory (t.pages * PAGE);
  t.versions = workload_memory (t.pages);
  work (&t, passes, exponent);
  return workload_finish (&w);
}
