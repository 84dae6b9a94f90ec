/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file in use for long: pages are written, leave for the file,
 * and are written again, while the cleaner keeps the file small.  How
 * much larger is it than what is alive in it, and how much is written to
 * it for each byte of an object that leaves memory?
 *
 *   churn DATA DIRECTORY [MEGABYTES [TIMES]]
 *
 * The file, in DIRECTORY, is of MEGABYTES (64), three fifths of which
 * come to be alive; these are replaced TIMES (4) over, in small steps,
 * after each of which all that was written leaves memory, and the file is
 * cleaned if it is due, as the policy would.
 *
 * Replacing pages at random is the worst case: see lib/backing/clean.c.
 */

#include <config.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/backing/backing.h"
#include "lib/base/util.h"
#include "lib/maintenance/idle.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/devices.h"

#include "measure.h"

#define ALIVE_PERCENT 60        /* of the file */
#define STEPS 100               /* in which all pages are replaced once */
#define RUN 64                  /* neighbours */

enum pattern { UNIFORM, SKEWED, RUNS, PATTERNS };

static const char *const pattern_names[PATTERNS] = {
  "uniform", "80 % in 20 %", "runs of 64",
};

struct bench {
  struct data data;
  char path[4096];
  uint64_t bytes;               /* of the file */
  unsigned times;
  struct pool *pool;
  struct device *d;
  uint64_t pages, prng;
};

/* What happened between two looks at the file. */
struct span {
  uint64_t written, objects;    /* bytes */
  double space;                 /* the sum of used by alive, and ... */
  unsigned looks;               /* ... of how many */
};

static void
open_disk (struct bench *b)
{
  struct pool_options options = {
    .geometry = { .page_size = DATA_PAGE, .checksum = true },
    .algorithm = { .codec = codecs[0], .level = codecs[0]->default_level },
  };
  struct writeback_options file = { .path = b->path, .size = b->bytes };
  struct backing_error error;
  char text[512];

  unlink (b->path);
  b->pool = pool_open (&options);
  if (!b->pool)
    err (EXIT_FAILURE, "pool");
  if (pool_open_writeback (b->pool, &file, &error) == -1) {
    backing_error_text (&error, text, sizeof text);
    errx (EXIT_FAILURE, "%s", text);
  }
  if (pool_start (b->pool) != ATTACH_OK
      || !(b->d = device_open (b->pool, "", b->bytes * 8)))
    err (EXIT_FAILURE, "pool");
}

static void
write_page (struct bench *b, uint64_t index)
{
  if (device_write (b->d, data_page (&b->data,
                                     prng (&b->prng) % b->data.count),
                    DATA_PAGE, index * DATA_PAGE) == -1)
    err (EXIT_FAILURE, "device_write");
}

static void
leave_memory (struct bench *b)
{
  struct selection idle = select_type (PAGES_IDLE);
  struct writeback_result r;

  pool_mark_idle (b->pool, 0);
  if (pool_write_back (b->pool, &idle, NULL, &r) == -1 && errno != ENOSPC)
    err (EXIT_FAILURE, "%s", b->path);
  if (backing_needs_cleaning (b->pool->backing)
      && pool_clean (b->pool, NULL) == -1 && errno != ENOSPC)
    err (EXIT_FAILURE, "cleaning %s", b->path);
}

static void
look (struct bench *b, struct span *s)
{
  struct backing_stats st;

  backing_get_stats (b->pool->backing, &st);
  s->space += (double) st.used / (double) st.live;
  s->looks++;
}

/* Write pages until the wanted number of bytes is alive. */
static void
fill (struct bench *b)
{
  struct backing_stats st;

  b->pages = 0;
  do {
    for (unsigned i = 0; i < 4096; ++i)
      write_page (b, b->pages++);
    leave_memory (b);
    backing_get_stats (b->pool->backing, &st);
  } while (st.live < b->bytes / 100 * ALIVE_PERCENT);
}

static uint64_t
choose (struct bench *b, enum pattern pattern)
{
  uint64_t fifth = b->pages / 5;

  if (pattern == SKEWED)
    return prng (&b->prng) % 10 < 8
      ? prng (&b->prng) % fifth
      : fifth + prng (&b->prng) % (b->pages - fifth);
  return prng (&b->prng) % b->pages;
}

static void
replace_some (struct bench *b, enum pattern pattern, uint64_t count)
{
  while (count > 0) {
    uint64_t n = pattern == RUNS ? MIN (RUN, count) : 1;
    uint64_t first = choose (b, pattern);

    if (pattern == RUNS)
      first = first / RUN * RUN;
    for (uint64_t i = 0; i < n && first + i < b->pages; ++i)
      write_page (b, first + i);
    count -= n;
  }
}

/* Replace as many pages as there are. */
static struct span
go_round (struct bench *b, enum pattern pattern)
{
  struct backing_counters *c = &b->pool->backing->counters;
  struct span s = { .written = c->write_bytes, .objects = c->object_bytes };

  for (unsigned i = 0; i < STEPS; ++i) {
    replace_some (b, pattern, b->pages / STEPS);
    leave_memory (b);
    look (b, &s);
  }
  s.written = c->write_bytes - s.written;
  s.objects = c->object_bytes - s.objects;
  return s;
}

static void
report (const struct bench *b, const char *pattern, const struct span *spans)
{
  const struct span *first = &spans[b->times / 2 - 1];
  struct span sum = { .looks = 0 };
  char title[64], details[160];

  for (unsigned i = b->times / 2; i < b->times; ++i) {
    sum.written += spans[i].written;
    sum.objects += spans[i].objects;
    sum.space += spans[i].space;
    sum.looks += spans[i].looks;
  }
  snprintf (title, sizeof title, "%s: space / alive", pattern);
  snprintf (details, sizeof details, "%u times %.0f MB, the later half; "
            "before that %.3f, in the end %.3f", b->times,
            (double) b->pages * DATA_PAGE / 1e6, first->space / first->looks,
            spans[b->times - 1].space / spans[b->times - 1].looks);
  table_row (title, sum.space / sum.looks, AT_MOST, 1.15, details);
  snprintf (title, sizeof title, "%s: written / of objects", pattern);
  snprintf (details, sizeof details, "%.2f GB written; before that %.3f, "
            "in the end %.3f",
            (double) b->pool->backing->counters.write_bytes / 1e9,
            (double) first->written / (double) first->objects,
            (double) spans[b->times - 1].written
            / (double) spans[b->times - 1].objects);
  table_row (title, (double) sum.written / (double) sum.objects, AT_MOST, 1.5,
             details);
}

static void
measure (struct bench *b, enum pattern pattern)
{
  struct span *spans = must_alloc (b->times * sizeof *spans);

  b->prng = 1;
  open_disk (b);
  fill (b);
  for (unsigned i = 0; i < b->times; ++i)
    spans[i] = go_round (b, pattern);
  report (b, pattern_names[pattern], spans);
  pool_close (b->pool);
  unlink (b->path);
  free (spans);
}

int
main (int argc, char *argv[])
{
  struct bench b = { .bytes = 64 * MIB, .times = 4 };

  if (argc < 3 || argc > 5)
    errx (EXIT_FAILURE, "usage: churn DATA DIRECTORY [MEGABYTES [TIMES]]");
  b.data = data_open (argv[1], 0);
  if (argc > 3)
    b.bytes = must_number ("MEGABYTES", argv[3], 8) * MIB;
  if (argc > 4)
    b.times = (unsigned) must_number ("TIMES", argv[4], 2);
  if ((size_t) snprintf (b.path, sizeof b.path, "%s/nbdzram-churn.%d", argv[2],
                         (int) getpid ()) >= sizeof b.path)
    errx (EXIT_FAILURE, "DIRECTORY: too long");
  printf ("Churn through a backing file of %.0f MB\n", (double) b.bytes / 1e6);
  table_head ();
  for (int p = 0; p < PATTERNS; ++p)
    measure (&b, (enum pattern) p);
  return EXIT_SUCCESS;
}
