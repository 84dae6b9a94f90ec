/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dedup costs a store whose pages are all different, and what it
 * saves one that has duplicates: two pools, with it and without, that
 * are given the same pages.
 *
 * Both take turns every few milliseconds, so that both meet the same
 * noise.  Before each turn, which is not timed, the pages to be written
 * get a number that no page had before: there is never a duplicate of
 * what is written, neither among what was written before.
 *
 * A ratio is the time without over the time with; "quiet" is that of the
 * shortest turns only, as in store.c.
 */

#include <config.h>

#include <err.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/checksum.h"
#include "lib/base/util.h"
#include "lib/maintenance/stats.h"
#include "lib/store/devices.h"
#include "lib/store/pool.h"

#include "measure.h"

#define TURN 1000               /* pages */
#define REQUEST 32              /* pages that come together: they are in
                                 * the cache then, as when received */
#define COPIES 4                /* of the data, each changed, on the disk */
#define ROUNDS 5
#define DUPLICATE_PERCENT 14

enum { OFF, ON, SIDES };

struct store {
  struct pool *pool;
  struct device *device;
};

struct bench {
  uint8_t *pages;               /* all different */
  size_t count;
  struct store stores[SIDES];
  uint64_t stamp;
};

/* ---- the pages ---- */

static int
compare_sums (const void *a, const void *b)
{
  const uint64_t *x = a, *y = b;

  return x[0] != y[0] ? (x[0] > y[0]) - (x[0] < y[0])
                      : (x[1] > y[1]) - (x[1] < y[1]);
}

/* The data, each page once. */
static void
load (struct bench *b, const char *path)
{
  struct data data = data_open (path, 0);
  uint64_t (*sums)[2] = must_alloc (data.count * sizeof *sums);
  bool *again = must_alloc (data.count * sizeof *again);

  for (size_t i = 0; i < data.count; ++i) {
    sums[i][0] = page_checksum (data_page (&data, i), DATA_PAGE);
    sums[i][1] = i;
    again[i] = false;
  }
  qsort (sums, data.count, sizeof *sums, compare_sums);
  for (size_t i = 1; i < data.count; ++i)
    again[sums[i][1]] = sums[i][0] == sums[i - 1][0];
  b->pages = must_alloc (data.count * DATA_PAGE);
  for (size_t i = 0; i < data.count; ++i)
    if (!again[i])
      memcpy (b->pages + b->count++ * DATA_PAGE, data_page (&data, i),
              DATA_PAGE);
  printf ("%zu pages, %zu of them different\n", data.count, b->count);
  free (sums);
  free (again);
}

static void
stamp_pages (struct bench *b, size_t first, size_t end)
{
  for (size_t i = first; i < end; ++i) {
    ++b->stamp;
    memcpy (b->pages + i * DATA_PAGE, &b->stamp, sizeof b->stamp);
  }
}

/* ---- stores ---- */

static void
store_open (struct store *s, bool dedup, uint64_t pages)
{
  struct pool_options options = {
    .geometry = { .page_size = DATA_PAGE, .checksum = true },
    .algorithm = { .codec = codecs[0], .level = codecs[0]->default_level },
    .dedup = dedup ? DEDUP_DEVICE : DEDUP_OFF,
  };

  s->pool = pool_open (&options);
  if (!s->pool || pool_start (s->pool) != ATTACH_OK
      || !(s->device = device_open (s->pool, "", pages * DATA_PAGE)))
    err (EXIT_FAILURE, "pool");
}

static void
stores_open (struct bench *b, uint64_t pages)
{
  for (int s = 0; s < SIDES; ++s)
    store_open (&b->stores[s], s == ON, pages);
}

static void
stores_close (struct bench *b)
{
  for (int s = 0; s < SIDES; ++s)
    pool_close (b->stores[s].pool);
}

static void
write_page (const struct bench *b, int s, const uint8_t *page, uint64_t where)
{
  if (device_write (b->stores[s].device, page, DATA_PAGE, where * DATA_PAGE)
      == -1)
    err (EXIT_FAILURE, "device_write");
}

static void
get_stats (const struct bench *b, struct stats st[SIDES])
{
  for (int s = 0; s < SIDES; ++s)
    pool_get_stats (b->stores[s].pool, &st[s]);
}

/* ---- no duplicates ---- */

static void
fill (struct bench *b)
{
  for (uint64_t copy = 0; copy < COPIES; ++copy) {
    stamp_pages (b, 0, b->count);
    for (size_t i = 0; i < b->count; ++i)
      for (int s = 0; s < SIDES; ++s)
        write_page (b, s, b->pages + i * DATA_PAGE, copy * b->count + i);
  }
}

/* Seconds of S to write these pages at random places. */
static double
turn (struct bench *b, int s, size_t first, size_t end, uint64_t seed)
{
  uint8_t request[REQUEST * DATA_PAGE];
  double took = 0, start;

  for (; first < end; first += REQUEST) {
    size_t n = MIN (REQUEST, end - first);

    stamp_pages (b, first, first + n);
    memcpy (request, b->pages + first * DATA_PAGE, n * DATA_PAGE);
    start = now ();
    for (size_t i = 0; i < n; ++i)
      write_page (b, s, request + i * DATA_PAGE,
                  prng (&seed) % (COPIES * b->count));
    took += now () - start;
  }
  return took;
}

/* Each turn of each side at its shortest. */
struct turns {
  size_t count;
  double *best[SIDES];
};

static double
one_round (struct bench *b, struct turns *t, size_t round)
{
  double sum[SIDES] = { 0 };

  for (size_t i = 0; i < t->count; ++i)
    for (size_t k = 0; k < SIDES; ++k) {
      size_t s = (round + i + k) % SIDES;
      double took = turn (b, (int) s, i * TURN, MIN ((i + 1) * TURN, b->count),
                          round * t->count + i);

      sum[s] += took;
      t->best[s][i] = MIN (t->best[s][i], took);
    }
  return sum[OFF] / sum[ON];
}

static void
report_speed (const struct turns *t, double ratios[ROUNDS], size_t pages)
{
  double quiet[SIDES] = { 0 }, middle = median (ratios, ROUNDS);
  char details[128];

  for (int s = 0; s < SIDES; ++s)
    for (size_t i = 0; i < t->count; ++i)
      quiet[s] += t->best[s][i];
  snprintf (details, sizeof details, "quiet %.3f, rounds %.3f-%.3f; "
            "us/page: without %.2f, with %.2f", quiet[OFF] / quiet[ON],
            ratios[0], ratios[ROUNDS - 1],
            quiet[OFF] / (double) pages * 1e6,
            quiet[ON] / (double) pages * 1e6);
  table_row ("no duplicates: write / without dedup", middle, AT_LEAST, 0.93,
             details);
}

static void
measure_speed (struct bench *b)
{
  struct turns t = { .count = div_up (b->count, TURN) };
  double ratios[ROUNDS];

  for (int s = 0; s < SIDES; ++s) {
    t.best[s] = must_alloc (t.count * sizeof (double));
    for (size_t i = 0; i < t.count; ++i)
      t.best[s][i] = DBL_MAX;
  }
  for (size_t n = 0; n < ROUNDS; ++n)
    ratios[n] = one_round (b, &t, n);
  report_speed (&t, ratios, b->count);
  for (int s = 0; s < SIDES; ++s)
    free (t.best[s]);
}

static void
measure_different (struct bench *b)
{
  struct stats st[SIDES];
  char details[128];

  stores_open (b, COPIES * b->count);
  fill (b);
  get_stats (b, st);
  if (st[ON].dup_pages != 0)
    errx (EXIT_FAILURE, "there are duplicates after all");
  snprintf (details, sizeof details, "%.2f MiB of %.2f stored",
            (double) st[ON].mem_dedup / MIB,
            (double) st[ON].compr_data_size / MIB);
  table_row ("no duplicates: memory, % of what is stored",
             ((double) st[ON].mem_used_total - (double) st[OFF].mem_used_total)
             / (double) st[ON].compr_data_size * 100, AT_MOST, 1.5, details);
  measure_speed (b);
  stores_close (b);
}

/* ---- some duplicates ---- */

/* Each page once, in order, and some of them once more among them. */
static void
measure_duplicates (struct bench *b)
{
  size_t all = b->count * 100 / (100 - DUPLICATE_PERCENT);
  struct stats st[SIDES];
  uint64_t seed = 1;
  char details[128];

  stores_open (b, all);
  stamp_pages (b, 0, b->count);
  for (size_t i = 0, next = 0; i < all; ++i) {
    bool new = i * b->count / all >= next && next < b->count;
    size_t page = new ? next++ : prng (&seed) % b->count;

    for (int s = 0; s < SIDES; ++s)
      write_page (b, s, b->pages + page * DATA_PAGE, i);
  }
  get_stats (b, st);
  snprintf (details, sizeof details, "%.2f MiB with, %.2f without; %.1f %% "
            "duplicates", (double) st[ON].mem_used_total / MIB,
            (double) st[OFF].mem_used_total / MIB,
            (double) st[ON].dup_pages / (double) all * 100);
  table_row ("14 % duplicates: memory saved, %",
             (1 - (double) st[ON].mem_used_total
                  / (double) st[OFF].mem_used_total) * 100,
             AT_LEAST, 12, details);
  stores_close (b);
}

int
main (int argc, char *argv[])
{
  struct bench b = { .stamp = 0 };

  if (argc != 2)
    errx (EXIT_FAILURE, "usage: dedup-store DATA");
  load (&b, argv[1]);
  table_head ();
  measure_different (&b);
  measure_duplicates (&b);
  free (b.pages);
  return EXIT_SUCCESS;
}
