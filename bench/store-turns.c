/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two sides take turns; the ratios of their times. */

#include <config.h>

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/util.h"

#include "store.h"

#define TURN 2000               /* pages one side does in its turn */

struct turns
turns_new (size_t pages, size_t rounds)
{
  struct turns t = {
    .count = MAX (2, div_up (pages, TURN)),
    .ratios = must_alloc (rounds * sizeof (double)),
  };

  for (int s = 0; s < 2; ++s) {
    t.best[s] = must_alloc (t.count * sizeof (double));
    for (size_t i = 0; i < t.count; ++i)
      t.best[s][i] = DBL_MAX;
  }
  return t;
}

void
turns_free (struct turns *t)
{
  free (t->ratios);
  free (t->best[0]);
  free (t->best[1]);
}

void
turns_note (struct turns *t, int s, size_t turn, double seconds,
            double sum[2])
{
  sum[s] += seconds;
  t->total[s] += seconds;
  t->best[s][turn] = MIN (t->best[s][turn], seconds);
}

void
round_done (struct turns *t, const double sum[2])
{
  t->ratios[t->rounds++] = sum[0] / sum[1];
}

static double
quiet_ratio (const struct turns *t)
{
  double sum[2] = { 0 };

  for (int s = 0; s < 2; ++s)
    for (size_t i = 0; i < t->count; ++i)
      sum[s] += t->best[s][i];
  return sum[0] / sum[1];
}

void
report (const struct bench *b, const char *what, const struct turns *t,
        const char *const names[2], enum aim aim, double target)
{
  double per_page = 1e6 / (double) (t->rounds * b->data.count);
  double mid = median (t->ratios, t->rounds);
  char title[64], details[160];

  snprintf (title, sizeof title, "%s: %s", b->algorithm.codec->name, what);
  snprintf (details, sizeof details,
            "quiet %.3f, rounds %.3f-%.3f; us/page: %s %.2f, %s %.2f",
            quiet_ratio (t), t->ratios[0], t->ratios[t->rounds - 1],
            names[0], t->total[0] * per_page,
            names[1], t->total[1] * per_page);
  table_row (title, mid, aim, target, details);
}

static double
timed (struct runner *r, const struct side *side, const struct turns *t,
       size_t turn)
{
  size_t pages = r->b->data.count;
  double start = now ();

  side->run (r, side, turn * pages / t->count, (turn + 1) * pages / t->count);
  return now () - start;
}

void
one_round (struct runner *r, struct turns *t, const struct side sides[2])
{
  double sum[2] = { 0 };

  for (size_t i = 0; i < t->count; ++i)
    for (int s = 0; s < 2; ++s) {
      size_t turn = (i + (size_t) s * t->count / 2) % t->count;

      turns_note (t, s, turn, timed (r, &sides[s], t, turn), sum);
    }
  round_done (t, sum);
}

bool
go_on (const struct bench *b, size_t i, double start)
{
  return i < b->rounds && (i < MIN (3, b->rounds)
                           || now () - start < b->seconds);
}
