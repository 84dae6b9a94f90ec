/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What does backing-key= cost?  All pages of the data are written back and
 * read again, with the key and without it by turns.
 *
 *   backing-key DATA DIRECTORY [ROUNDS]
 *
 * A ratio is the median of the ratios of the rounds (15), each to the other
 * run of the same round.  A file on tmpfs in DIRECTORY is the worst case: a
 * disk takes so long that what the processor does is hidden.
 */

#include <config.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/backing/backing.h"
#include "lib/base/util.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/devices.h"
#include "lib/store/pool.h"

#include "measure.h"

struct bench {
  struct data data;
  char path[4096];
  unsigned rounds;
  uint32_t *order;              /* in which pages are read */
};

/* How long something took, in seconds. */
struct span {
  double wall, cpu;
};

struct run {
  struct span write, read;
};

enum { PLAIN, WITH_KEY, RUNS };

static double
cpu_now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static struct span
span_begin (void)
{
  return (struct span) { now (), cpu_now () };
}

static struct span
span_end (struct span start)
{
  return (struct span) { now () - start.wall, cpu_now () - start.cpu };
}

static struct pool *
open_pool (struct bench *b, bool with_key)
{
  struct pool_options options = {
    .geometry = { .page_size = DATA_PAGE, .checksum = true },
    .algorithm = { .codec = codecs[0], .level = codecs[0]->default_level },
  };
  struct writeback_options file = {
    .path = b->path, .size = b->data.count * DATA_PAGE * 2,
    .with_key = with_key,
  };
  struct backing_error error;
  struct pool *pool;
  char text[512];

  unlink (b->path);
  pool = pool_open (&options);
  if (!pool)
    err (EXIT_FAILURE, "pool");
  if (pool_open_writeback (pool, &file, &error) == -1) {
    backing_error_text (&error, text, sizeof text);
    errx (EXIT_FAILURE, "%s", text);
  }
  return pool;
}

static struct device *
fill (struct bench *b, struct pool *pool)
{
  struct device *d;

  if (pool_start (pool) != ATTACH_OK
      || !(d = device_open (pool, "", b->data.count * DATA_PAGE)))
    err (EXIT_FAILURE, "pool");
  for (size_t i = 0; i < b->data.count; ++i)
    if (device_write (d, data_page (&b->data, i), DATA_PAGE, i * DATA_PAGE)
        == -1)
      err (EXIT_FAILURE, "device_write");
  return d;
}

static struct span
write_back (struct pool *pool)
{
  struct selection all = select_type (PAGES_ALL);
  struct span start = span_begin ();
  struct writeback_result r;

  if (pool_write_back (pool, &all, NULL, &r) == -1)
    err (EXIT_FAILURE, "writeback");
  return span_end (start);
}

static struct span
read_back (struct bench *b, struct pool *pool, struct device *d)
{
  uint8_t page[DATA_PAGE];
  struct span start;

  /* Then no page that is read stays in memory. */
  pool->budget.limit = pool->budget.used;
  start = span_begin ();
  for (size_t i = 0; i < b->data.count; ++i)
    if (device_read (d, page, DATA_PAGE, (uint64_t) b->order[i] * DATA_PAGE)
        == -1)
      err (EXIT_FAILURE, "device_read");
  return span_end (start);
}

static struct run
measure (struct bench *b, bool with_key)
{
  struct pool *pool = open_pool (b, with_key);
  struct device *d = fill (b, pool);
  struct run run = { .write = write_back (pool) };

  run.read = read_back (b, pool, d);
  pool_close (pool);
  unlink (b->path);
  return run;
}

static void
report (const char *what, double ratios[], size_t n, double target,
        const char *details)
{
  char text[160];
  double middle = median (ratios, n);

  snprintf (text, sizeof text, "rounds %.3f-%.3f%s", ratios[0], ratios[n - 1],
            details);
  table_row (what, middle, target == 0 ? NO_TARGET : AT_MOST, target, text);
}

int
main (int argc, char *argv[])
{
  struct bench b = { .rounds = 15 };
  double *wall[2], *cpu[2], us = 0;
  char details[64];

  if (argc < 3 || argc > 4)
    errx (EXIT_FAILURE, "usage: backing-key DATA DIRECTORY [ROUNDS]");
  b.data = data_open (argv[1], 0);
  b.order = shuffled (b.data.count, 1);
  if (argc > 3)
    b.rounds = (unsigned) must_number ("ROUNDS", argv[3], 1);
  if ((size_t) snprintf (b.path, sizeof b.path, "%s/nbdzram-key.%d", argv[2],
                         (int) getpid ()) >= sizeof b.path)
    errx (EXIT_FAILURE, "DIRECTORY: too long");
  for (int i = 0; i < 2; ++i) {
    wall[i] = must_alloc (b.rounds * sizeof *wall[i]);
    cpu[i] = must_alloc (b.rounds * sizeof *cpu[i]);
  }
  printf ("With backing-key=auto, against without, in %s\n", argv[2]);
  for (unsigned r = 0; r < b.rounds; ++r) {
    struct run runs[RUNS];

    for (unsigned i = 0; i < RUNS; ++i) {
      unsigned k = r % 2 ? i : 1 - i;

      runs[k] = measure (&b, k == WITH_KEY);
    }
    wall[0][r] = runs[WITH_KEY].write.wall / runs[PLAIN].write.wall;
    cpu[0][r] = runs[WITH_KEY].write.cpu / runs[PLAIN].write.cpu;
    wall[1][r] = runs[WITH_KEY].read.wall / runs[PLAIN].read.wall;
    cpu[1][r] = runs[WITH_KEY].read.cpu / runs[PLAIN].read.cpu;
    us += runs[PLAIN].write.wall * 1e6 / (double) b.data.count / b.rounds;
  }
  snprintf (details, sizeof details, "; %.2f us a page without", us);
  table_head ();
  report ("writeback: time", wall[0], b.rounds, 1.1, details);
  report ("... processor time", cpu[0], b.rounds, 0, "");
  report ("reads: time", wall[1], b.rounds, 0, "");
  report ("... processor time", cpu[1], b.rounds, 0, "");
  return EXIT_SUCCESS;
}
